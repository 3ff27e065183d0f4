"""Mail through one server: connections that are bounded in time, messages that no program answers."""

import smtplib
import socket
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from api.places import MailPlace

TIMEOUT_S = 5.0
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


def connect(place: MailPlace) -> smtplib.SMTP:
    """A connection to the server, to be used as a context; raises one of `MAIL_FAILURES`."""
    # By itself smtplib would ask the resolver for this machine's full name, and wait for it.
    name = socket.gethostname()
    if place.tls:
        secure = ssl.create_default_context()
        return smtplib.SMTP_SSL(place.host, place.port, name, timeout=TIMEOUT_S, context=secure)
    return smtplib.SMTP(place.host, place.port, name, timeout=TIMEOUT_S)
