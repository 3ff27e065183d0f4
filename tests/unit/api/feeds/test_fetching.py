"""A fetch ends in time and within its bounds, and reaches only addresses that are allowed."""

import logging
import socket
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path

import pytest

from api.feeds import fetching
from api.feeds.failures import Failure, FetchError
from api.feeds.fetching import Fetched, Fetcher, Validators
from api.main import NOISY
from tests.support.certificates import Authority
from tests.support.feed_server import GOOD, METADATA, PAGE, FeedServer

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def fetcher(directory: Path) -> Fetcher:
    return Fetcher(LOOPBACK, directory)


def _failure(fetcher: Fetcher, source: str) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(source, Validators())
    return caught.value


@pytest.mark.parametrize("path", ["good", "gzip", "moved", "moved-for-good"])
def test_good_list_is_fetched_plain_packed_and_after_a_redirect(
    server: FeedServer, fetcher: Fetcher, path: str
) -> None:
    found = fetcher.fetch(server.url(path), Validators())
    assert found is not None
    assert found.content == GOOD


def test_web_page_and_empty_answer_are_content_that_the_reader_of_lists_judges(
    server: FeedServer, fetcher: Fetcher
) -> None:
    assert fetcher.fetch(server.url("page"), Validators()) == Fetched(PAGE, Validators())
    assert fetcher.fetch(server.url("empty"), Validators()) == Fetched(b"", Validators())


def test_unchanged_list_is_not_sent_again(server: FeedServer, fetcher: Fetcher) -> None:
    first = fetcher.fetch(server.url("good"), Validators())
    assert first is not None
    assert first.validators == Validators(server.etag, "Tue, 01 Dec 2026 08:00:00 GMT")
    assert fetcher.fetch(server.url("moved"), first.validators) is None
    headers = server.asked[-1][1]
    assert headers["if-none-match"] == server.etag
    assert headers["if-modified-since"] == "Tue, 01 Dec 2026 08:00:00 GMT"
    server.content = GOOD + b"new.example.org\n"
    changed = fetcher.fetch(server.url("good"), first.validators)
    assert changed is not None
    assert changed.content == server.content
    assert changed.validators.etag == server.etag != first.validators.etag


def test_request_says_who_asks_and_nothing_of_this_machine(server: FeedServer, fetcher: Fetcher) -> None:
    fetcher.fetch(server.url("good"), Validators())
    headers = server.asked[-1][1]
    assert set(headers) == {"host", "accept", "accept-encoding", "user-agent"}
    assert headers["user-agent"].startswith("dnsfilter-api/")


@pytest.mark.parametrize(
    ("path", "failure", "message"),
    [
        ("missing", Failure.STATUS, "localhost answered 404 instead of the list: check the URL in a browser"),
        ("failing", Failure.STATUS, "answered 503"),
        ("always-304", Failure.STATUS, "answered 304"),
        ("truncated", Failure.DAMAGED, "localhost broke off, or sent what is not HTTP"),
        ("not-http", Failure.DAMAGED, "broke off, or sent what is not HTTP"),
        ("gzip-truncated", Failure.DAMAGED, "gzip data that stops before the end"),
        ("gzip-and-more", Failure.DAMAGED, "gzip data that goes on after its end"),
        ("gzip-broken", Failure.DAMAGED, "broken gzip data"),
        ("brotli", Failure.DAMAGED, "an encoding that nobody asked for"),
        ("moved-in-a-circle", Failure.REDIRECT, "redirects more than 5 times"),
        ("moved-to-plain", Failure.REDIRECT, "redirected to a URL that is not https"),
        ("moved-with-password", Failure.REDIRECT, "redirected to localhost with a password"),
        ("moved-nowhere", Failure.STATUS, "localhost answered 302 instead of the list"),
        (
            "moved-to-metadata",
            Failure.PRIVATE_ADDRESS,
            f"{METADATA} is at 169.254.169.254, a private address: name its network in DNSFILTER_API_FEED_NETWORKS",
        ),
        ("moved-to-address", Failure.PRIVATE_ADDRESS, "169.254.169.254 is at 169.254.169.254, a private address"),
    ],
)
def test_bad_answer_is_a_failure_that_says_what_to_do(
    server: FeedServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, path: str, failure: Failure, message: str
) -> None:
    look_up = socket.getaddrinfo

    def metadata_or_real(host: str, port: int, **options: int) -> Sequence[object]:
        return look_up("169.254.169.254" if host == METADATA else host, port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", metadata_or_real)
    error = _failure(fetcher, server.url(path))
    assert error.failure is failure
    assert message in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize("path", ["slow", "slow-head"])
def test_server_that_does_not_come_to_an_end_is_left(
    server: FeedServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(fetching, "FETCH_S", 0.4)
    error = _failure(fetcher, server.url(path))
    assert error.failure is Failure.TIMEOUT


def test_endless_content_of_a_redirect_is_not_read(server: FeedServer, fetcher: Fetcher) -> None:
    found = fetcher.fetch(server.url("moved-endless"), Validators())
    assert found is not None
    assert found.content == GOOD


@pytest.mark.parametrize(
    ("path", "limit", "message"),
    [
        ("endless", "MAX_SENT", "localhost sent more than 50000 bytes"),
        ("large", "MAX_SENT", "localhost sent more than 50000 bytes"),
        ("bomb", "MAX_CONTENT", "the list of localhost, decompressed, has more than 50000 bytes"),
    ],
)
def test_content_beyond_a_bound_is_refused_as_it_arrives(
    server: FeedServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, path: str, limit: str, message: str
) -> None:
    monkeypatch.setattr(fetching, limit, 50_000)
    error = _failure(fetcher, server.url(path))
    assert error.failure is Failure.SIZE
    assert message in str(error)


def test_certificate_that_is_not_trusted_or_for_another_name_is_refused(
    running: FeedServer, lists_authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.asked.clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path / "other").ca))
    error = _failure(Fetcher(LOOPBACK), running.url("good"))
    assert error.failure is Failure.CERTIFICATE
    monkeypatch.setenv("SSL_CERT_FILE", str(lists_authority.ca))
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, port, **options: look_up("127.0.0.1", port, **options))
    error = _failure(Fetcher(LOOPBACK), running.url("good", "feeds.example.org"))
    assert error.failure is Failure.CERTIFICATE
    assert "add it to the machine's CAs" in str(error)
    assert running.asked == []


def test_this_machine_is_reached_only_if_the_settings_name_it(server: FeedServer) -> None:
    error = _failure(Fetcher(), server.url("good"))
    assert error.failure is Failure.PRIVATE_ADDRESS
    assert server.asked == []


def test_address_is_checked_at_each_connection(
    server: FeedServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name leads to an allowed address first, and to another one after the redirect."""
    answers = iter(["127.0.0.1", "169.254.169.254"])
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, port, **options: look_up(next(answers), port, **options))
    error = _failure(fetcher, server.url("moved"))
    assert error.failure is Failure.PRIVATE_ADDRESS
    assert [path for path, _ in server.asked] == ["moved"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("https://localhost:1/list", "the connection to localhost failed (Connection refused)"),
        ("https://feeds.invalid/list", "feeds.invalid has no address"),
        ("https://[::1/list", "the URL cannot be used"),
    ],
)
def test_server_that_is_not_there_is_a_failure(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    def look_up(host: str, port: int, **_options: int) -> Sequence[object]:
        if host != "localhost":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    error = _failure(fetcher, source)
    assert error.failure is Failure.CONNECTION
    assert message in str(error)


def test_urls_are_not_logged(server: FeedServer, fetcher: Fetcher, caplog: pytest.LogCaptureFixture) -> None:
    """Their queries may hold a secret. Levels are those of the program."""
    caplog.set_level(logging.INFO)
    for name in NOISY:
        caplog.set_level(logging.WARNING, name)
    fetcher.fetch(server.url("good?key=secret"), Validators())
    assert "secret" not in str(_failure(fetcher, server.url("missing?key=secret")))
    assert "secret" not in caplog.text


def test_file_is_read_if_it_changed(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/games.txt").write_bytes(GOOD)
    fetcher = Fetcher(directory=tmp_path)
    first = fetcher.fetch("lists/games.txt", Validators())
    assert first is not None
    assert first.content == GOOD
    assert fetcher.fetch("lists/games.txt", first.validators) is None
    (tmp_path / "lists/games.txt").write_bytes(GOOD + b"new.example.org\n")
    changed = fetcher.fetch("lists/games.txt", first.validators)
    assert changed is not None
    assert changed.content == GOOD + b"new.example.org\n"
