"""Send lines to a destination, within bounded time: all of them, or raise an error."""

import errno
import os
import smtplib
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import assert_never

from api.delivery.destinations import Destination, FileDestination, MailDestination, SyslogDestination, Transport
from api.delivery.mail import MAIL_FAILURES, TIMEOUT_S, connect, make_message

PROGRAM = "dnsfilter-api"
PRIORITY = 10 * 8 + 5
"""Facility authpriv, severity notice: RFC 5424 section 6.2.1."""

MAX_DATAGRAM = 60_000
"""Bytes of a line in a datagram. IPv4 allows 65,507, with the message's header."""

FAILURES = MAIL_FAILURES
"""The errors that `deliver` raises, OSError among them."""


def deliver(destination: Destination, installation: str, lines: Sequence[str], kind: str = "checkpoint") -> None:
    """Send lines to a destination. Raise one of `FAILURES`. A retry after an error may send lines twice.

    `kind` is the MSGID of syslog messages (RFC 5424 section 6.2.7). Only checkpoints are mailed.
    """
    match destination:
        case FileDestination():
            _append(destination, lines)
        case MailDestination():
            _mail(destination, installation, lines)
        case SyslogDestination():
            _log(destination, lines, kind)
        case _:
            assert_never(destination)


def longest_line(destination: Destination) -> int | None:
    """Return the most bytes of a line that a destination takes; None if there is no limit."""
    datagrams = isinstance(destination, SyslogDestination) and destination.transport in (Transport.UDP, Transport.UNIX)
    return MAX_DATAGRAM if datagrams else None


def _append(destination: FileDestination, lines: Sequence[str]) -> None:
    descriptor = _open(destination.path)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        # A line that a power cut left incomplete must not join with the next one.
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        content = (b"\n" if torn else b"") + "".join(f"{line}\n" for line in lines).encode()
        if file.write(content) != len(content):
            raise OSError(f"{destination.path} took only a part of the lines")
        os.fsync(descriptor)


def _open(path: Path) -> int:
    """Open a file to append to it. Raise OSError with the file's path, and with what to add to the unit."""
    try:
        return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        reason = f"{path}: {(error.strerror or str(error)).lower()}"
        if error.errno == errno.EROFS:
            reason += f"; systemctl edit dnsfilter-api, and add below [Service]: ReadWritePaths={path.parent}"
        raise OSError(error.errno, reason) from error


def _mail(destination: MailDestination, installation: str, lines: Sequence[str]) -> None:
    subject = f"dnsfilter: checkpoint of the audit log of installation {installation}"
    message = make_message(destination.sender, destination.recipients, subject)
    # Lines stay as they are, so that a saved mail can be used for verification.
    message.set_content("".join(f"{line}\n" for line in lines), cte="7bit")
    with connect(destination) as server:
        refused = server.send_message(message, destination.sender, destination.recipients)
    if refused:
        raise smtplib.SMTPRecipientsRefused(refused)


def _log(destination: SyslogDestination, lines: Sequence[str], kind: str) -> None:
    match destination.transport:
        case Transport.UNIX:
            # Write as syslog(3) does to the machine's own daemon, which adds time and host.
            _send_unix(destination.host, [f"<{PRIORITY}>{PROGRAM}: {line}".encode() for line in lines])
        case Transport.UDP:
            family, address = _resolved(destination, socket.SOCK_DGRAM)
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                # Connected, so that a later datagram of the same batch fails if nobody listens there.
                sender.connect(address)
                for line in lines:
                    sender.send(_message(line, kind))
        case Transport.TCP:
            with socket.create_connection((destination.host, destination.port), TIMEOUT_S) as sender:
                sender.sendall(_frames(lines, kind))
                sender.shutdown(socket.SHUT_WR)
                _await_close(sender)
        case Transport.TLS:
            # RFC 5425: the same frames.
            secure = ssl.create_default_context()
            with (
                socket.create_connection((destination.host, destination.port), TIMEOUT_S) as plain,
                secure.wrap_socket(plain, server_hostname=destination.host) as sender,
            ):
                sender.sendall(_frames(lines, kind))
                # Wait until the server has closed too, because it has read all then. Some close without an alert.
                with suppress(ssl.SSLEOFError):
                    sender.unwrap()
        case _:
            assert_never(destination.transport)


def _await_close(sender: socket.socket) -> None:
    """Wait until the server has closed too, because it has read all then. Raise OSError if it does not."""
    until_s = monotonic() + TIMEOUT_S
    while sender.recv(4096):
        if monotonic() > until_s:
            raise TimeoutError(errno.ETIMEDOUT, "the syslog server does not close the connection")


def _frames(lines: Sequence[str], kind: str) -> bytes:
    """Return messages with a length in front (RFC 6587 section 3.4.1): a line break does not end a frame."""
    messages = [_message(line, kind) for line in lines]
    return b"".join(b"%d %b" % (len(message), message) for message in messages)


def _message(line: str, kind: str) -> bytes:
    """Return an RFC 5424 message without time and host: the line has a time, and the receiver knows the sender."""
    return f"<{PRIORITY}>1 - - {PROGRAM} - {kind} - {line}".encode()


def _send_unix(path: str, messages: Sequence[bytes]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(TIMEOUT_S)
        sender.connect(path)
        for message in messages:
            sender.send(message)


def _resolved(
    destination: SyslogDestination, kind: socket.SocketKind
) -> tuple[socket.AddressFamily, tuple[object, ...]]:
    family, _, _, _, address = socket.getaddrinfo(destination.host, destination.port, type=kind)[0]
    return family, address
