"""Mail through one server, which may say too much, or nothing; messages that no program answers."""

import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from time import monotonic
from typing import Any

from api.delivery.destinations import Login, MailPlace

TIMEOUT_S = 5.0
"""For the next byte from a server, and for a message to leave."""
PATIENCE_S = 60.0
"""For all that a server says until it has greeted, and then about each message."""
MAX_REPLY_LINES, MAX_REPLY_BYTES = 100, 64 * 1024
DOMAIN = "dnsfilter.invalid"
"""The right side of message ids: a name of this machine is nobody's business outside."""

_REPLY = re.compile(rb"(?:.{3}-.*\n)*(?!.{3}-).*\n")
"""All lines but the last have a hyphen after the code: RFC 5321 section 4.2.1."""

MAIL_FAILURES = (OSError, smtplib.SMTPException, UnicodeError)
"""What connecting and sending raise; the last for a host that no name server can be asked for."""


def make_message(sender: str, recipients: Sequence[str], subject: str, identity: str | None = None) -> EmailMessage:
    """A message without its text; `identity` is the left side of its Message-ID, else one that is used once.

    Raises ValueError for a header with a line's end in it.
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


class GivenUp(smtplib.SMTPServerDisconnected):
    """Raised when a server is left. The message repeats none of its words."""


class _Patient(smtplib.SMTP):
    """A connection whose server has a time for its greeting, and one for each message; raises `MAIL_FAILURES`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._until_s = monotonic() + PATIENCE_S
        super().__init__(*arguments, **options)

    def mail(self, sender: str, options: Sequence[str] = ()) -> tuple[int, bytes]:
        """Begin a message."""
        self._until_s = monotonic() + PATIENCE_S
        return super().mail(sender, options)

    def getreply(self) -> tuple[int, bytes]:
        """Read the server's next reply.

        smtplib's own method takes lines without an end, and gives each byte a new timeout.
        """
        said, reply = b"", None
        while reply is None:
            piece = self._receive()
            said += piece
            reply = _REPLY.match(said) if b"\n" in piece else None
            if len(said) > MAX_REPLY_BYTES or said.count(b"\n") > MAX_REPLY_LINES:
                raise self._left("the mail server said too much")
        # What follows answers nothing, and before STARTTLS could be another's (CVE-2011-0411).
        lines = reply[0][:-1].split(b"\n")
        code = lines[-1][:3]
        return int(code) if code.isdigit() else -1, b"\n".join(line[4:].strip() for line in lines)

    def _receive(self) -> bytes:
        left_s = self._until_s - monotonic()
        if self.sock is None or left_s <= 0:
            raise self._left("the mail server took too long")
        try:
            self.sock.settimeout(min(TIMEOUT_S, left_s))
            piece = self.sock.recv(4096)
            self.sock.settimeout(TIMEOUT_S)
        except OSError as error:
            late = isinstance(error, TimeoutError)
            raise self._left(f"the mail server {'took too long' if late else 'broke the connection'}") from error
        if not piece:
            raise self._left("the mail server closed the connection")
        return piece

    def _left(self, reason: str) -> GivenUp:
        self.close()
        return GivenUp(reason)


class _PatientAndSecure(_Patient, smtplib.SMTP_SSL):
    """The same with TLS from the first byte."""


def connect(place: MailPlace) -> smtplib.SMTP:
    """A connection to the server, to be used as a context; raises one of `MAIL_FAILURES`.

    Where a login is set, user and password are sent through TLS only.
    """
    # By itself smtplib would ask the resolver for this machine's full name, and wait for it.
    name = socket.gethostname()
    secure = ssl.create_default_context()
    if place.tls:
        server: smtplib.SMTP = _PatientAndSecure(place.host, place.port, name, timeout=TIMEOUT_S, context=secure)
    else:
        server = _Patient(place.host, place.port, name, timeout=TIMEOUT_S)
    if place.login is not None:
        try:
            _log_in(server, place.login, None if place.tls else secure)
        except BaseException:
            server.close()
            raise
    return server


def describe_failure(error: BaseException) -> str:
    """What failed, without the server's own words: they may name people, or repeat a password."""
    match error:
        case GivenUp():
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
            raise GivenUp("no STARTTLS: the password is not sent in clear")
        server.starttls(context=secure)
        server.ehlo()
    try:
        server.login(login.user, login.password)
    except (smtplib.SMTPResponseException, smtplib.SMTPServerDisconnected):
        raise
    except (smtplib.SMTPException, ValueError) as error:
        raise GivenUp("the mail server takes no login with a password") from error
