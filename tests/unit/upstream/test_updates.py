"""Updates in flight: which server gets one, and what the client gets if none answers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest

from dnsfilter.config.node_config import Endpoint
from dnsfilter.telemetry.metrics import Outcome
from dnsfilter.upstream import updates
from dnsfilter.upstream.updates import MOST_OF_CLIENT, Updates, failed_update
from dnsfilter.worker.process import DRAIN_S
from tests.support.ports import free_port
from tests.support.row_tables import each_row

MESSAGE = b"\x12\x34\x28\0" + bytes(8) + b"update"
ANSWER = b"\x12\x34\xa8\0" + bytes(8)
SERVFAIL = b"\x12\x34\xa8\2" + bytes(8)
FORWARDED, FAILED, LIMITED = (Outcome.FORWARDED, ANSWER), (Outcome.FAILED, SERVFAIL), (Outcome.LIMITED, SERVFAIL)


class Server:
    """A server that gives one answer to each message, or none."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.got: list[bytes] = []
        self.endpoint = Endpoint(ip_address("127.0.0.1"), free_port())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.got.append(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")))
        if self.answer is not None:
            writer.write(len(self.answer).to_bytes(2, "big") + self.answer)
            writer.close()
        else:
            await reader.read()
            writer.close()


@asynccontextmanager
async def running(*servers: Server) -> AsyncIterator[None]:
    started = [await asyncio.start_server(each.serve, "127.0.0.1", each.endpoint.port) for each in servers]
    try:
        yield
    finally:
        for each in started:
            each.close()


async def ask(servers: Sequence[Server], client: bytes = b"c") -> tuple[Outcome, bytes]:
    return await Updates().ask([each.endpoint for each in servers], MESSAGE, client)


async def test_message_arrives_unchanged_at_the_first_server_that_accepts_a_connection() -> None:
    dead, first, second = Server(ANSWER), Server(ANSWER), Server(ANSWER)
    async with running(first, second):
        assert await ask([dead, first, second]) == FORWARDED
    assert (first.got, second.got) == ([MESSAGE], [])


@each_row(
    "answer", [b"", ANSWER[:11], b"\x12\x35" + ANSWER[2:], b"\x12\x34\x28" + ANSWER[3:], b"\x12\x34\x80" + ANSWER[3:]]
)
def test_what_is_no_answer_to_an_update_becomes_servfail(answer: bytes) -> None:
    async def check() -> None:
        server = Server(answer)
        async with running(server):
            assert await ask([server]) == FAILED == (Outcome.FAILED, failed_update(MESSAGE))

    asyncio.run(check())


async def test_update_without_a_server_that_answers_becomes_servfail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "TIMEOUT_S", 0.05)

    silent, other = Server(None), Server(ANSWER)
    async with running(silent, other):
        assert await ask([silent, other]) == FAILED
    assert other.got == [], "an update is given to one server only"
    assert await ask([Server(ANSWER)]) == FAILED


def test_worker_that_ends_waits_longer_than_an_update_takes() -> None:
    assert updates.TIMEOUT_S < DRAIN_S


async def test_one_client_has_few_updates_in_flight() -> None:
    server, passing = Server(None), Updates()
    async with running(server):
        tasks = [asyncio.create_task(passing.ask([server.endpoint], MESSAGE, b"busy")) for _ in range(MOST_OF_CLIENT)]
        while len(server.got) < MOST_OF_CLIENT:
            await asyncio.sleep(0.01)
        assert await passing.ask([server.endpoint], MESSAGE, b"busy") == LIMITED
        assert len(server.got) == MOST_OF_CLIENT
        server.answer = ANSWER
        assert await passing.ask([server.endpoint], MESSAGE, b"other") == FORWARDED
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await passing.ask([server.endpoint], MESSAGE, b"busy") == FORWARDED
