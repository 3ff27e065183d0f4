"""Framing over TCP: however messages are cut into segments, the same answers come, from every kind of engine."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain

import dns.edns
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.config.node_config import Clients, Unregistered
from dnsfilter.wire.query import parse_query
from tests.fuzz.examples import examples
from tests.fuzz.seeds import QUERIES
from tests.support.engines import GHENT, KINDS, MECHELEN, PATIENCE_S, query
from tests.support.message_mutations import Mutant, mutants, noise
from tests.support.proxied import BEHIND_PROXY, PROXY, header
from tests.support.served_streams import Served, framed, serving_streams
from tests.support.weighted_choices import often

KEEPALIVE = dns.edns.GenericOption(dns.edns.OptionType.make(11), b"")
SEEDS = {
    **QUERIES,
    "local": query("localhost"),
    "known": query("plain.example.org"),
    "keepalive": query("plain.example.org", options=[KEEPALIVE]),
    "two options": query("www.tiktok.com", options=[KEEPALIVE, KEEPALIVE]),
}
messages = often((1, noise(QUERIES["banned"])), (2, mutants(SEEDS)), (3, mutants(SEEDS, 0)))
cuts = st.lists(often((3, st.integers(1, 20)), (2, st.integers(20, 3_000)), (1, st.just(100_000))), max_size=40)


async def _asked(served: Served, client: str, start: bytes, frames: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Send the bytes in segments of these sizes, and close. Return the answers, sorted, without the end of one."""
    source = PROXY if start else client
    reader, writer = await asyncio.open_connection(*served.address, local_addr=(source, 0))
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    answers = asyncio.ensure_future(_answers(reader))
    rest = start + frames
    with suppress(OSError):
        for size in (*sizes, len(rest)):
            writer.write(rest[:size])
            rest = rest[size:]
            await asyncio.sleep(0)
            if writer.transport.is_closing():
                break
        else:
            writer.write_eof()
    try:
        return await asyncio.wait_for(answers, PATIENCE_S)
    finally:
        writer.close()


async def _answers(reader: asyncio.StreamReader) -> list[bytes]:
    found = []
    with suppress(asyncio.IncompleteReadError, OSError):
        while True:
            found.append(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")))
    return sorted(found)


@pytest.mark.parametrize("clients", [Clients(Unregistered.REFUSE), BEHIND_PROXY], ids=["direct", "proxied"])
def test_segments_do_not_change_the_answers(clients: Clients) -> None:
    @examples(60)
    @given(st.lists(messages, min_size=1, max_size=12), cuts, st.sampled_from((GHENT, MECHELEN)), st.booleans())
    def check(drawn: list[Mutant], sizes: list[int], client: str, cut_short: bool) -> None:
        sent = [message.data for message in drawn if parse_query(message.data, stream=True) is not None]
        frames = b"".join(map(framed, sent)) + framed(query("plain.example.org"))[: 9 if cut_short else 0]
        start = header(client) if clients is BEHIND_PROXY else b""

        async def answered(kind: str) -> tuple[list[bytes], list[bytes], dict[tuple[str, str], int]]:
            async with serving_streams(kind, clients=clients) as served:
                alone = [await _asked(served, client, start, framed(message), ()) for message in sent]
                together = await _asked(served, client, start, frames, sizes)
                await served.until(lambda: served.open == 0)
                return sorted(chain.from_iterable(alone)), together, served.rig.outcomes()

        alone, together, outcomes = asyncio.run(answered("reference"))
        assert together == alone
        assert len(alone) == len(sent)
        for kind in KINDS[1:]:
            assert asyncio.run(answered(kind)) == (alone, together, outcomes)

    check()


def test_bytes_of_any_kind_leave_the_server_alive(kind: str) -> None:
    @examples(60)
    @given(st.lists(st.binary(max_size=200), max_size=8), st.lists(messages, max_size=8), cuts)
    def check(pieces: list[bytes], drawn: list[Mutant], sizes: list[int]) -> None:
        frames = b"".join(framed(message.data) + piece for message, piece in zip(drawn, pieces, strict=False))

        async def answered() -> None:
            async with serving_streams(kind) as served:
                await _asked(served, GHENT, b"", frames + b"".join(pieces), sizes)
                await served.until(lambda: served.open == 0)
                assert len(await _asked(served, GHENT, b"", framed(SEEDS["known"]), ())) == 1

        asyncio.run(answered())

    check()
