"""Checkpoints reach real files, mail servers and syslog servers, or an error is raised."""

import errno
import os
import socket
import ssl
from email import message_from_bytes
from pathlib import Path
from threading import Event, Thread

import pytest

from api.chain.checkpoint import parse_checkpoint
from api.chain.held_checkpoints import find_checkpoints
from api.delivery import sending
from api.delivery.destinations import Destination, FileDestination, MailDestination, SyslogDestination, Transport
from api.delivery.mail import describe_failure
from api.delivery.sending import FAILURES, MAX_DATAGRAM, PRIORITY, deliver, longest_line
from tests.support.audit_records import INSTALLATION, held, record
from tests.support.certificates import Authority
from tests.support.mail_and_syslog import datagrams, mail_server, stream_server
from tests.support.ports import free_port

CHECKPOINTS = held(record(3), 2, 3)
LINES = [checkpoint.line for checkpoint in CHECKPOINTS]
HEADER = f"<{PRIORITY}>1 - - dnsfilter-api - checkpoint - "


def _mail_destination(port: int) -> MailDestination:
    return MailDestination("127.0.0.1", port, False, "dns@example.org", ("record@example.org", "other@example.org"))


def test_lines_are_appended_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "held"
    deliver(FileDestination(path), INSTALLATION, LINES[:1])
    deliver(FileDestination(path), INSTALLATION, LINES[1:])
    assert path.read_text() == "".join(f"{line}\n" for line in LINES)
    assert path.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (
            errno.EROFS,
            "/mnt/records/held: read-only file system; systemctl edit dnsfilter-api, and add below [Service]: "
            "ReadWritePaths=/mnt/records",
        ),
        (errno.EACCES, "/mnt/records/held: permission denied"),
    ],
)
def test_a_file_that_cannot_be_written_is_named_and_a_read_only_one_with_what_to_add(
    monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(OSError, match=r"held") as caught:
        deliver(FileDestination(Path("/mnt/records/held")), INSTALLATION, LINES)
    assert (caught.value.errno, describe_failure(caught.value)) == (number, reason)


def test_an_incomplete_line_does_not_join_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "held"
    path.write_text(LINES[0][:50])
    deliver(FileDestination(path), INSTALLATION, LINES[1:])
    assert path.read_text().splitlines() == [LINES[0][:50], LINES[1]]


def test_a_mail_has_the_lines_as_they_are() -> None:
    with mail_server() as mailbox:
        deliver(_mail_destination(mailbox.port), INSTALLATION, LINES)
        (envelope,) = mailbox.received
        assert (envelope.mail_from, envelope.rcpt_tos) == (
            "dns@example.org",
            ["record@example.org", "other@example.org"],
        )
        assert [parse_checkpoint(line) for line in mailbox.lines] == CHECKPOINTS
        message = message_from_bytes(envelope.original_content or b"")
        assert INSTALLATION in message["Subject"]
        assert (message["Auto-Submitted"], message["Content-Transfer-Encoding"]) == ("auto-generated", "7bit")
        assert message["Date"]


def test_a_refused_mail_is_an_error() -> None:
    with mail_server() as mailbox:
        mailbox.refusing = True
        with pytest.raises(FAILURES):
            deliver(_mail_destination(mailbox.port), INSTALLATION, LINES)
        assert mailbox.received == []


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["IPv4", "IPv6"]
)
def test_a_syslog_server_gets_a_datagram_for_each_line(family: socket.AddressFamily, address: str) -> None:
    with datagrams(family, (address, 0)) as listener:
        deliver(SyslogDestination(Transport.UDP, address, listener.getsockname()[1]), INSTALLATION, LINES)
        received = [listener.recv(4096).decode() for _ in LINES]
    assert received == [HEADER + line for line in LINES]
    assert list(find_checkpoints(line.encode() for line in received)) == CHECKPOINTS


def test_over_tls_the_same_frames_reach_a_server_that_the_machine_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    authority.issue(tmp_path / "server.pem", tmp_path / "server.key")
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    for trusted, expected in ((authority.ca, True), (Authority(tmp_path / "other").ca, False)):
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        with stream_server(secure) as stream:
            destination = SyslogDestination(Transport.TLS, "127.0.0.1", stream.port)
            if expected:
                deliver(destination, INSTALLATION, LINES, "event")
                assert stream.ended.wait(10)
                messages = [f"<{PRIORITY}>1 - - dnsfilter-api - event - {line}".encode() for line in LINES]
                assert stream.received == [b"".join(b"%d %b" % (len(one), one) for one in messages)]
            else:
                with pytest.raises(ssl.SSLCertVerificationError):
                    deliver(destination, INSTALLATION, LINES)


def test_over_tcp_each_line_is_a_frame_with_its_length() -> None:
    with stream_server() as stream:
        deliver(SyslogDestination(Transport.TCP, "127.0.0.1", stream.port), INSTALLATION, LINES)
        assert stream.ended.wait(timeout=10)
    messages = [HEADER + line for line in LINES]
    assert stream.received == ["".join(f"{len(message)} {message}" for message in messages).encode()]


@pytest.mark.parametrize("behaviour", ["reset", "open", "talk"])
def test_lines_that_a_tcp_server_may_not_have_read_are_an_error(
    behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TIMEOUT_S", 0.2)
    over = Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            if behaviour == "reset":
                # Close with unread data: the kernel then sends a reset.
                connection.recv(1)
                return
            while not over.wait(0.05):
                if behaviour == "talk":
                    connection.send(b"more")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        try:
            with pytest.raises(FAILURES):
                deliver(SyslogDestination(Transport.TCP, *listener.getsockname()), INSTALLATION, LINES)
        finally:
            over.set()
            thread.join()


def test_only_datagrams_limit_a_line(tmp_path: Path) -> None:
    for transport in Transport:
        limit = MAX_DATAGRAM if transport in (Transport.UDP, Transport.UNIX) else None
        assert longest_line(SyslogDestination(transport, "192.0.2.1")) == limit
    assert longest_line(FileDestination(tmp_path / "events")) is None
    with datagrams(socket.AF_INET, ("127.0.0.1", 0)) as listener:
        deliver(SyslogDestination(Transport.UDP, *listener.getsockname()), INSTALLATION, ["x" * MAX_DATAGRAM])
        assert listener.recv(70_000).decode() == HEADER + "x" * MAX_DATAGRAM


def test_the_machines_own_daemon_gets_what_syslog_3_sends(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    with datagrams(socket.AF_UNIX, path) as listener:
        deliver(SyslogDestination(Transport.UNIX, path), INSTALLATION, LINES[:1])
        assert listener.recv(4096).decode() == f"<{PRIORITY}>dnsfilter-api: {LINES[0]}"


def test_an_unreachable_destination_is_an_error(tmp_path: Path) -> None:
    closed = free_port()
    destinations: list[Destination] = [
        FileDestination(tmp_path / "none" / "held"),
        FileDestination(tmp_path),
        _mail_destination(closed),
        SyslogDestination(Transport.TCP, "127.0.0.1", closed),
        SyslogDestination(Transport.UNIX, str(tmp_path / "none")),
        SyslogDestination(Transport.UDP, "a..b", 514),
    ]
    for destination in destinations:
        with pytest.raises(FAILURES):
            deliver(destination, INSTALLATION, LINES)
