"""The node's status server, over real HTTP."""

import asyncio
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from dnsfilter.supervisor.web import StatusServer
from dnsfilter.telemetry.exposition import Page


def page(accept: str, accept_encoding: str) -> Page:
    """Return a page that says what the request accepts."""
    return Page((("Content-Type", accept), ("Content-Encoding", accept_encoding)), b"dnsfilter_up 1\n")


def ask(
    paths: list[tuple[str, str]],
    unready: str | None = None,
    upstreams: str | None = None,
    remark: str | None = None,
) -> Iterator[tuple[int, str]]:
    """Return status and body of each (method, path) from a server with these reasons not to be ready."""

    async def talk() -> list[tuple[int, str]]:
        sock = socket.create_server(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        reason = lambda also: unready or (upstreams if also else None)  # noqa: E731
        server = StatusServer(sock, lambda: page, reason, lambda: remark)
        answers = [await asyncio.to_thread(fetch, method, f"http://127.0.0.1:{port}{path}") for method, path in paths]
        await server.close()
        return answers

    yield from asyncio.run(talk())


def fetch(method: str, url: str) -> tuple[int, str]:
    request = urllib.request.Request(url, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_each_path_has_its_answer() -> None:
    paths = [("GET", "/metrics"), ("GET", "/healthz"), ("GET", "/readyz"), ("HEAD", "/readyz"), ("GET", "/else")]
    answers = list(ask(paths))
    assert answers[:4] == [(200, "dnsfilter_up 1\n"), (200, "alive\n"), (200, "ready\n"), (200, "")]
    assert answers[4][0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_only_get_and_head_are_allowed(method: str) -> None:
    assert [status for status, _ in ask([(method, "/metrics")])] == [405]


def test_readyz_gives_the_reason_if_not_ready() -> None:
    assert list(ask([("GET", "/readyz")], "no worker is serving")) == [(503, "not ready: no worker is serving\n")]


def test_readyz_says_what_is_only_in_memory_and_stays_ready() -> None:
    asked = [("GET", "/readyz")]
    assert list(ask(asked, remark="revision 7 is only in memory")) == [(200, "ready; revision 7 is only in memory\n")]
    assert list(ask(asked, "draining", remark="revision 7 is only in memory")) == [(503, "not ready: draining\n")]


def test_lost_upstreams_are_a_reason_only_if_asked_for() -> None:
    paths = [("GET", "/readyz"), ("GET", "/readyz?upstreams"), ("GET", "/readyz?upstreams=no")]
    assert list(ask(paths)) == [(200, "ready\n")] * 3
    lost = (503, "not ready: no upstream answers\n")
    assert list(ask(paths, upstreams="no upstream answers")) == [(200, "ready\n"), lost, (200, "ready\n")]


def test_a_scrape_says_what_it_accepts() -> None:
    async def talk() -> tuple[str | None, str | None]:
        sock = socket.create_server(("127.0.0.1", 0))
        server = StatusServer(sock, lambda: page, lambda _also: None)
        headers = {"Accept": "text/plain", "Accept-Encoding": "gzip"}
        request = urllib.request.Request(f"http://127.0.0.1:{sock.getsockname()[1]}/metrics", headers=headers)
        with await asyncio.to_thread(urllib.request.urlopen, request, timeout=10) as response:
            found = response.headers["Content-Type"], response.headers["Content-Encoding"]
        await server.close()
        return found

    assert asyncio.run(talk()) == ("text/plain", "gzip")


def test_a_page_that_takes_long_stops_nothing_else() -> None:
    released = threading.Event()

    def slow(_accept: str, _accept_encoding: str) -> Page:
        assert released.wait(20)
        return page("text/plain", "")

    async def talk() -> list[tuple[int, str]]:
        sock = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        server = StatusServer(sock, lambda: slow, lambda _also: None)
        metrics = asyncio.create_task(asyncio.to_thread(fetch, "GET", f"{url}/metrics"))
        ready = await asyncio.to_thread(fetch, "GET", f"{url}/readyz")
        released.set()
        answers = [ready, await metrics]
        await server.close()
        return answers

    assert asyncio.run(talk()) == [(200, "ready\n"), (200, "dnsfilter_up 1\n")]


def test_a_close_that_is_cancelled_ends_the_server_all_the_same() -> None:
    async def close_twice() -> None:
        server = StatusServer(socket.create_server(("127.0.0.1", 0)), lambda: page, lambda _: None)
        first = asyncio.create_task(server.close())
        await asyncio.sleep(0)
        first.cancel()
        await server.close()
        assert first.cancelled()

    asyncio.run(close_twice())
