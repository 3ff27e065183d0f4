"""Settings of the control plane: command line before `DNSFILTER_API_*` before defaults."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TypeAlias

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from api.places import MailPlace, Place, parse_file_place, parse_mail_place, parse_syslog_place
from api.tls import CERTIFICATE, PRIVATE_KEY, check_pem, make_context
from dnsfilter.errors import ConfigError, Problem

PREFIX = "DNSFILTER_API_"
DEFAULTS = {
    "state_dir": "/var/lib/dnsfilter",
    "listen": "127.0.0.1:8080",
    "metrics_listen": "127.0.0.1:9154",
    "database": "",
    "init_policy": "",
    "tls_certificate": "",
    "tls_key": "",
    "allow_plain": "",
    "snapshot_key": "",
    "checkpoint_key": "",
    "checkpoint_file": "",
    "checkpoint_mail": "",
    "checkpoint_syslog": "",
    "notices_mail": "",
    "broken_record": "",
}
WHERE = ("state_dir", "database", "snapshot_key", "checkpoint_key")
"""The settings that say where an installation is."""
BOOLEAN = ("", "true", "false")
UNIX = "unix:"
MAX_SOCKET_PATH = 107
"""Octets: the kernel's `sun_path` without its last."""
MAX_LISTEN = 16
"""Addresses to listen on."""
_PLAIN = (
    "plain HTTP on {} shows tokens to whoever hears the network: give --tls-certificate and --tls-key, listen on "
    "loopback or on unix:PATH behind a proxy, or say --allow-plain where something else ciphers the way"
)
_PLACES: Mapping[str, Callable[[str], Place]] = {
    "checkpoint_file": parse_file_place,
    "checkpoint_mail": parse_mail_place,
    "checkpoint_syslog": parse_syslog_place,
}
BACKENDS = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address to listen on; port 0 lets the system choose."""

    host: str
    port: int

    @property
    def text(self) -> str:
        """`host:port`, IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A socket's file to listen on, for a proxy on the same machine."""

    path: Path

    @property
    def text(self) -> str:
        """`unix:` and the path."""
        return f"{UNIX}{self.path}"

    @property
    def loopback(self) -> bool:
        """Only this machine reaches it."""
        return True


Where: TypeAlias = Endpoint | UnixSocket
"""Where to listen."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The PEM files of a certificate, with those between it and its authority, and of its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Settings:
    """What the control plane runs with. `init_policy` is loaded only into an empty database.

    `snapshot_key` is the file of the key that signs snapshots, `checkpoint_key` that of the one that signs checkpoints;
    `checkpoint_places` are where those are taken to.
    With `broken_record` acts are accepted although the database is damaged.
    `notices_mail` is the server of notices, and the installation's own contact as its recipients; without it there are
    no notices. `env_file` is the file of variables that `--env-file` named.
    """

    state_dir: Path
    listen: tuple[Where, ...]
    metrics_listen: Endpoint
    database: str
    snapshot_key: Path
    checkpoint_key: Path
    init_policy: Path | None = None
    checkpoint_places: tuple[Place, ...] = ()
    tls: TlsFiles | None = None
    notices_mail: MailPlace | None = None
    broken_record: bool = False
    env_file: Path | None = None

    def speaks_tls(self, where: Where) -> bool:
        """Return whether TLS is spoken at one of `listen`.

        Loopback next to an address that others reach is plain: it is for programs of this machine.
        """
        is_local = all(each.loopback for each in self.listen)
        return self.tls is not None and isinstance(where, Endpoint) and (is_local or not where.loopback)

    @property
    def token_path(self) -> Path:
        """Where the first administrator's token is written."""
        return self.state_dir / "admin-token"

    @property
    def token_key_path(self) -> Path:
        """Where the key of the token hashes is."""
        return self.state_dir / "token-key"

    @property
    def snapshot_dir(self) -> Path:
        """Where snapshots are published."""
        return self.state_dir / "snapshots"

    @property
    def enrolment_token_path(self) -> Path:
        """Where the one-time token of this machine's node is, until it is used."""
        return self.state_dir / "enrolment-token"


def parse_settings(given: Mapping[str, str | None], environ: Mapping[str, str]) -> Settings:
    """Settings of the command line (None: not given) and the environment; raises ConfigError with all faults."""
    values, places = {}, {}
    for key, default in DEFAULTS.items():
        option, variable = f"--{key.replace('_', '-')}", PREFIX + key.upper()
        from_line, from_environ = given.get(key), environ.get(variable)
        values[key] = from_line if from_line is not None else from_environ if from_environ is not None else default
        places[key] = option if from_line is not None else variable if from_environ is not None else option
    problems = [
        Problem(variable, f"unknown setting; known are {', '.join(PREFIX + key.upper() for key in DEFAULTS)}")
        for variable in sorted(environ)
        if variable.startswith(PREFIX) and variable.removeprefix(PREFIX).lower() not in DEFAULTS
    ]
    state_dir = Path(values["state_dir"])
    if not values["state_dir"]:
        problems.append(Problem(places["state_dir"], "name a directory"))
    elif state_dir.exists() and not state_dir.is_dir():
        problems.append(Problem(places["state_dir"], f"{state_dir} is not a directory"))
    listen, found = _listen(values, places)
    problems += found
    metrics_listen = None
    try:
        metrics_listen = parse_endpoint(values["metrics_listen"])
    except ValueError as error:
        problems.append(Problem(places["metrics_listen"], str(error)))
    database = values["database"] or _database_in(state_dir)
    problems += [Problem(places["database"], fault) for fault in _database_faults(database)]
    init_policy = Path(values["init_policy"]) if values["init_policy"] else None
    if init_policy is not None and not init_policy.is_file():
        problems.append(Problem(places["init_policy"], f"there is no file {init_policy}"))
    snapshot_key, checkpoint_key = (_key(values, key, state_dir) for key in ("snapshot_key", "checkpoint_key"))
    for key, file in (("snapshot_key", snapshot_key), ("checkpoint_key", checkpoint_key)):
        # Not the method, which raises an error if the directory may not be read.
        if os.path.isdir(file):
            problems.append(Problem(places[key], f"{file} is a directory: name a file"))
    taken_to, found = _checkpoint_places(values, places)
    problems += found
    tls, found = _tls(values, places, listen)
    problems += found
    notices, found = _notices(values, places)
    problems += found
    if values["broken_record"] not in BOOLEAN:
        problems.append(Problem(places["broken_record"], "write true or false"))
    if problems or metrics_listen is None:
        raise ConfigError(tuple(problems))
    keys = snapshot_key, checkpoint_key
    broken_record = values["broken_record"] == "true"
    return Settings(
        state_dir, listen, metrics_listen, database, *keys, init_policy, taken_to, tls, notices, broken_record
    )


def where(given: Mapping[str, str | None], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings WHERE of the command line and the environment, paths absolute. Nothing is checked."""
    values = {key: given.get(key) or environ.get(PREFIX + key.upper()) or DEFAULTS[key] for key in WHERE}
    state_dir = Path(values["state_dir"])
    keys = {key: str(_key(values, key, state_dir).absolute()) for key in ("snapshot_key", "checkpoint_key")}
    database = values["database"] or _database_in(state_dir)
    return {"state_dir": str(state_dir.absolute()), "database": database, **keys}


def _database_in(state_dir: Path) -> str:
    return f"sqlite:///{state_dir.absolute() / 'dnsfilter.sqlite3'}"


def _key(values: Mapping[str, str], key: str, state_dir: Path) -> Path:
    """The file of a key: as it is set, else under the key's name in the state directory."""
    return Path(values[key]) if values[key] else state_dir / key.replace("_", "-")


def _listen(values: Mapping[str, str], places: Mapping[str, str]) -> tuple[tuple[Where, ...], list[Problem]]:
    """Where to listen, and what is wrong with that: tokens are shown to no network unless that is asked for."""
    place = places["listen"]
    listen: list[Where] = []
    problems: list[Problem] = []
    texts = values["listen"].split(",")
    if len(texts) > MAX_LISTEN:
        return (), [Problem(place, f"names {len(texts)} addresses; {MAX_LISTEN} are possible")]
    ciphered = values["tls_certificate"] or values["tls_key"] or values["allow_plain"] == "true"
    for text in texts:
        try:
            where = parse_listen(text.strip())
        except ValueError as error:
            problems.append(Problem(place, str(error)))
            continue
        problems += [Problem(place, f"{where.text} is {each.text} too") for each in listen if _meet(where, each)]
        if not where.loopback and not ciphered:
            problems.append(Problem(place, _PLAIN.format(where.text)))
        listen.append(where)
    if values["allow_plain"] not in BOOLEAN:
        problems.append(Problem(places["allow_plain"], "write true or false"))
    return tuple(listen), problems


def _meet(one: Where, other: Where) -> bool:
    """Return whether the kernel would refuse the second: `[::]` is every IPv4 address too, `0.0.0.0` is no IPv6 one."""
    if not (isinstance(one, Endpoint) and isinstance(other, Endpoint)):
        return one == other
    hosts = {one.host, other.host}
    has_all = "::" in hosts or ("0.0.0.0" in hosts and not any(":" in host for host in hosts))
    return one.port == other.port != 0 and (len(hosts) == 1 or has_all)


def _tls(
    values: Mapping[str, str], places: Mapping[str, str], listen: Sequence[Where]
) -> tuple[TlsFiles | None, list[Problem]]:
    given = [key for key in ("tls_certificate", "tls_key") if values[key]]
    if not given:
        return None, []
    place = places[given[0]]
    if len(given) == 1:
        missing = "--tls-key" if given == ["tls_certificate"] else "--tls-certificate"
        return None, [Problem(place, f"needs {missing} too")]
    if listen and all(isinstance(where, UnixSocket) for where in listen):
        return None, [Problem(place, "a Unix socket is spoken to without TLS: the proxy before it has the certificate")]
    files = TlsFiles(Path(values["tls_certificate"]), Path(values["tls_key"]))
    problems = []
    for key, kind in (("tls_certificate", CERTIFICATE), ("tls_key", PRIVATE_KEY)):
        try:
            check_pem(Path(values[key]), kind)
        except ValueError as error:
            problems.append(Problem(places[key], str(error)))
    if not problems:
        try:
            make_context(files.certificate, files.key)
        except ValueError as error:
            problems.append(Problem(place, str(error)))
    return files, problems


def parse_listen(text: str) -> Where:
    """Where to listen, of "127.0.0.1:8080" or "unix:/run/api.sock"; raises ValueError naming the input."""
    if not text.startswith(UNIX):
        return parse_endpoint(text)
    path = text.removeprefix(UNIX)
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise ValueError(f"{text!r} names no socket: write for example unix:/run/dnsfilter-api/api.sock")
    if len(path.encode(errors="surrogateescape")) > MAX_SOCKET_PATH:
        raise ValueError(f"{text!r} is too long: a socket's path has at most {MAX_SOCKET_PATH} octets")
    return UnixSocket(Path(path))


def _checkpoint_places(values: Mapping[str, str], places: Mapping[str, str]) -> tuple[tuple[Place, ...], list[Problem]]:
    """Where checkpoints are taken to, and what is wrong with that."""
    found: list[Place] = []
    problems = []
    for key, parse in _PLACES.items():
        try:
            found += [parse(values[key])] if values[key] else []
        except ValueError as error:
            problems.append(Problem(places[key], str(error)))
    return tuple(found), problems


def _notices(values: Mapping[str, str], places: Mapping[str, str]) -> tuple[MailPlace | None, list[Problem]]:
    if not values["notices_mail"]:
        return None, []
    try:
        return parse_mail_place(values["notices_mail"], least=0), []
    except ValueError as error:
        return None, [Problem(places["notices_mail"], str(error))]


def parse_endpoint(text: str) -> Endpoint:
    """An `Endpoint` of "127.0.0.1:8080" or "[::1]:8080"; raises ValueError naming the input."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bracketed):
        raise ValueError(f"{text!r} is no address with a port: write for example 127.0.0.1:8080 or [::1]:8080")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"{port!r} in {text!r} is no port (0 to 65535)")
    return Endpoint(host.strip("[]"), int(port))


def _database_faults(url: str) -> list[str]:
    # The URL may carry a password: it stands in no message.
    try:
        backend = make_url(url).get_backend_name()
    except ArgumentError:
        return ["not a database URL: write for example sqlite:////var/lib/dnsfilter/dnsfilter.sqlite3"]
    return [] if backend in BACKENDS else [f"{backend} is not supported; use one of {', '.join(BACKENDS)}"]
