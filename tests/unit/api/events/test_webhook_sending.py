"""A request to a webhook ends in time, and only an answer of 2xx counts."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from threading import Event, Thread

import pytest

from api.events import webhook_sending
from api.events.webhook_sending import PIECE, PRIVATE_SETTING, NotTaken, Rejected, WebhookClient
from api.settings import parse_settings
from dnsfilter.errors import ConfigError
from tests.support.certificates import Authority
from tests.support.webhook_receiver import webhook_receiver


@contextmanager
def _answering(answer: Callable[[socket.socket, Event], object]) -> Iterator[str]:
    """Serve one connection with `answer`, which ends when the event is set. Yield the URL."""
    over = Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            answer(connection, over)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            over.set()
            thread.join()


def _drip(connection: socket.socket, over: Event) -> None:
    """Send a header that never ends, a byte before each timeout."""
    connection.send(b"HTTP/1.1 200 OK\r\nX: ")
    try:
        while not over.wait(0.05):
            connection.send(b"x")
    except OSError:
        # The client has closed the connection, as it must.
        over.wait(10)


def _hang(_connection: socket.socket, over: Event) -> None:
    over.wait(10)


@pytest.mark.parametrize("answer", [_drip, _hang])
@pytest.mark.parametrize("size", [2, 50 * 1024 * 1024])
def test_a_receiver_that_does_not_come_to_an_end_is_left(
    answer: Callable[[socket.socket, Event], object], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_sending, "TIMEOUT_S", 0.4)
    with _answering(answer) as url, pytest.raises(NotTaken, match="no answer within"):
        WebhookClient().post(url, b"x" * size, {})


def _secure(authority: Authority, directory: Path) -> ssl.SSLContext:
    """Return what a server needs for TLS with a certificate of this authority."""
    authority.issue(directory / "server.pem", directory / "server.key")
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(directory / "server.pem", directory / "server.key")
    return secure


def test_a_long_event_arrives_complete_also_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    secure = _secure(authority, tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    body = bytes(range(256)) * (PIECE // 100)
    for context in (None, secure):
        with webhook_receiver(secure=context) as receiver:
            WebhookClient().post(receiver.url, body, {"webhook-id": "1"})
        (one,) = receiver.deliveries
        assert one.body == body
        assert (one.headers["content-length"], one.headers["webhook-id"]) == (str(len(body)), "1")
        assert "transfer-encoding" not in one.headers


def test_a_receiver_whose_certificate_is_not_trusted_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure = _secure(Authority(tmp_path), tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path / "other").ca))
    with webhook_receiver(secure=secure) as receiver:
        with pytest.raises(NotTaken):
            WebhookClient().post(receiver.url, b"{}", {})
        assert receiver.deliveries == []


@pytest.mark.parametrize(
    ("address", "private", "reached"),
    [("127.0.0.1", "", True), ("10.1.2.3", "", False), ("10.1.2.3", "10.1.0.0/16", True)],
)
def test_private_address_needs_a_setting_and_this_machine_does_not(
    monkeypatch: pytest.MonkeyPatch, address: str, private: str, *, reached: bool
) -> None:
    tried: list[str] = []

    def connect(_self: socket.socket, where: tuple[str, int]) -> None:
        tried.append(where[0])
        raise ConnectionRefusedError

    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket.socket, "connect", connect)
    networks = [ip_network(each) for each in private.split(",") if each]
    with pytest.raises(NotTaken) as refused:
        WebhookClient(networks).post("https://siem.example.org/", b"{}", {})
    assert tried == ([address] if reached else [])
    assert not isinstance(refused.value, Rejected)
    if not reached:
        assert str(refused.value) == (
            f"{address} is a private address: name its network in DNSFILTER_API_WEBHOOK_NETWORKS"
        )


def test_setting_in_the_refusal_exists() -> None:
    found = parse_settings({"webhook_networks": "10.20.0.0/16, fd00::/8"}, {})
    assert found.webhook_networks == (ip_network("10.20.0.0/16"), ip_network("fd00::/8"))
    assert parse_settings({}, {}).webhook_networks == ()
    assert parse_settings({}, {PRIVATE_SETTING: ""}).webhook_networks == ()
    with pytest.raises(ConfigError, match=r"10\.20\.0\.1/16 has host bits set: write for example"):
        parse_settings({}, {PRIVATE_SETTING: "10.20.0.1/16"})


def test_next_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with webhook_receiver() as receiver:
        addresses = ["10.1.2.3", "127.0.0.2", "127.0.0.1"]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, receiver.port)) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        WebhookClient().post(f"http://siem.example.org:{receiver.port}/events", b"{}", {})
        (one,) = receiver.deliveries
        assert one.headers["host"] == f"siem.example.org:{receiver.port}"
