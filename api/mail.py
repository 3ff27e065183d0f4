"""Mail through one server, which may say too much, or nothing; messages that no program answers."""

import smtplib
import socket
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from time import monotonic
from typing import Any

from api.places import MailPlace

TIMEOUT_S = 5.0
"""For the next octet from a server, and for a message to leave."""
PATIENCE_S = 60.0
"""For all that a server says until it has greeted, and then about each message."""
MAX_REPLY_LINES, MAX_REPLY_OCTETS = 100, 64 * 1024
DOMAIN = "dnsfilter.invalid"
"""The right side of message ids: a name of this machine is nobody's business outside."""

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


class _Replies:
    """What a server says, as smtplib reads it; raises OSError for what is too much or comes too late."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._held = bytearray()
        self._lines, self._octets, self._until_s = 0, 0, 0.0

    def begin(self, until_s: float) -> None:
        """Read the next reply, until an instant of the monotonic clock."""
        self._lines, self._octets, self._until_s = 0, 0, until_s

    def readline(self, size: int) -> bytes:
        """The next line or its first `size` octets; less at the end."""
        while b"\n" not in self._held and len(self._held) < size:
            piece = self._receive()
            if not piece:
                break
            self._held += piece
        line = bytes(self._held[: min(self._held.find(b"\n") + 1 or size, size)])
        del self._held[: len(line)]
        self._lines, self._octets = self._lines + 1, self._octets + len(line)
        if self._lines > MAX_REPLY_LINES or self._octets > MAX_REPLY_OCTETS:
            raise OSError("the mail server said too much")
        return line

    def close(self) -> None:
        """smtplib says so before it closes the connection."""
        self._held.clear()

    def _receive(self) -> bytes:
        left_s = self._until_s - monotonic()
        if left_s <= 0:
            raise TimeoutError("the mail server took too long")
        # smtplib's own timeout begins anew with each octet.
        self._connection.settimeout(min(TIMEOUT_S, left_s))
        try:
            return self._connection.recv(4096)
        finally:
            self._connection.settimeout(TIMEOUT_S)


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
        """The server's next reply."""
        if self.sock is not None:
            if self.file is None:
                self.file = _Replies(self.sock)
            self.file.begin(self._until_s)
        return super().getreply()


class _PatientAndSecure(_Patient, smtplib.SMTP_SSL):
    """The same with TLS from the first octet."""


def connect(place: MailPlace) -> smtplib.SMTP:
    """A connection to the server, to be used as a context; raises one of `MAIL_FAILURES`."""
    # By itself smtplib would ask the resolver for this machine's full name, and wait for it.
    name = socket.gethostname()
    if place.tls:
        secure = ssl.create_default_context()
        return _PatientAndSecure(place.host, place.port, name, timeout=TIMEOUT_S, context=secure)
    return _Patient(place.host, place.port, name, timeout=TIMEOUT_S)
