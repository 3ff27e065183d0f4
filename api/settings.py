"""Settings of the control plane: command line before `DNSFILTER_API_*` before defaults."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from api.places import Place, parse_file_place, parse_mail_place, parse_syslog_place
from dnsfilter.errors import ConfigError, Problem

PREFIX = "DNSFILTER_API_"
DEFAULTS = {
    "state_dir": "/var/lib/dnsfilter",
    "listen": "127.0.0.1:8080",
    "metrics_listen": "127.0.0.1:9154",
    "database": "",
    "init_policy": "",
    "checkpoint_key": "",
    "checkpoint_file": "",
    "checkpoint_mail": "",
    "checkpoint_syslog": "",
}
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


@dataclass(frozen=True, slots=True)
class Settings:
    """What the control plane runs with. `init_policy` is loaded only into an empty database.

    `checkpoint_key` is the file of the key that signs checkpoints, `checkpoint_places` are where they are taken to.
    """

    state_dir: Path
    listen: Endpoint
    metrics_listen: Endpoint
    database: str
    checkpoint_key: Path
    init_policy: Path | None = None
    checkpoint_places: tuple[Place, ...] = ()

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
    endpoints = {}
    for key in ("listen", "metrics_listen"):
        try:
            endpoints[key] = parse_endpoint(values[key])
        except ValueError as error:
            problems.append(Problem(places[key], str(error)))
    database = values["database"] or f"sqlite:///{state_dir.absolute() / 'dnsfilter.sqlite3'}"
    problems += [Problem(places["database"], fault) for fault in _database_faults(database)]
    init_policy = Path(values["init_policy"]) if values["init_policy"] else None
    if init_policy is not None and not init_policy.is_file():
        problems.append(Problem(places["init_policy"], f"there is no file {init_policy}"))
    signing = Path(values["checkpoint_key"]) if values["checkpoint_key"] else state_dir / "checkpoint-key"
    if signing.is_dir():
        problems.append(Problem(places["checkpoint_key"], f"{signing} is a directory: name a file"))
    taken_to, found = _checkpoint_places(values, places)
    problems += found
    if problems:
        raise ConfigError(tuple(problems))
    return Settings(
        state_dir,
        endpoints["listen"],
        endpoints["metrics_listen"],
        database,
        signing,
        init_policy,
        taken_to,
    )


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
