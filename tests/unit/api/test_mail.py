"""A mail server that says too much, or too slowly, is left; one that is only slow is not."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from api import mail
from api.mail import MAIL_FAILURES, connect, make_message
from api.places import MailPlace
from api.tls import make_context
from tests.support.certificates import Authority

GREETING = b"220 here\r\n"
Said = tuple[float, bytes]
"""After so many seconds, these octets."""


@contextmanager
def _server(*replies: Sequence[Said], context: ssl.SSLContext | None = None) -> Iterator[MailPlace]:
    """A server that greets, and then says one reply after the other, each after a line of its client."""
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
        yield MailPlace("127.0.0.1", port, context is not None, "dns@example.org", ("record@example.org",))
        thread.join(timeout=10)
        assert not thread.is_alive()


def _say(connection: socket.socket, said: Sequence[Said]) -> None:
    for after_s, octets in said:
        time.sleep(after_s)
        connection.sendall(octets)


LINES = [(0.0, b"250-x\r\n" * 200), (0.0, b"250 end\r\n")]
OCTETS = [(0.0, (b"250-" + b"x" * 8000 + b"\r\n") * 20), (0.0, b"250 end\r\n")]
SLOW_LINES = [(0.02, b"250-x\r\n")] * 50 + [(0.0, b"250 end\r\n")]
SLOW_OCTETS = [(0.02, octet) for octet in [b"2", b"5", b"0", b"-"] + [b"x"] * 50] + [(0.0, b"\r\n250 end\r\n")]


@pytest.mark.parametrize(
    "reply", [LINES, OCTETS, SLOW_LINES, SLOW_OCTETS], ids=["lines", "octets", "slow lines", "slow octets"]
)
def test_a_reply_without_an_end_is_a_failure(monkeypatch: pytest.MonkeyPatch, reply: list[Said]) -> None:
    monkeypatch.setattr(mail, "PATIENCE_S", 0.3)
    with (
        _server(reply) as place,
        connect(place) as server,
        pytest.raises(MAIL_FAILURES, match=r"too much|too long|timed out"),
    ):
        server.ehlo()


def test_a_greeting_without_an_end_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.GREETING", b"220-x\r\n" * 200 + b"220 end\r\n")
    with _server() as place, pytest.raises(MAIL_FAILURES):
        connect(place)


def test_over_tls_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority, files = Authority(tmp_path), (tmp_path / "cert.pem", tmp_path / "key.pem")
    authority.issue(*files)
    trusting = ssl.create_default_context(cafile=str(authority.ca))
    monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
    context = make_context(*files)
    with (
        _server(LINES, context=context) as place,
        connect(place) as server,
        pytest.raises(MAIL_FAILURES, match="too much"),
    ):
        server.ehlo()


def test_each_message_has_its_time_and_a_long_reply_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "PATIENCE_S", 0.25)
    greeted = [(0.0, b"250-" + b"x" * 500 + b"\r\n")] * 90 + [(0.0, b"250 end\r\n")]
    slow = [[(0.03, code + b" yes\r\n")] for code in (b"250", b"250", b"354", b"250")]
    message = make_message("dns@example.org", ["record@example.org"], "terms")
    message.set_content("text")
    with _server(greeted, *slow, *slow, *slow, [(0.0, b"221 bye\r\n")]) as place, connect(place) as server:
        assert [server.send_message(message) for _ in range(3)] == [{}] * 3
