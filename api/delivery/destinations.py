"""Where checkpoints and notices go when they leave the machine: a file, mail, syslog; as written in settings."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

SMTP_PORT, SUBMISSION_PORT, SMTPS_PORT = 25, 587, 465
DEFAULT_SYSLOG_PORT = 514
MAX_RECIPIENTS = 20
MAX_LOGIN = 256
"""Characters of a user, and of a password."""
NO_MAIL_SERVER = (
    "no mail server: write smtp://HOST:PORT?from=ADDRESS&to=ADDRESS, with a login smtp://USER:PASSWORD@HOST…, where "
    "/ ? # @ : [ ] and % of user and password are %2F %3F %23 %40 %3A %5B %5D and %25"
)
# One address without a display's name; a line's end in it would forge a header. "=?" begins an encoded word (RFC 2047
# section 2), which may hold one; an empty label of the domain is no domain (RFC 5321 section 4.1.2).
_MAILBOX = re.compile(r"(?!.*=\?)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{1,253}\Z)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")


class Transport(StrEnum):
    """How a syslog server is reached."""

    UDP = "udp"
    TCP = "tcp"
    UNIX = "unix"


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A file that grows by a line for each checkpoint."""

    path: Path


@dataclass(frozen=True, slots=True)
class Login:
    """A user of a mail server, and the password, which no text of this object has."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MailPlace:
    """A mail server. `tls` is TLS from the first byte; without it, a login needs STARTTLS."""

    host: str
    port: int
    tls: bool
    sender: str
    recipients: tuple[str, ...]
    login: Login | None = None


@dataclass(frozen=True, slots=True)
class SyslogPlace:
    """A syslog server: an address with a port, or the path of a Unix socket as `host`."""

    transport: Transport
    host: str
    port: int = 0


Place: TypeAlias = FilePlace | MailPlace | SyslogPlace


def place_name(place: Place) -> str:
    """The word under which it is kept what a place has; it stays when the place is moved elsewhere."""
    return {FilePlace: "file", MailPlace: "mail", SyslogPlace: "syslog"}[type(place)]


def parse_file_place(text: str) -> FilePlace:
    """The file of a path; raises ValueError."""
    path = Path(text)
    if path.is_dir():
        raise ValueError(f"{path} is a directory: name a file")
    return FilePlace(path)


def is_mailbox(text: str) -> bool:
    """Whether the text is one mail address, and nothing besides."""
    return _MAILBOX.fullmatch(text) is not None


def parse_mail_place(text: str, *, least: int = 1) -> MailPlace:
    """The place of "smtp://192.0.2.25?from=dns@example.org&to=record@example.org"; raises ValueError.

    `least` is how many recipients it has to name. Before the host, `user:password@` is a login.
    No message repeats more of the text than an address: the rest may hold a password, also one that is written wrongly.
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
        raise ValueError("after the ? of a mail server only from and to are possible")
    if len(senders) != 1 or not least <= len(recipients) <= MAX_RECIPIENTS:
        raise ValueError(f"name one address as from, and {least} to {MAX_RECIPIENTS} as to")
    for address in (*senders, *recipients):
        if not is_mailbox(address):
            raise ValueError(f"{address!r} is no mail address")
    return MailPlace(url.hostname, port or default_port, is_tls, senders[0], tuple(recipients), login)


def _login(url: SplitResult) -> Login | None:
    if url.username is None and url.password is None:
        return None
    user, password = unquote(url.username or ""), unquote(url.password or "")
    # smtplib writes ASCII only; NUL would end a name (RFC 4616 section 2).
    if not all(0 < len(word) <= MAX_LOGIN and word.isascii() and word.isprintable() for word in (user, password)):
        raise ValueError(f"a login is USER:PASSWORD, each of 1 to {MAX_LOGIN} printable ASCII characters")
    return Login(user, password)


def _split_mail(text: str) -> tuple[SplitResult, int | None]:
    """A URL and its port; raises ValueError. Python's own messages repeat parts of the text."""
    try:
        url = urlsplit(text)
        return url, url.port
    except ValueError:
        raise ValueError(NO_MAIL_SERVER) from None


def parse_syslog_place(text: str) -> SyslogPlace:
    """The place of "udp://192.0.2.1:514", "tcp://192.0.2.1:601" or "/dev/log"; raises ValueError."""
    if text.startswith("/"):
        return SyslogPlace(Transport.UNIX, text)
    url = urlsplit(text)
    if url.scheme not in ("udp", "tcp") or not url.hostname or url.path.strip("/") or url.query or url.fragment:
        raise ValueError(f"{text!r} is no syslog server: write udp://HOST:PORT, tcp://HOST:PORT or /dev/log")
    if "@" in url.netloc:
        raise ValueError("a syslog server is named without user and password")
    return SyslogPlace(Transport(url.scheme), url.hostname, _port(text, DEFAULT_SYSLOG_PORT))


def _port(text: str, default: int) -> int:
    port = urlsplit(text).port
    if port == 0:
        raise ValueError("port 0 cannot be sent to")
    return default if port is None else port
