"""Mail is abandoned if the server sends too much or is too slow. A slow server is accepted."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from api.delivery import mail
from api.delivery.destinations import Login, MailDestination
from api.delivery.mail import MAIL_FAILURES, MailAborted, connect, describe_failure, make_message
from api.tls.pem import make_context
from tests.support.certificates import Authority
from tests.support.mail_and_syslog import Mailbox, mail_server

GREETING = b"220 here\r\n"
Said = tuple[float, bytes]
"""Seconds to wait, and the bytes to send then."""


@contextmanager
def _server(*replies: Sequence[Said], context: ssl.SSLContext | None = None) -> Iterator[MailDestination]:
    """Run a server that greets, and then sends one reply after each line of its client."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            plain, _ = listener.accept()
            with plain, context.wrap_socket(plain, server_side=True) if context else plain as connection:
                try:
                    _say(connection, [(0, GREETING)])
                    for reply in replies:
                        if not connection.recv(65_536):
                            return
                        _say(connection, reply)
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        yield MailDestination("127.0.0.1", port, context is not None, "dns@example.org", ("record@example.org",))
        thread.join(timeout=10)
        assert not thread.is_alive()


def _say(connection: socket.socket, said: Sequence[Said]) -> None:
    for after_s, data in said:
        time.sleep(after_s)
        connection.sendall(data)


LINES = [(0.0, b"250-x\r\n" * 200), (0.0, b"250 end\r\n")]
LONG_LINES = [(0.0, (b"250-" + b"x" * 8000 + b"\r\n") * 20), (0.0, b"250 end\r\n")]
SLOW_LINES = [(0.02, b"250-x\r\n")] * 50 + [(0.0, b"250 end\r\n")]
SLOW_BYTES = [(0.02, byte) for byte in [b"2", b"5", b"0", b"-"] + [b"x"] * 50] + [(0.0, b"\r\n250 end\r\n")]


@pytest.mark.parametrize(
    "reply", [LINES, LONG_LINES, SLOW_LINES, SLOW_BYTES], ids=["lines", "long lines", "slow lines", "slow bytes"]
)
def test_a_reply_without_an_end_is_a_failure(monkeypatch: pytest.MonkeyPatch, reply: list[Said]) -> None:
    monkeypatch.setattr(mail, "PATIENCE_S", 0.3)
    with (
        _server(reply) as destination,
        connect(destination) as server,
        pytest.raises(MAIL_FAILURES, match=r"too long a reply|took too long|timed out"),
    ):
        server.ehlo()


def test_a_greeting_without_an_end_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.GREETING", b"220-x\r\n" * 200 + b"220 end\r\n")
    with _server() as destination, pytest.raises(MAIL_FAILURES):
        connect(destination)


@pytest.fixture
def secure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ssl.SSLContext:
    """Return the TLS context of a server on 127.0.0.1 that clients of this process trust."""
    authority, files = Authority(tmp_path), (tmp_path / "cert.pem", tmp_path / "key.pem")
    authority.issue(*files)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    return make_context(*files)


def test_a_reply_without_an_end_is_a_failure_over_tls_too(secure: ssl.SSLContext) -> None:
    with (
        _server(LINES, context=secure) as destination,
        connect(destination) as server,
        pytest.raises(MAIL_FAILURES, match="too long a reply"),
    ):
        server.ehlo()


def test_the_time_limit_is_per_message_and_a_long_reply_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "PATIENCE_S", 0.25)
    greeted = [(0.0, b"250-" + b"x" * 500 + b"\r\n")] * 90 + [(0.0, b"250 end\r\n")]
    slow = [[(0.03, code + b" yes\r\n")] for code in (b"250", b"250", b"354", b"250")]
    message = make_message("dns@example.org", ["record@example.org"], "terms")
    message.set_content("text")
    with _server(greeted, *slow, *slow, *slow, [(0.0, b"221 bye\r\n")]) as destination, connect(destination) as server:
        assert [server.send_message(message) for _ in range(3)] == [{}] * 3


def test_text_after_a_reply_does_not_change_it() -> None:
    replies = [b"250 here", b"250 yes", b"250 yes", b"354 go on", b"250 kept\r\n421 closing"]
    with _server(*([(0.0, reply + b"\r\n")] for reply in replies)) as destination:
        assert _send(destination) == {}


LOGIN = Login("dns", "secret")


def _destination(mailbox: Mailbox, *, tls: bool = False, login: Login | None = LOGIN) -> MailDestination:
    return MailDestination("127.0.0.1", mailbox.port, tls, "dns@example.org", ("record@example.org",), login)


def _send(destination: MailDestination) -> dict[str, tuple[int, bytes]]:
    """Send a mail. Return the recipients that the server refuses."""
    message = make_message(destination.sender, destination.recipients, "terms")
    message.set_content("text")
    with connect(destination) as server:
        return server.send_message(message)


def test_mail_is_sent_without_a_login() -> None:
    with mail_server() as mailbox:
        _send(_destination(mailbox, login=None))
        assert (len(mailbox.received), mailbox.logins) == (1, [])


def test_a_login_goes_through_starttls(secure: ssl.SSLContext) -> None:
    with mail_server(login=("dns", "secret"), starttls=secure) as mailbox:
        _send(_destination(mailbox))
        assert (len(mailbox.received), mailbox.logins) == (1, [("dns", "secret")])


def test_a_login_goes_through_tls_from_the_first_byte(secure: ssl.SSLContext) -> None:
    with mail_server(login=("dns", "secret"), tls=secure) as mailbox:
        _send(_destination(mailbox, tls=True))
        assert (len(mailbox.received), mailbox.logins) == (1, [("dns", "secret")])


def test_a_password_is_not_sent_without_tls() -> None:
    with mail_server(login=("dns", "secret")) as mailbox:
        with pytest.raises(MailAborted, match="no STARTTLS"):
            _send(_destination(mailbox))
        assert (mailbox.received, mailbox.logins) == ([], [])


@pytest.mark.parametrize("tls", [False, True], ids=["STARTTLS", "smtps"])
def test_a_server_with_an_untrusted_certificate_gets_no_password(tmp_path: Path, tls: bool) -> None:
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    Authority(tmp_path).issue(*files)
    context = make_context(*files)
    with mail_server(
        login=("dns", "secret"), starttls=None if tls else context, tls=context if tls else None
    ) as mailbox:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            _send(_destination(mailbox, tls=tls))
        assert (mailbox.received, mailbox.logins) == ([], [])
    assert "certificate" in describe_failure(caught.value)


def test_a_refused_login_is_described_without_the_servers_words(secure: ssl.SSLContext) -> None:
    with mail_server(login=("dns", "other"), tls=secure) as mailbox:
        with pytest.raises(MAIL_FAILURES) as caught:
            _send(_destination(mailbox, tls=True))
        assert mailbox.received == []
    assert describe_failure(caught.value) == "user or password refused with 535"


@pytest.mark.parametrize(
    ("replies", "described"),
    [
        ([b"250 here"], "the mail server accepts no login with a password"),
        ([b"250-here\r\n250 AUTH GSSAPI"], "the mail server accepts no login with a password"),
        ([b"250-here\r\n250 AUTH CRAM-MD5", b"334 x"], "the mail server accepts no login with a password"),
        ([b"250-here\r\n250 AUTH LOGIN", b"334 VXNlcjo=", b"535 no secret"], "user or password refused with 535"),
    ],
)
def test_mail_is_not_sent_if_the_server_accepts_no_login(
    secure: ssl.SSLContext, replies: list[bytes], described: str
) -> None:
    said = [[(0.0, reply + b"\r\n")] for reply in replies]
    with _server(*said, context=secure) as destination, pytest.raises(MAIL_FAILURES) as caught:
        connect(replace(destination, login=LOGIN))
    assert describe_failure(caught.value) == described


def test_plain_text_after_starttls_is_ignored() -> None:
    """An attacker could have inserted it (CVE-2011-0411)."""
    said = [b"250-here\r\n250 STARTTLS\r\n", b"220 go on\r\n250 AUTH PLAIN\r\n"]
    with _server(*([(0.0, reply)] for reply in said)) as destination, pytest.raises(MAIL_FAILURES):
        connect(replace(destination, login=LOGIN))
