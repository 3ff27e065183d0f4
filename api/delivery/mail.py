"""Send mail through one server, with limits on its replies and on time. Automatic replies are suppressed."""

import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from time import monotonic
from typing import Any

from api.delivery.destinations import Login, MailDestination

TIMEOUT_S = 5.0
"""Timeout for the next byte from a server, and for sending a message."""
PATIENCE_S = 60.0
"""Time limit for all replies of a server: up to its greeting, and then about each message."""
MAX_REPLY_LINES, MAX_REPLY_BYTES = 100, 64 * 1024
DOMAIN = "dnsfilter.invalid"
"""The right side of message ids. It does not reveal this machine's name."""

_REPLY = re.compile(rb"(?:.{3}-.*\n)*(?!.{3}-).*\n")
"""All lines except the last have a hyphen after the code: RFC 5321 section 4.2.1."""

MAIL_FAILURES = (OSError, smtplib.SMTPException, UnicodeError)
"""Errors of connecting and sending. UnicodeError means that the host's name cannot be looked up."""


def make_message(sender: str, recipients: Sequence[str], subject: str, identity: str | None = None) -> EmailMessage:
    """Return a message without its text. `identity` is the left side of its Message-ID. Without it, that is unique.

    Raise ValueError for a header that holds a line break.
    """
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Subject"] = subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=DOMAIN) if identity is None else f"<{identity}@{DOMAIN}>"
    # RFC 3834 section 5.
    message["Auto-Submitted"] = "auto-generated"
    return message


class MailAborted(smtplib.SMTPServerDisconnected):
    """Raised when the connection to a server is abandoned. The message does not repeat the server's words."""


class _TimedSmtp(smtplib.SMTP):
    """A connection with a time limit for the server's greeting and for each message. Raise `MAIL_FAILURES`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._until_s = monotonic() + PATIENCE_S
        super().__init__(*arguments, **options)

    def mail(self, sender: str, options: Sequence[str] = ()) -> tuple[int, bytes]:
        """Begin a message."""
        self._until_s = monotonic() + PATIENCE_S
        return super().mail(sender, options)

    def getreply(self) -> tuple[int, bytes]:
        """Read the server's next reply.

        smtplib's own method reads any number of lines, and gives each byte a new timeout.
        """
        received, reply = b"", None
        while reply is None:
            piece = self._receive()
            received += piece
            reply = _REPLY.match(received) if b"\n" in piece else None
            if len(received) > MAX_REPLY_BYTES or received.count(b"\n") > MAX_REPLY_LINES:
                raise self._abort("the mail server sent too long a reply")
        # Drop what follows the reply. Before STARTTLS, an attacker could have inserted it (CVE-2011-0411).
        lines = reply[0][:-1].split(b"\n")
        code = lines[-1][:3]
        return int(code) if code.isdigit() else -1, b"\n".join(line[4:].strip() for line in lines)

    def _receive(self) -> bytes:
        left_s = self._until_s - monotonic()
        if self.sock is None or left_s <= 0:
            raise self._abort("the mail server took too long")
        try:
            self.sock.settimeout(min(TIMEOUT_S, left_s))
            piece = self.sock.recv(4096)
            self.sock.settimeout(TIMEOUT_S)
        except OSError as error:
            late = isinstance(error, TimeoutError)
            raise self._abort(f"the mail server {'took too long' if late else 'broke the connection'}") from error
        if not piece:
            raise self._abort("the mail server closed the connection")
        return piece

    def _abort(self, reason: str) -> MailAborted:
        self.close()
        return MailAborted(reason)


class _TimedSmtpOverTls(_TimedSmtp, smtplib.SMTP_SSL):
    """A `_TimedSmtp` connection with TLS from the first byte."""


def connect(destination: MailDestination) -> smtplib.SMTP:
    """Return a connection to the server, to be used as a context. Raise one of `MAIL_FAILURES`.

    The user and password of a login are sent only through TLS.
    """
    # Without a name, smtplib would ask the resolver for this machine's full name, and wait for it.
    name = socket.gethostname()
    secure = ssl.create_default_context()
    if destination.tls:
        server: smtplib.SMTP = _TimedSmtpOverTls(
            destination.host, destination.port, name, timeout=TIMEOUT_S, context=secure
        )
    else:
        server = _TimedSmtp(destination.host, destination.port, name, timeout=TIMEOUT_S)
    if destination.login is not None:
        try:
            _log_in(server, destination.login, None if destination.tls else secure)
        except BaseException:
            server.close()
            raise
    return server


def describe_failure(error: BaseException) -> str:
    """Return what failed, without the server's own words: they may name people or repeat a password."""
    match error:
        case MailAborted():
            return str(error)
        case smtplib.SMTPAuthenticationError():
            return f"user or password refused with {error.smtp_code}"
        case smtplib.SMTPResponseException():
            return f"refused with {error.smtp_code}"
        case _:
            return (getattr(error, "strerror", None) or type(error).__name__)[:200]


def _log_in(server: smtplib.SMTP, login: Login, secure: ssl.SSLContext | None) -> None:
    """Log in, after STARTTLS with `secure`."""
    server.ehlo()
    if secure is not None:
        if not server.has_extn("starttls"):
            raise MailAborted("the mail server has no STARTTLS: the password is not sent in the clear")
        server.starttls(context=secure)
        server.ehlo()
    try:
        server.login(login.user, login.password)
    except (smtplib.SMTPResponseException, smtplib.SMTPServerDisconnected):
        raise
    except (smtplib.SMTPException, ValueError) as error:
        raise MailAborted("the mail server accepts no login with a password") from error
