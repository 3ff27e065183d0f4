"""Settings of the control plane. The command line overrides `DNSFILTER_API_*` variables, which override defaults."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from api.delivery import identity_provider as providers
from api.delivery.destinations import (
    Destination,
    FileDestination,
    MailDestination,
    SyslogDestination,
    parse_file_destination,
    parse_mail_destination,
    parse_syslog_destination,
)
from api.delivery.identity_provider import IdentityProvider
from api.tls.pem import CERTIFICATE, PRIVATE_KEY, check_pem, make_context
from dnsfilter.errors import ConfigError, Problem
from dnsfilter.policy.model import Prefix

PREFIX = "DNSFILTER_API_"
DEFAULTS = {"state_dir": "/var/lib/dnsfilter", "listen": "127.0.0.1:8080", "metrics_listen": "127.0.0.1:9154"}
"""Defaults as text. `_completed` adds the others."""
LOCATION_KEYS = ("state_dir", "database", "snapshot_key", "checkpoint_key")
"""Settings that locate an installation."""
UNIX = "unix:"
MAX_SOCKET_PATH = 107
"""Bytes of a socket's path: the kernel's `sun_path` without the final NUL."""
MAX_LISTEN = 16
"""The most addresses to listen on."""
CATALOGUE_KEY = "ef142554650ecdda195a7e46b26a538bf7d5f53b3fffda8ef8ac2f291d3c1d97"
"""The public key under which this project signs catalogues between releases."""
_PLAIN = (
    "plain HTTP on {} exposes tokens on the network: give --tls-certificate and --tls-key, listen on loopback or on "
    "unix:PATH behind a proxy, or give --allow-plain if something else encrypts the connection"
)
BACKENDS = ("sqlite", "postgresql")
_OIDC = ("oidc_issuer", "oidc_client_id", "oidc_client_secret_file", "console_url")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address to listen on. With port 0 the system chooses one."""

    host: str
    port: int

    @property
    def text(self) -> str:
        """Return `host:port`, with IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Return whether only this machine can reach it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A Unix socket to listen on, for a proxy on the same machine."""

    path: Path

    @property
    def text(self) -> str:
        """Return `unix:` and the path."""
        return f"{UNIX}{self.path}"

    @property
    def loopback(self) -> bool:
        """Return True: only this machine can reach it."""
        return True


ListenAddress: TypeAlias = Endpoint | UnixSocket


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The PEM files of a certificate with its intermediates, and of its key."""

    certificate: Path
    key: Path


def parse_listen(text: str) -> ListenAddress:
    """Return the address of "127.0.0.1:8080" or "unix:/run/api.sock". Raise ValueError that repeats the input."""
    if not text.startswith(UNIX):
        return parse_endpoint(text)
    path = text.removeprefix(UNIX)
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise ValueError(f"{text!r} is not a socket: write for example unix:/run/dnsfilter-api/api.sock")
    if len(path.encode(errors="surrogateescape")) > MAX_SOCKET_PATH:
        raise ValueError(f"{text!r} is too long: a socket's path has at most {MAX_SOCKET_PATH} bytes")
    return UnixSocket(Path(path))


def parse_endpoint(text: str) -> Endpoint:
    """Return the `Endpoint` of "127.0.0.1:8080" or "[::1]:8080". Raise ValueError that repeats the input."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bracketed):
        raise ValueError(f"{text!r} is not an address with a port: write for example 127.0.0.1:8080 or [::1]:8080")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"{port!r} in {text!r} is not a port (0 to 65535)")
    return Endpoint(host.strip("[]"), int(port))


def _overlap(one: ListenAddress, other: ListenAddress) -> bool:
    """Return whether the kernel would refuse the second. `[::]` covers IPv4 too, `0.0.0.0` does not cover IPv6."""
    if not (isinstance(one, Endpoint) and isinstance(other, Endpoint)):
        return one == other
    hosts = {one.host, other.host}
    has_all = "::" in hosts or ("0.0.0.0" in hosts and not any(":" in host for host in hosts))
    return one.port == other.port != 0 and (len(hosts) == 1 or has_all)


class _Faults(ValueError):
    """Faults of a setting: a message about this setting (None), or about the setting with a key."""

    def __init__(self, *faults: tuple[str | None, str]) -> None:
        super().__init__(faults)
        self.faults = faults


def _text(parse: Callable[[str], object]) -> BeforeValidator:
    """Parse the text of a setting."""

    def read(text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            # pydantic does not pass on a message that holds bytes that are not text.
            raise _Faults((None, str(error))) from error

    return BeforeValidator(read)


def _optional(parse: Callable[[str], object]) -> BeforeValidator:
    """Parse the text of a setting. An empty text is None."""
    return _text(lambda text: parse(text) if text else None)


def _boolean(text: str) -> bool:
    if text not in ("", "true", "false"):
        raise ValueError("write true or false")
    return text == "true"


def _networks(text: str) -> tuple[Prefix, ...]:
    """Parse prefixes, separated by commas."""
    try:
        return tuple(ip_network(each.strip()) for each in text.split(",")) if text.strip() else ()
    except ValueError as error:
        raise ValueError(f"{error}: write for example 10.20.0.0/16,fd00::/8") from None


def _public_key(text: str) -> str:
    if text and re.fullmatch(r"[0-9a-f]{64}", text) is None:
        raise ValueError(f"{text!r} is no Ed25519 public key: write 64 hexadecimal digits in lower case, or nothing")
    return text


def _directory(text: str) -> Path:
    path = Path(text)
    if not text:
        raise ValueError("name a directory")
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is not a directory")
    return path


def _existing_directory(text: str) -> Path:
    path = _directory(text)
    if not path.exists():
        raise ValueError(f"directory {path} does not exist")
    return path


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise ValueError(f"file {text} does not exist")
    return Path(text)


def _key_file(text: str) -> Path:
    # Path.is_dir raises an error if the directory may not be read.
    if os.path.isdir(text):
        raise ValueError(f"{text} is a directory: name a file")
    return Path(text)


def _pem(kind: str, text: str) -> Path:
    check_pem(Path(text), kind)
    return Path(text)


def _database(url: str) -> str:
    # The URL may hold a password: no message repeats it, not even a part that was read as a port.
    try:
        backend = make_url(url).get_backend_name()
    except (ArgumentError, ValueError):
        raise ValueError(
            "not a database URL: write for example sqlite:////var/lib/dnsfilter/dnsfilter.sqlite3"
        ) from None
    if backend not in BACKENDS:
        raise ValueError(f"{backend} is not supported; use one of {', '.join(BACKENDS)}")
    return url


class Settings(BaseModel):
    """Settings of the control plane. Each field except the last is an option and a variable.

    `snapshot_key` and `checkpoint_key` are files with the keys that sign snapshots and checkpoints. `init_policy` is
    loaded only into an empty database. With `accept_damage`, acts are accepted even if the database is damaged.
    `notices_mail` is the mail server of notices, with the installation's own contact as recipients. Without it, no
    notice is mailed. `webhook_networks` and `feed_networks` are the private networks at which webhooks and feeds
    may be. Feeds that are files are below `feed_dir`. `catalogue_key` is the key under which catalogues between
    releases are signed; empty: none is loaded. `console_url` is the address of the console for browsers. The settings
    `oidc_…` name the provider with which people sign in to it; without an issuer, none. `env_file` is the file of
    variables given with `--env-file`.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    state_dir: Annotated[Path, _text(_directory)]
    # Before `listen`, whose validator reads them.
    allow_plain: Annotated[bool, _text(_boolean)] = False
    tls_certificate: Annotated[Path | None, _optional(partial(_pem, CERTIFICATE))] = None
    tls_key: Annotated[Path | None, _optional(partial(_pem, PRIVATE_KEY))] = None
    listen: tuple[ListenAddress, ...]
    metrics_listen: Annotated[Endpoint, _text(parse_endpoint)]
    database: Annotated[str, _text(_database)] = Field(repr=False)
    init_policy: Annotated[Path | None, _optional(_file)] = None
    snapshot_key: Annotated[Path, _text(_key_file)]
    checkpoint_key: Annotated[Path, _text(_key_file)]
    checkpoint_file: Annotated[FileDestination | None, _optional(parse_file_destination)] = None
    checkpoint_mail: Annotated[MailDestination | None, _optional(parse_mail_destination)] = None
    checkpoint_syslog: Annotated[SyslogDestination | None, _optional(parse_syslog_destination)] = None
    events_file: Annotated[FileDestination | None, _optional(parse_file_destination)] = None
    events_syslog: Annotated[SyslogDestination | None, _optional(parse_syslog_destination)] = None
    webhook_networks: Annotated[tuple[Prefix, ...], _text(_networks)] = ()
    feed_networks: Annotated[tuple[Prefix, ...], _text(_networks)] = ()
    feed_dir: Annotated[Path | None, _optional(_existing_directory)] = None
    notices_mail: Annotated[MailDestination | None, _optional(partial(parse_mail_destination, least=0))] = None
    catalogue_key: Annotated[str, _text(_public_key)] = CATALOGUE_KEY
    accept_damage: Annotated[bool, _text(_boolean)] = False
    console_url: Annotated[str | None, _optional(providers.parse_console_url)] = None
    oidc_client_id: Annotated[str | None, _optional(providers.parse_client_id)] = None
    oidc_client_secret_file: Annotated[Path | None, _optional(providers.parse_secret_file)] = Field(None, repr=False)
    oidc_claim: Annotated[str, _text(providers.parse_claim)] = "preferred_username"
    oidc_domain: Annotated[str | None, _optional(providers.parse_domain)] = None
    # After those without which it is refused.
    oidc_issuer: str | None = Field(None, validate_default=True)
    env_file: Path | None = None

    @field_validator("tls_key")
    @classmethod
    def _check_pair(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("tls_certificate")
        if key is not None and certificate is not None:
            try:
                make_context(certificate, key)
            except ValueError as error:
                raise _Faults(("tls_certificate", str(error))) from error
        return key

    @field_validator("listen", mode="before")
    @classmethod
    def _parse_listen(cls, text: str, info: ValidationInfo) -> Sequence[ListenAddress]:
        """Parse the addresses. Refuse plain HTTP on a network unless `allow_plain` is set."""
        texts = text.split(",")
        faults: list[str] = []
        if len(texts) > MAX_LISTEN:
            faults.append(f"has {len(texts)} addresses: give at most {MAX_LISTEN}")
            texts = []
        # A file with a fault is missing from `info.data`, but counts as given.
        files = [key for key in ("tls_certificate", "tls_key") if info.data.get(key, True) is not None]
        may_listen = bool(files) or info.data.get("allow_plain", False)
        listen: list[ListenAddress] = []
        for each in texts:
            try:
                where = parse_listen(each.strip())
            except ValueError as error:
                faults.append(str(error))
                continue
            faults += [f"{where.text} overlaps {other.text}" for other in listen if _overlap(where, other)]
            if not where.loopback and not may_listen:
                faults.append(_PLAIN.format(where.text))
            listen.append(where)
        found: list[tuple[str | None, str]] = [(None, fault) for fault in faults]
        if len(files) == 1:
            missing = "--tls-key" if files == ["tls_certificate"] else "--tls-certificate"
            found.append((files[0], f"needs {missing} too"))
        if files and listen and all(isinstance(where, UnixSocket) for where in listen):
            unused = "is not used: a Unix socket has no TLS, and the proxy in front of it has the certificate"
            found.append((files[0], unused))
        if found:
            raise _Faults(*found)
        return listen

    @field_validator("oidc_issuer", mode="before")
    @classmethod
    def _parse_issuer(cls, text: str | None, info: ValidationInfo) -> str | None:
        """Parse the issuer. Refuse some settings of OpenID Connect without the others."""
        # A setting with a fault is missing from `info.data`, but counts as given.
        given = [key for key in _OIDC if (text if key == "oidc_issuer" else info.data.get(key, True))]
        found: list[tuple[str | None, str]] = []
        if given not in ([], ["console_url"], [*_OIDC]):
            missing = [f"--{key.replace('_', '-')}" for key in _OIDC if key not in given]
            found.append((given[0], f"needs {' and '.join(missing)} too"))
        try:
            issuer = providers.parse_issuer(text) if text else None
        except ValueError as error:
            found.append((None, str(error)))
        if found:
            raise _Faults(*found)
        return issuer

    @property
    def identity_provider(self) -> IdentityProvider | None:
        """Return the provider with which people sign in, or None."""
        client, secret, url = self.oidc_client_id, self.oidc_client_secret_file, self.console_url
        if not (self.oidc_issuer and client and secret and url):
            return None
        return IdentityProvider(self.oidc_issuer, client, secret, self.oidc_claim, self.oidc_domain, url)

    @property
    def tls(self) -> TlsFiles | None:
        """Return the files of the certificate and its key, or None."""
        if self.tls_certificate is None or self.tls_key is None:
            return None
        return TlsFiles(self.tls_certificate, self.tls_key)

    @property
    def checkpoint_destinations(self) -> tuple[Destination, ...]:
        """Return the destinations of checkpoints."""
        destinations = self.checkpoint_file, self.checkpoint_mail, self.checkpoint_syslog
        return tuple(destination for destination in destinations if destination is not None)

    @property
    def event_destinations(self) -> tuple[FileDestination | SyslogDestination, ...]:
        """Return the destinations of events."""
        return tuple(destination for destination in (self.events_file, self.events_syslog) if destination is not None)

    def uses_tls(self, where: ListenAddress) -> bool:
        """Return whether an address of `listen` uses TLS.

        Loopback is plain HTTP if others can reach another address: it is for programs of this machine.
        """
        is_local = all(each.loopback for each in self.listen)
        return self.tls is not None and isinstance(where, Endpoint) and (is_local or not where.loopback)

    @property
    def token_path(self) -> Path:
        """Return the file of the first administrator's token."""
        return self.state_dir / "admin-token"

    @property
    def last_backup_path(self) -> Path:
        """The file that records when the last complete backup was made."""
        return self.state_dir / "last-backup"

    @property
    def token_key_path(self) -> Path:
        """Return the file of the token hash key."""
        return self.state_dir / "token-key"

    @property
    def snapshot_dir(self) -> Path:
        """Return the directory of published snapshots."""
        return self.state_dir / "snapshots"

    @property
    def enrolment_token_path(self) -> Path:
        """Return the path of the one-time token for this machine's node. The file is removed once the token is used."""
        return self.state_dir / "enrolment-token"


KEYS = tuple(key for key in Settings.model_fields if key != "env_file")


def parse_settings(
    given: Mapping[str, str | None], environ: Mapping[str, str], env_file: Path | None = None
) -> Settings:
    """Parse settings of the command line (None: not given) and the environment. Raise ConfigError with all faults."""
    variables = {PREFIX + key.upper(): key for key in KEYS}
    from_line = {key: text for key in KEYS if (text := given.get(key)) is not None}
    from_environ = {key: environ[name] for name, key in variables.items() if name in environ}
    problems = [
        Problem(name, f"unknown setting; known are {', '.join(variables)}")
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in variables
    ]
    values = _completed({**DEFAULTS, **from_environ, **from_line})
    try:
        settings = Settings.model_validate({**values, "env_file": env_file})
    except ValidationError as error:
        for key, message in _faults(error):
            is_variable = key in from_environ and key not in from_line
            problems.append(Problem(PREFIX + key.upper() if is_variable else f"--{key.replace('_', '-')}", message))
    if problems:
        raise ConfigError(tuple(problems))
    return settings


def location_settings(given: Mapping[str, str | None], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the LOCATION_KEYS settings of the command line and the environment, unchecked, with absolute paths."""
    values = {key: text for key in LOCATION_KEYS if (text := given.get(key) or environ.get(PREFIX + key.upper()))}
    found = _completed({**DEFAULTS, **values})
    return {key: found[key] if key == "database" else str(Path(found[key]).absolute()) for key in LOCATION_KEYS}


def _completed(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values, with defaults in the state directory for what is not set."""
    state_dir = Path(values["state_dir"])
    inside = {
        "database": f"sqlite:///{state_dir.absolute() / 'dnsfilter.sqlite3'}",
        "snapshot_key": str(state_dir / "snapshot-key"),
        "checkpoint_key": str(state_dir / "checkpoint-key"),
    }
    return {**values, **{key: values.get(key) or text for key, text in inside.items()}}


def _faults(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Return the key and the message of each fault."""
    for found in error.errors(include_url=False, include_input=False):
        raised = found["ctx"]["error"] if "ctx" in found else found["msg"]
        for key, message in raised.faults if isinstance(raised, _Faults) else [(None, str(raised))]:
            yield key or str(found["loc"][0]), message
