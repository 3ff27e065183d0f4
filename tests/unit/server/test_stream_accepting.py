"""Which connections a server of streams accepts, and when: other workers read the same sockets."""

import asyncio
import os
import resource
import socket
from functools import partial

import pytest

from tests.support.engines import PATIENCE_S, query
from tests.support.served_streams import RunningClock, Serving, framed, serving_streams
from tests.support.starting import kind

__all__ = ["kind"]


@pytest.fixture
def serving(kind: str) -> Serving:
    """Return a context manager that serves streams with an engine of that kind."""
    return partial(serving_streams, kind)


async def test_no_worker_makes_a_socket_block_that_others_read(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[object] = []
    monkeypatch.setattr(socket.socket, "settimeout", lambda _, seconds: waits.append(seconds), raising=False)
    async with serving() as served:
        with socket.socket(fileno=os.dup(served.listening.fileno())) as same:  # as another worker has it
            await served.server.listen(same)
            assert not os.get_blocking(served.listening.fileno())
            served.server.unlisten(same)
    assert None not in waits


@pytest.mark.parametrize("turns", range(6))
async def test_a_connection_of_any_moment_around_unlisten_is_served(serving: Serving, turns: int) -> None:
    """Stop listening some turns of the loop after a connection has arrived."""
    async with serving() as served:
        with socket.create_connection(served.address) as plain:
            for _ in range(turns):
                await asyncio.sleep(0)
            served.server.unlisten(served.listening)
            await asyncio.sleep(0)
            await served.server.listen(served.listening)
            plain.setblocking(False)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(PATIENCE_S):
                await loop.sock_sendall(plain, framed(query("plain.example.org")))
                assert len(await loop.sock_recv(plain, 2)) == 2


async def test_connections_are_accepted_again_after_the_system_had_no_room(serving: Serving) -> None:
    async with serving(clock=RunningClock()) as served:
        await served.connect()
        await served.until(lambda: served.open == 1)
        with socket.socket() as plain:
            plain.setblocking(False)
            before = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
            try:
                await asyncio.get_running_loop().sock_connect(plain, served.address)
                for _ in range(20):
                    await asyncio.sleep(0.001)
                assert served.open == 1
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
            await served.until(lambda: served.open == 2)
