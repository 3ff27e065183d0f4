"""Clear text while all encrypted servers of a group fail, and only then."""

import asyncio
from dataclasses import replace

import pytest

from dnsfilter.config.node_config import Endpoint, Tls
from dnsfilter.errors import UnavailableError
from dnsfilter.upstream import encryption_state
from dnsfilter.upstream.plain_fallback import PlainFallback
from dnsfilter.upstream.stream_pool import StreamPool
from dnsfilter.upstream.tls_channel import TlsError
from tests.unit.upstream.streaming import LONG_S, Peer, query, reply, serving

PROOF = Tls("dns.example.org")
ASKED = query("example.org")


async def refuse(peer: Peer) -> None:
    """Close during the handshake."""
    await peer.reader.read(1)


async def test_server_is_asked_in_clear_text_only_after_all_of_its_group_failed() -> None:
    clear: list[Endpoint] = []
    async with (
        serving(refuse, tls=PROOF) as (_, first),
        serving(refuse, tls=PROOF) as (_, second),
        serving(Peer.echo) as (plain, at),
    ):
        pool = StreamPool()
        fallback = PlainFallback(pool, clear.append, at.port)
        with pytest.raises(TlsError):
            await fallback.ask(first, (first, second), ASKED, LONG_S, b"")
        assert plain.accepted == 0
        assert await fallback.ask(second, (first, second), ASKED, LONG_S, b"") == reply(ASKED)
        assert await fallback.ask(first, (first, second), ASKED, LONG_S, b"") == reply(ASKED)
        assert clear == [second, first]
        fallback.close()
        pool.close()


async def test_plain_servers_of_a_group_are_asked_as_always() -> None:
    clear: list[Endpoint] = []
    async with serving(Peer.echo) as (_, endpoint):
        pool = StreamPool()
        fallback = PlainFallback(pool, clear.append)
        assert await fallback.ask(endpoint, (endpoint,), ASKED, LONG_S, b"") == reply(ASKED)
        assert clear == []
        pool.close()


async def test_closed_port_in_clear_text_is_a_failure() -> None:
    async with serving(Peer.echo) as (_, closed):
        pass
    async with serving(refuse, tls=PROOF) as (_, endpoint):
        pool = StreamPool()
        fallback = PlainFallback(pool, lambda _: None, closed.port)
        with pytest.raises(UnavailableError):
            await fallback.ask(endpoint, (endpoint,), ASKED, LONG_S, b"")
        fallback.close()
        pool.close()


async def test_tls_is_tried_in_the_background_while_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption_state, "FIRST_REST_S", 0.001)
    monkeypatch.setattr(encryption_state, "LONGEST_REST_S", 0.001)
    async with serving(refuse, tls=PROOF) as (server, endpoint), serving(Peer.echo) as (_, at):
        pool = StreamPool()
        fallback = PlainFallback(pool, lambda _: None, at.port)
        async with asyncio.timeout(LONG_S):
            while server.accepted < 3:
                assert await fallback.ask(endpoint, (endpoint,), ASKED, LONG_S, b"") == reply(ASKED)
        assert pool.fails(endpoint)
        assert not pool.fails(replace(endpoint, port=at.port))
        fallback.close()
        pool.close()
