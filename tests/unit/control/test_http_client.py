"""The HTTP client for the control plane: requests, accepted answers, limits and cancellation."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from dnsfilter.config.node_config import ControlPlane
from dnsfilter.control import http_client as module
from dnsfilter.control.http_client import ControlClient, is_elsewhere
from dnsfilter.errors import UnavailableError
from tests.support.certificates import Authority
from tests.support.fake_control_plane import TOKEN, Played
from tests.support.ports import free_port

FILE = "/v1/nodes/self/files/" + 64 * "a"


Client = Callable[..., ControlClient]


@pytest.fixture
def client() -> Iterator[Client]:
    """Make clients of a URL, with a file of certificates if given. They are closed after the test."""
    with ExitStack() as made:

        def make(url: str, ca: Path | None = None) -> ControlClient:
            return made.enter_context(ControlClient(ControlPlane(url=url, ca=ca)))

        yield make


def test_answer_has_status_tag_and_body(client: Client, plane: Played) -> None:
    plane.files[FILE[-64:]] = b"content"
    answer = client(plane.url).ask("GET", FILE, TOKEN, headers={"If-None-Match": '"x"'})
    assert (answer.status, answer.tag, answer.body) == (200, f'"{plane.tag}"', b"content")
    (spoken,) = plane.spoken
    assert spoken.headers["authorization"] == f"Bearer {TOKEN}"
    assert spoken.headers["if-none-match"] == '"x"'
    assert spoken.headers["user-agent"].startswith("dnsfilter/")


@pytest.mark.parametrize("status", [301, 307, 404, 503])
def test_any_status_is_an_answer_and_no_redirect_is_followed(client: Client, plane: Played, status: int) -> None:
    plane.script.status, plane.script.headers = status, {"Location": f"{plane.url}/elsewhere"}
    assert client(plane.url).ask("GET", FILE, TOKEN).status == status
    assert len(plane.spoken) == 1


def test_no_proxy_is_used(client: Client, plane: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert client(plane.url).ask("GET", FILE, TOKEN).status == 404


def test_path_in_the_url_is_a_prefix(client: Client, plane: Played) -> None:
    client(f"{plane.url}/dns").ask("GET", FILE, TOKEN)
    assert plane.spoken[0].path == f"/dns{FILE}"


def test_answer_over_the_limit_is_not_read(client: Client, plane: Played) -> None:
    plane.files[FILE[-64:]] = bytes(1000)
    asking = client(plane.url)
    assert len(asking.ask("GET", FILE, TOKEN, largest=1000).body) == 1000
    with pytest.raises(UnavailableError, match="its answer has more than 999 bytes"):
        asking.ask("GET", FILE, TOKEN, largest=999)


def test_connection_is_kept_and_reopened_if_the_server_closed_it(client: Client, plane: Played) -> None:
    asking = client(plane.url)
    asking.ask("GET", FILE, TOKEN)
    assert asking._connection is not None
    kept = asking._connection.sock
    asking.ask("GET", FILE, TOKEN)
    assert asking._connection.sock is kept
    kept.shutdown(socket.SHUT_RDWR)
    assert asking.ask("GET", FILE, TOKEN).status == 404


def test_refused_connection_is_reported_with_address_and_without_token(client: Client) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UnavailableError, match="connection refused") as caught:
        client(url).ask("GET", "/v1/nodes/self/snapshot?wait=25", TOKEN)
    assert str(caught.value) == f"ask {url}/v1/nodes/self/snapshot: connection refused"


def serving(content: bytes) -> tuple[str, threading.Thread]:
    """Serve these bytes to the first connection at a port, then close."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening:
            sock, _ = listening.accept()
            with sock:
                sock.recv(65_536)
                sock.sendall(content)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}", thread


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "ends 5 bytes early"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nshort",
            "its answer is not valid HTTP: IncompleteRead",
        ),
        (b"220 mail.example.org ESMTP\r\n", "its answer is not valid HTTP: BadStatusLine"),
        (b"", "without response|reset"),
    ],
)
def test_incomplete_answer_is_an_error(client: Client, content: bytes, reason: str) -> None:
    url, thread = serving(content)
    with pytest.raises(UnavailableError, match=reason):
        client(url).ask("GET", FILE, TOKEN)
    thread.join(5)


def test_silent_server_times_out(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UnavailableError, match="does not answer in time"):
            client(url).ask("GET", FILE, TOKEN)


def test_close_ends_a_request_of_another_thread(client: Client, plane: Played) -> None:
    asking, raised = client(plane.url), list[UnavailableError]()

    def ask() -> None:
        try:
            asking.ask(
                "GET", "/v1/nodes/self/snapshot?wait=30", TOKEN, headers={"If-None-Match": f'"{plane.tag}"'}, wait_s=30
            )
        except UnavailableError as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not plane.spoken:
        thread.join(0.01)
    asking.close()
    thread.join(10)
    assert not thread.is_alive()
    assert ": cancelled" in str(raised[0])
    with pytest.raises(UnavailableError, match=": cancelled"):
        asking.ask("GET", FILE, TOKEN)


@pytest.fixture
def certified(tmp_path: Path) -> Callable[[], tuple[Authority, Path, Path]]:
    def make() -> tuple[Authority, Path, Path]:
        authority, certificate, key = Authority(tmp_path / "ca"), tmp_path / "cert.pem", tmp_path / "key.pem"
        authority.issue(certificate, key)
        return authority, certificate, key

    return make


def test_private_certificate_authority_is_trusted_if_configured(
    client: Client, certified: Callable[[], tuple[Authority, Path, Path]], tmp_path: Path
) -> None:
    authority, certificate, key = certified()
    other = Authority(tmp_path / "other", "another authority")
    with Played((certificate, key)) as plane:
        assert client(plane.url, authority.ca).ask("GET", FILE, TOKEN).status == 404
        for ca in (None, other.ca):
            with pytest.raises(UnavailableError, match="its certificate is not trusted"):
                client(plane.url, ca).ask("GET", FILE, TOKEN)
        assert len(plane.spoken) == 1


@pytest.mark.parametrize(("elsewhere", "encrypted"), [(True, True), (True, False), (False, True)])
def test_the_date_of_an_answer_is_evidence_over_tls_from_another_machine(
    client: Client,
    certified: Callable[[], tuple[Authority, Path, Path]],
    monkeypatch: pytest.MonkeyPatch,
    elsewhere: bool,
    encrypted: bool,
) -> None:
    authority, certificate, key = certified()
    monkeypatch.setattr("dnsfilter.control.http_client.is_elsewhere", lambda _: elsewhere)
    with Played((certificate, key) if encrypted else None) as plane:
        asking = client(plane.url, authority.ca if encrypted else None)
        before_s, before_ms = int(time.time()), time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        asking.ask("GET", FILE, TOKEN)
        if not (elsewhere and encrypted):
            assert asking.heard is None
            return
        assert asking.heard is not None
        assert before_s <= asking.heard.instant <= time.time()
        assert asking.heard.boot_ms >= before_ms


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
def test_a_peer_on_loopback_is_this_machine(address: str) -> None:
    with socket.create_server((address, 0)) as server, socket.create_connection(server.getsockname()) as connected:
        assert not is_elsewhere(connected)


@pytest.mark.parametrize(
    ("own", "peer", "expected"), [("192.0.2.1", "192.0.2.1", False), ("192.0.2.1", "192.0.2.2", True)]
)
def test_a_peer_with_the_own_address_is_this_machine(own: str, peer: str, expected: bool) -> None:
    class Connected:
        def getsockname(self) -> tuple[str, int]:
            return own, 40_000

        def getpeername(self) -> tuple[str, int]:
            return peer, 443

    assert is_elsewhere(cast(socket.socket, Connected())) is expected


def test_missing_file_of_certificates_is_named(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    with pytest.raises(UnavailableError, match=r"read .*ca.pem: no such file"):
        client("https://control.example.org", path)
    path.write_text("nothing")
    with pytest.raises(UnavailableError, match=r"read .*ca.pem"):
        client("https://control.example.org", path)


@pytest.mark.parametrize(
    ("url", "at_home", "private"),
    [
        ("http://127.0.0.1:8080", True, True),
        ("http://[::1]:8080", True, True),
        ("http://localhost", True, True),
        ("http://192.0.2.1", False, False),
        ("http://control.example.org", False, False),
        ("https://control.example.org", False, True),
    ],
)
def test_privacy_of_the_connection_depends_on_the_url(client: Client, url: str, at_home: bool, private: bool) -> None:
    asking = client(url)
    assert (asking.is_at_home, asking.is_private) == (at_home, private)
