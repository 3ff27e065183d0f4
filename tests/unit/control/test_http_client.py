"""HTTP to the control plane: what is sent, what is taken for an answer, and what ends it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dnsfilter.config.node_config import ControlPlane
from dnsfilter.control import http_client as module
from dnsfilter.control.http_client import ControlClient
from dnsfilter.errors import UnavailableError
from tests.support.certificates import Authority
from tests.support.fake_control_plane import TOKEN, Played
from tests.support.ports import free_port

FILE = "/v1/nodes/self/files/" + 64 * "a"


Client = Callable[..., ControlClient]


@pytest.fixture
def client() -> Iterator[Client]:
    """Clients of a url, and of a file with certificates if given; all are gone with the test."""
    with ExitStack() as made:

        def make(url: str, ca: Path | None = None) -> ControlClient:
            return made.enter_context(ControlClient(ControlPlane(url=url, ca=ca)))

        yield make


def test_an_answer_has_status_tag_and_octets(client: Client, plane: Played) -> None:
    plane.files[FILE[-64:]] = b"octets"
    answer = client(plane.url).ask("GET", FILE, TOKEN, headers={"If-None-Match": '"x"'})
    assert (answer.status, answer.tag, answer.body) == (200, f'"{plane.tag}"', b"octets")
    (spoken,) = plane.spoken
    assert spoken.headers["authorization"] == f"Bearer {TOKEN}"
    assert spoken.headers["if-none-match"] == '"x"'
    assert spoken.headers["user-agent"].startswith("dnsfilter/")


@pytest.mark.parametrize("status", [301, 307, 404, 503])
def test_any_status_is_an_answer_and_no_redirection_is_followed(client: Client, plane: Played, status: int) -> None:
    plane.script.status, plane.script.headers = status, {"Location": f"{plane.url}/elsewhere"}
    assert client(plane.url).ask("GET", FILE, TOKEN).status == status
    assert len(plane.spoken) == 1


def test_no_proxy_is_asked(client: Client, plane: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert client(plane.url).ask("GET", FILE, TOKEN).status == 404


def test_a_path_in_the_url_comes_before_every_other(client: Client, plane: Played) -> None:
    client(f"{plane.url}/dns").ask("GET", FILE, TOKEN)
    assert plane.spoken[0].path == f"/dns{FILE}"


def test_more_octets_than_wanted_are_not_read(client: Client, plane: Played) -> None:
    plane.files[FILE[-64:]] = bytes(1000)
    asking = client(plane.url)
    assert len(asking.ask("GET", FILE, TOKEN, largest=1000).body) == 1000
    with pytest.raises(UnavailableError, match="its answer has more than 999 octets"):
        asking.ask("GET", FILE, TOKEN, largest=999)


def test_a_connection_is_kept_and_made_again_when_the_other_side_let_go_of_it(client: Client, plane: Played) -> None:
    asking = client(plane.url)
    asking.ask("GET", FILE, TOKEN)
    assert asking._connection is not None
    kept = asking._connection.sock
    asking.ask("GET", FILE, TOKEN)
    assert asking._connection.sock is kept
    kept.shutdown(socket.SHUT_RDWR)
    assert asking.ask("GET", FILE, TOKEN).status == 404


def test_nobody_there_is_said_with_the_address_and_without_the_token(client: Client) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UnavailableError, match="connection refused") as caught:
        client(url).ask("GET", "/v1/nodes/self/snapshot?wait=25", TOKEN)
    assert str(caught.value) == f"ask {url}/v1/nodes/self/snapshot: connection refused"


def serving(octets: bytes) -> tuple[str, threading.Thread]:
    """Something at a port that says this to the first who comes, and closes."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening:
            sock, _ = listening.accept()
            with sock:
                sock.recv(65_536)
                sock.sendall(octets)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}", thread


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "ends 5 octets early"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nshort", "speaks no proper http: IncompleteRead"),
        (b"220 mail.example.org ESMTP\r\n", "speaks no proper http: BadStatusLine"),
        (b"", "without response|reset"),
    ],
)
def test_what_is_no_whole_answer_is_none(client: Client, octets: bytes, reason: str) -> None:
    url, thread = serving(octets)
    with pytest.raises(UnavailableError, match=reason):
        client(url).ask("GET", FILE, TOKEN)
    thread.join(5)


def test_silence_ends(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UnavailableError, match="does not answer in time"):
            client(url).ask("GET", FILE, TOKEN)


def test_closing_ends_what_another_thread_waits_for(client: Client, plane: Played) -> None:
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
    assert "it is given up" in str(raised[0])
    with pytest.raises(UnavailableError, match="given up"):
        asking.ask("GET", FILE, TOKEN)


@pytest.fixture
def certified(tmp_path: Path) -> Callable[[], tuple[Authority, Path, Path]]:
    def make() -> tuple[Authority, Path, Path]:
        authority, certificate, key = Authority(tmp_path / "ca"), tmp_path / "cert.pem", tmp_path / "key.pem"
        authority.issue(certificate, key)
        return authority, certificate, key

    return make


def test_a_private_authority_vouches_where_it_is_named(
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


def test_a_file_of_certificates_that_is_none_is_named(client: Client, tmp_path: Path) -> None:
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
def test_who_can_overhear_it_depends_on_the_url(client: Client, url: str, at_home: bool, private: bool) -> None:
    asking = client(url)
    assert (asking.is_at_home, asking.is_private) == (at_home, private)
