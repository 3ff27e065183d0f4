"""Connections that are kept, broken or slow."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from api.ctl.exit_codes import Unreachable
from api.ctl.remote import connection as module
from api.ctl.remote.connection import Connection

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def _answering(
    listener: socket.socket, *connections: Sequence[bytes], closed: Event | None = None
) -> Iterator[list[bytes]]:
    """Answer each request of each connection, then close it and set `closed`. Yield the requests."""
    requests: list[bytes] = []

    def serve() -> None:
        for answers in connections:
            accepted, _ = listener.accept()
            with accepted:
                for answer in answers:
                    requests.append(accepted.recv(65_536))
                    accepted.sendall(answer)
            if closed is not None:
                closed.set()

    with listener:
        serving = Thread(target=serve, daemon=True)
        serving.start()
        yield requests
        serving.join()


def _at(listener: socket.socket) -> Connection:
    return Connection(f"http://127.0.0.1:{listener.getsockname()[1]}", None, None)


def test_requests_share_a_connection_until_the_server_closes_it() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    connection, closed = _at(listener), Event()
    with _answering(listener, [OK, OK], [OK], closed=closed) as requests:
        answers = [connection.ask("POST", f"/{number}", {}, 5.0) for number in range(2)]
        # A server that closes during a request is the next test's.
        assert closed.wait(60)
        answers.append(connection.ask("POST", "/2", {}, 5.0))
        connection.close()
    assert answers == [(200, b"{}")] * 3
    assert [request.split()[1] for request in requests] == [b"/0", b"/1", b"/2"]


def test_only_a_read_is_sent_again_if_a_kept_connection_is_closed_during_it() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    connection = _at(listener)
    with _answering(listener, [OK, b""], [OK, b""]) as requests:
        answers = [connection.ask("GET", f"/{number}", {}, 5.0) for number in range(2)]
        with pytest.raises(Unreachable, match="closed connection") as caught:
            connection.ask("POST", "/2", {}, 5.0)
    assert answers == [(200, b"{}")] * 2
    assert [request.split()[1] for request in requests] == [b"/0", b"/1", b"/1", b"/2"]
    assert caught.value.lines[1:] == ("The act may have been recorded. Check before you repeat it.",)


def test_a_handshake_that_takes_too_long_sends_nothing_and_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = Connection(f"https://127.0.0.1:{listener.getsockname()[1]}", None, None)
        for _ in range(2):
            with pytest.raises(Unreachable, match=r"no connection within 0.05 s$") as caught:
                connection.ask("POST", "/", {}, 5.0)
            assert len(caught.value.lines) == 1


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_an_ipv6_address_needs_no_port(monkeypatch: pytest.MonkeyPatch, scheme: str, port: int) -> None:
    asked: list[object] = []

    def connect(address: object, *_: object) -> socket.socket:
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(Unreachable):
        Connection(f"{scheme}://[2001:db8::a]", None, None).ask("GET", "/", {}, 5.0)
    assert asked == [("2001:db8::a", port)]


def test_a_file_that_is_not_read_to_its_end_does_not_reach_the_next_answer() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    connection = _at(listener)
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000
    with _answering(listener, [large], [OK]):
        pieces = connection.pieces("/file", {}, lambda status, _body: ValueError(status))
        assert set(next(pieces)) == set(b"x")
        pieces.close()  # type: ignore[attr-defined]
        assert connection.ask("GET", "/", {}, 5.0) == (200, b"{}")
        connection.close()


def test_another_connection_has_the_same_token() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    connection = _at(listener)
    connection.use_token("dnsf_token")
    other = connection.another()
    with _answering(listener, [OK], [OK]) as requests:
        for each in (connection, other):
            each.ask("GET", "/", {}, 5.0)
            each.close()
    assert [b"\r\nAuthorization: Bearer dnsf_token\r\n" in request for request in requests] == [True, True]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}", "is not reachable: the answer ends early"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
            "is not reachable: the answer ends early",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is not reachable: the answer is not valid HTTP: BadStatusLine"),
        (b"", "is not reachable: Remote end closed connection without response"),
    ],
)
def test_a_broken_answer_is_unreachable(answer: bytes, fault: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    connection = _at(listener)
    with _answering(listener, [answer]), pytest.raises(Unreachable, match=fault):
        connection.ask("GET", "/", {}, 5.0)


def test_a_silent_server_is_unreachable_and_an_act_may_have_been_recorded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(Unreachable) as caught:
        _at(listener).ask("POST", "/", {}, 0.05)
    assert "no answer within 0.05 s" in caught.value.lines[0]
    assert caught.value.lines[1:] == ("The act may have been recorded. Check before you repeat it.",)


def test_an_early_refusal_of_a_large_body_is_read() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    connection = _at(listener)
    with _answering(listener, [b"HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"]):
        # The server reads the first bytes alone, and closes.
        assert connection.ask("POST", "/", {}, 5.0, body=b"x" * 20_000) == (413, b"{}")
        connection.close()


@pytest.mark.parametrize(
    ("host", "fault"),
    [("a..b.example.org", "the host is not a valid name"), ("127.0.0.1:1", "Connection refused")],
)
def test_a_host_that_does_not_answer_is_unreachable(host: str, fault: str) -> None:
    with pytest.raises(Unreachable, match=f"^http://{host} is not reachable: {fault}"):
        Connection(f"http://{host}", None, None).ask("GET", "/", {}, 5.0)


def test_a_url_may_have_a_path_and_a_query_is_quoted() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    connection = Connection(f"http://127.0.0.1:{listener.getsockname()[1]}/dns", None, None)
    with _answering(listener, [OK]) as requests:
        connection.ask("GET", "/v1/bans", {"at": "2026-10-01 09:00", "limit": 5}, 5.0)
        connection.close()
    assert requests[0].startswith(b"GET /dns/v1/bans?at=2026-10-01%2009%3A00&limit=5 HTTP/1.1\r\n")


def test_a_socket_file_reaches_the_control_plane(tmp_path: Path) -> None:
    file = tmp_path / "api.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(file))
    listener.listen()
    connection = Connection(f"unix:{file}", str(file), None)
    with _answering(listener, [OK]) as requests:
        assert connection.ask("GET", "/version", {}, 5.0) == (200, b"{}")
        connection.close()
    assert b"\r\nHost: localhost\r\n" in requests[0]
