"""Destinations of checkpoints and notices, as settings write them: a file, a mail server, a syslog server."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

SMTP_PORT, SUBMISSION_PORT, SMTPS_PORT = 25, 587, 465
DEFAULT_SYSLOG_PORT, DEFAULT_SYSLOG_TLS_PORT = 514, 6514
MAX_RECIPIENTS = 20
MAX_LOGIN = 256
"""The most characters of a user, and of a password."""
NO_MAIL_SERVER = (
    "not a mail server: write smtp://HOST:PORT?from=ADDRESS&to=ADDRESS, or with a login smtp://USER:PASSWORD@HOST…. "
    "In user and password, write / ? # @ : [ ] and % as %2F %3F %23 %40 %3A %5B %5D and %25"
)
# One address without a display name. A line break in it would forge a header, and so would an encoded word that holds
# one: those begin with "=?" (RFC 2047 section 2). A domain has no empty label (RFC 5321 section 4.1.2).
_MAILBOX = re.compile(r"(?!.*=\?)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{1,253}\Z)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")


class Transport(StrEnum):
    """The transport to a syslog server."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    UNIX = "unix"


@dataclass(frozen=True, slots=True)
class FileDestination:
    """A file to which a line is appended for each checkpoint."""

    path: Path


@dataclass(frozen=True, slots=True)
class Login:
    """A user of a mail server, and the password. The text of this object hides the password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MailDestination:
    """A mail server. `tls` means TLS from the first byte. Without it, a login needs STARTTLS."""

    host: str
    port: int
    tls: bool
    sender: str
    recipients: tuple[str, ...]
    login: Login | None = None


@dataclass(frozen=True, slots=True)
class SyslogDestination:
    """A syslog server: an address with a port, or the path of a Unix socket as `host`."""

    transport: Transport
    host: str
    port: int = 0


Destination: TypeAlias = FileDestination | MailDestination | SyslogDestination


def destination_name(destination: Destination) -> str:
    """Return the name under which deliveries to a destination are stored. It stays when the address changes."""
    return {FileDestination: "file", MailDestination: "mail", SyslogDestination: "syslog"}[type(destination)]


def parse_file_destination(text: str) -> FileDestination:
    """Return the destination for a file's path. Raise ValueError."""
    path = Path(text)
    if path.is_dir():
        raise ValueError(f"{path} is a directory: name a file")
    return FileDestination(path)


def is_mailbox(text: str) -> bool:
    """Return whether the text is exactly one mail address."""
    return _MAILBOX.fullmatch(text) is not None


def parse_mail_destination(text: str, *, least: int = 1) -> MailDestination:
    """Return the destination of "smtp://192.0.2.25?from=dns@example.org&to=record@example.org". Raise ValueError.

    The text must name at least `least` recipients. `user:password@` before the host is a login. Messages repeat nothing
    of the text but an address: the rest may hold a password, even if it is malformed.
    """
    url, port = _split_mail(text)
    if url.scheme not in ("smtp", "smtps") or not url.hostname or url.path.strip("/") or url.fragment or port == 0:
        raise ValueError(NO_MAIL_SERVER)
    login = _login(url)
    is_tls = url.scheme == "smtps"
    default_port = SMTPS_PORT if is_tls else SMTP_PORT if login is None else SUBMISSION_PORT
    query = parse_qs(url.query.replace("+", "%2B"), keep_blank_values=True)
    senders, recipients = query.pop("from", []), [to for many in query.pop("to", []) for to in many.split(",")]
    if query:
        raise ValueError("after the ? of a mail server, only from and to are known")
    if len(senders) != 1 or not least <= len(recipients) <= MAX_RECIPIENTS:
        raise ValueError(f"give one address as from, and {least} to {MAX_RECIPIENTS} as to")
    for address in (*senders, *recipients):
        if not is_mailbox(address):
            raise ValueError(f"{address!r} is not a mail address")
    return MailDestination(url.hostname, port or default_port, is_tls, senders[0], tuple(recipients), login)


def _login(url: SplitResult) -> Login | None:
    if url.username is None and url.password is None:
        return None
    user, password = unquote(url.username or ""), unquote(url.password or "")
    # smtplib writes only ASCII, and NUL would end a name (RFC 4616 section 2).
    if not all(0 < len(word) <= MAX_LOGIN and word.isascii() and word.isprintable() for word in (user, password)):
        raise ValueError(f"a login is USER:PASSWORD, each of 1 to {MAX_LOGIN} printable ASCII characters")
    return Login(user, password)


def _split_mail(text: str) -> tuple[SplitResult, int | None]:
    """Return a URL and its port. Raise ValueError with a message of ours: Python's own repeat parts of the text."""
    try:
        url = urlsplit(text)
        return url, url.port
    except ValueError:
        raise ValueError(NO_MAIL_SERVER) from None


def parse_syslog_destination(text: str) -> SyslogDestination:
    """Return the destination of "udp://192.0.2.1:514", "tls://log.example.org" or "/dev/log". Raise ValueError."""
    if text.startswith("/"):
        return SyslogDestination(Transport.UNIX, text)
    url = urlsplit(text)
    if url.scheme not in ("udp", "tcp", "tls") or not url.hostname or url.path.strip("/") or url.query or url.fragment:
        raise ValueError(f"{text!r} is not a syslog server: write udp://HOST:PORT, tcp://…, tls://… or /dev/log")
    if "@" in url.netloc:
        raise ValueError("a syslog server has no user and password: leave them out")
    default = DEFAULT_SYSLOG_TLS_PORT if url.scheme == "tls" else DEFAULT_SYSLOG_PORT
    return SyslogDestination(Transport(url.scheme), url.hostname, _port(text, default))


def _port(text: str, default: int) -> int:
    port = urlsplit(text).port
    if port == 0:
        raise ValueError("port 0 is not possible: give 1 to 65535")
    return default if port is None else port
