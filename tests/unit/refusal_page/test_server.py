"""The server's bounds: connections of one client, time, size, and the sockets that it is given."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dnsfilter.refusal_page.server import MAX_HEAD, MAX_OPEN_EACH, RefusalServer, handed_over
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.supervisor.snapshot_watch import PolicyFeed
from tests.support.policies import ban, network, policy, service

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Stream]]
HEAD = b"GET / HTTP/1.1\r\nHost: www.video.example\r\n\r\n"
LONG_S = 60.0


@pytest.fixture
def feed(tmp_path: Path) -> PolicyFeed:
    store = SnapshotStore(tmp_path / "snapshots")
    made = policy(network("127.0.0.0/8", "ghent"), service("video", ["video.example"]), ban(1, "ghent", "video"))
    store.publish(compile_policy(made, 1_790_000_000))
    return PolicyFeed(store, "default", read_only=True)


def serve(feed: PolicyFeed, max_s: float, visit: Callable[[Connect], Awaitable[None]]) -> None:
    """Run a server on loopback while `visit` connects to it."""

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            serving = asyncio.create_task(RefusalServer(feed, max_s=max_s).run([listening]))
            await visit(lambda: asyncio.open_connection("127.0.0.1", port))
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(run())
    feed.close()


async def answered(stream: Stream, sent: bytes) -> bytes:
    """Return all that the server sends until it closes the connection; nothing if it resets it."""
    reader, writer = stream
    writer.write(sent)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def test_it_answers_one_request_for_each_connection(feed: PolicyFeed) -> None:
    async def visit(connect: Connect) -> None:
        said = await answered(await connect(), HEAD + HEAD)
        assert said.startswith(b"HTTP/1.1 403 ")
        assert said.count(b"HTTP/1.1") == 1

    serve(feed, LONG_S, visit)


def test_a_client_that_sends_too_much_or_nothing_is_let_go(feed: PolicyFeed) -> None:
    async def visit(connect: Connect) -> None:
        much = HEAD[:-2] + b"X: " + b"x" * MAX_HEAD + b"\r\n\r\n"
        assert (await answered(await connect(), much))[:13] in (b"HTTP/1.1 431 ", b"")
        assert await answered(await connect(), b"") == b""

    serve(feed, 0.2, visit)


def test_one_client_holds_a_bounded_number_of_connections(feed: PolicyFeed) -> None:
    async def visit(connect: Connect) -> None:
        held = [await connect() for _ in range(MAX_OPEN_EACH)]
        assert await answered(await connect(), b"") == b""
        said = [await answered(each, HEAD) for each in held]
        assert [each[:12] for each in said] == [b"HTTP/1.1 403"] * MAX_OPEN_EACH
        assert (await answered(await connect(), HEAD)).startswith(b"HTTP/1.1 403 ")

    serve(feed, LONG_S, visit)


def test_sockets_of_another_process_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    assert handed_over() == []
