"""Lines taken to a place outside the machine: bounded in time, all of them or an error."""

import os
import smtplib
import socket
from collections.abc import Sequence
from typing import assert_never

from api.delivery.destinations import FilePlace, MailPlace, Place, SyslogPlace, Transport
from api.delivery.mail import MAIL_FAILURES, TIMEOUT_S, connect, make_message

PROGRAM = "dnsfilter-api"
PRIORITY = 10 * 8 + 5
"""Facility authpriv, severity notice: RFC 5424 section 6.2.1."""

FAILURES = MAIL_FAILURES
"""What `deliver` raises: OSError is among them."""


def deliver(place: Place, installation: str, lines: Sequence[str]) -> None:
    """Take lines to a place; raises one of `FAILURES`. What was taken may be taken again after an error."""
    match place:
        case FilePlace():
            _append(place, lines)
        case MailPlace():
            _mail(place, installation, lines)
        case SyslogPlace():
            _log(place, lines)
        case _:
            assert_never(place)


def _append(place: FilePlace, lines: Sequence[str]) -> None:
    descriptor = os.open(place.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        # What a power cut left of a line must not swallow the next one.
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        content = (b"\n" if torn else b"") + "".join(f"{line}\n" for line in lines).encode()
        if file.write(content) != len(content):
            raise OSError(f"{place.path} took a part of a line only")
        os.fsync(descriptor)


def _mail(place: MailPlace, installation: str, lines: Sequence[str]) -> None:
    subject = f"dnsfilter: checkpoint of the record of installation {installation}"
    message = make_message(place.sender, place.recipients, subject)
    # Lines stay as they are, so that a mail as saved can be verified against.
    message.set_content("".join(f"{line}\n" for line in lines), cte="7bit")
    with connect(place) as server:
        refused = server.send_message(message, place.sender, place.recipients)
    if refused:
        raise smtplib.SMTPRecipientsRefused(refused)


def _log(place: SyslogPlace, lines: Sequence[str]) -> None:
    match place.transport:
        case Transport.UNIX:
            # As syslog(3) writes to the machine's own daemon, which adds time and host.
            _send_unix(place.host, [f"<{PRIORITY}>{PROGRAM}: {line}".encode() for line in lines])
        case Transport.UDP:
            family, address = _resolved(place, socket.SOCK_DGRAM)
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                # Connected, so that "nobody listens there" comes back to a later datagram of the same batch.
                sender.connect(address)
                for line in lines:
                    sender.send(_message(line))
        case Transport.TCP:
            with socket.create_connection((place.host, place.port), TIMEOUT_S) as sender:
                # Octet counting, RFC 6587 section 3.4.1: a line's end is no frame's end.
                messages = [_message(line) for line in lines]
                sender.sendall(b"".join(b"%d %b" % (len(message), message) for message in messages))
                sender.shutdown(socket.SHUT_WR)
        case _:
            assert_never(place.transport)


def _message(line: str) -> bytes:
    """RFC 5424 without a time and a host of our own: the line has a time, and the receiver knows the sender."""
    return f"<{PRIORITY}>1 - - {PROGRAM} - checkpoint - {line}".encode()


def _send_unix(path: str, messages: Sequence[bytes]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(TIMEOUT_S)
        sender.connect(path)
        for message in messages:
            sender.send(message)


def _resolved(place: SyslogPlace, kind: socket.SocketKind) -> tuple[socket.AddressFamily, tuple[object, ...]]:
    family, _, _, _, address = socket.getaddrinfo(place.host, place.port, type=kind)[0]
    return family, address
