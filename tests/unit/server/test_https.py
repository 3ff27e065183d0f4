"""DNS over HTTPS for clients: policy, methods and paths, limits, drain, and clients that break the protocol."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import dns.edns
import dns.message
import dns.rcode
import pytest
from h2.errors import ErrorCodes

from dnsfilter.config.node_config import Rate
from tests.contract.cases import office
from tests.support.engines import GHENT, MECHELEN, NO_RATES, UNREGISTERED, data, query
from tests.support.http2_client import Received
from tests.support.policies import network
from tests.support.proxied import BEHIND_PROXY, PROXY, TCP4, header
from tests.support.scripted import Scripted, silent
from tests.support.served_https import ServedHttps, serving_https
from tests.support.served_streams import RunningClock
from tests.support.served_tls import NAME
from tests.support.starting import kind

__all__ = ["kind"]
Serving: TypeAlias = Callable[..., AbstractAsyncContextManager[ServedHttps]]


@pytest.fixture
def serving(kind: str, tmp_path: Path) -> Serving:
    """Return a context manager that serves HTTPS with an engine of that kind."""
    return partial(serving_https, kind, tmp_path)


def encoded(message: bytes) -> str:
    return urlsafe_b64encode(message).decode().rstrip("=")


def message_of(response: Received) -> dns.message.Message:
    assert response.status == 200
    assert response.headers["content-type"] == "application/dns-message"
    return dns.message.from_wire(response.body)


async def test_query_is_answered_by_the_policy_of_the_connections_address(serving: Serving) -> None:
    async with serving() as served:
        for source, rcode in ((GHENT, "REFUSED"), (MECHELEN, "NOERROR"), (UNREGISTERED, "REFUSED")):
            client = await served.connect(source)
            found = message_of(await client.ask(query("www.tiktok.com", id=0)))
            assert (found.id, dns.rcode.to_text(found.rcode())) == (0, rcode)
        assert served.rig.outcomes()["doh", "refused"] == 1


async def test_get_and_post_have_the_same_answer_and_lifetime(serving: Serving) -> None:
    async with serving() as served:
        client = await served.connect()
        message = query("plain.example.org", id=0)
        posted = await client.ask(message)
        got = await client.response(client.request(f"/dns-query?dns={encoded(message)}"))
        assert data(message_of(posted)) == data(message_of(got)) == ["A 198.51.100.10"]
        ttl = message_of(got).answer[0].ttl
        assert got.headers["cache-control"] == f"private, max-age={ttl}"
        refused = await client.ask(query("www.tiktok.com"))
        assert refused.headers["cache-control"] == "private, max-age=0"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 404), ("/dns-query", 400), ("/dns-query?dns=AA=", 400), ("/dns-query/unknown?dns=AAAA", 404)],
)
async def test_a_request_without_a_query_gets_a_text_and_the_connection_stays(
    serving: Serving, path: str, status: int
) -> None:
    async with serving() as served:
        client = await served.connect()
        found = await client.response(client.request(path))
        assert found.status == status
        assert found.headers["content-type"].startswith("text/plain")
        assert found.body.endswith(b".\n")
        assert message_of(await client.ask(query("plain.example.org")))


@pytest.mark.parametrize("message", [b"\0" * 11, b"\0\1\x80\0" + bytes(8)], ids=["short", "response"])
async def test_a_message_that_is_no_query_gets_a_text(serving: Serving, message: bytes) -> None:
    async with serving() as served:
        client = await served.connect()
        assert (await client.ask(message)).status == 400
        assert served.rig.outcomes()["doh", "dropped"] == 1


async def test_padding_is_for_queries_that_have_it(serving: Serving) -> None:
    async with serving() as served:
        client = await served.connect()
        padding = dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(20))
        for name in ("plain.example.org", "www.tiktok.com"):
            plain, padded = await client.ask(query(name)), await client.ask(query(name, options=[padding]))
            assert len(plain.body) < 468
            assert len(padded.body) == 468


async def test_answers_come_in_the_order_in_which_they_are_ready(serving: Serving) -> None:
    async with serving(Scripted(silent)) as served:
        asked = served.rig.upstream.asked
        client = await served.connect()
        slow = client.request(body=query("slow.example.org"))
        quick = client.request(body=query("www.tiktok.com"))
        assert (await client.response(quick)).is_complete
        await served.until(lambda: len(asked) == 1)
        assert not client.http.responses[slow].is_complete
        served.streams.answer(asked[0])
        assert data(message_of(await client.response(slow))) == ["A 198.51.100.1"]


@pytest.mark.parametrize("most", [32, 3])
async def test_number_of_pending_queries_is_limited_also_of_those_cancelled(serving: Serving, most: int) -> None:
    async with serving(Scripted(silent), replace(NO_RATES, connection_queries=most)) as served:
        asked = served.rig.upstream.asked
        client = await served.connect()
        streams = [client.request(body=query(f"n{number}.example.org")) for number in range(most + 9)]
        await served.until(lambda: len(asked) >= most)
        for stream in streams[:2]:
            client.http.connection.reset_stream(stream)
        client.flush()
        other = await served.connect(MECHELEN)
        other.request(body=query("other.example.org"))
        await served.until(lambda: any(each.name == "other.example.org" for each in asked))
        assert len(asked) == most + 1
        seen: set[str] = set()
        while len(seen) < most + 9:
            await served.until(lambda: any(each.name not in seen and each.name[0] == "n" for each in asked))
            one = next(each for each in asked if each.name not in seen and each.name[0] == "n")
            seen.add(one.name)
            served.streams.answer(one)
        for stream in streams[2:]:
            assert message_of(await client.response(stream))


async def test_a_client_over_the_rate_limit_is_disconnected(serving: Serving) -> None:
    async with serving(limits=replace(NO_RATES, clients=Rate(1, 10))) as served:
        client = await served.connect()
        for number in range(11):
            client.request(body=query("www.tiktok.com", id=number))
        await client.until_closed()
        assert client.http.ended == ErrorCodes.ENHANCE_YOUR_CALM
        assert served.rig.outcomes()["doh", "limited"] == 1


async def test_connections_per_client_are_limited(serving: Serving) -> None:
    async with serving(limits=replace(NO_RATES, connections_per_client=3)) as served:
        held = [await served.connect() for _ in range(3)]
        with pytest.raises((ConnectionError, OSError)):
            await served.connect()
        other = await served.connect(MECHELEN)
        assert message_of(await other.ask(query("plain.example.org")))
        held[0].close()
        await served.until(lambda: served.open == 3)
        assert message_of(await (await served.connect()).ask(query("plain.example.org")))


@pytest.mark.heavy
async def test_idle_and_slow_connections_end_but_a_waiting_one_does_not(serving: Serving) -> None:
    limits = replace(NO_RATES, connection_idle_s=0.3)
    async with serving(Scripted(silent), limits=limits, clock=RunningClock()) as served:
        asked = served.rig.upstream.asked
        waiting = await served.connect(MECHELEN)
        stream = waiting.request(body=query("a.example.org"))
        await served.until(lambda: len(asked) == 1)
        idle, slow = await served.connect(), await served.connect()
        slow.http.request(body=query("plain.example.org"), ends=False)
        slow.flush()
        silent_one = await served.streams.connect()
        for client in (idle, slow):
            await client.until_closed()
        assert await silent_one.until_closed() == b""
        served.streams.answer(asked[0])
        assert data(message_of(await waiting.response(stream))) == ["A 198.51.100.1"]
        await waiting.until_closed()
        assert served.open == 0


@pytest.mark.parametrize("protocol", ["http/1.1", "unknown"])
async def test_a_client_without_http2_gets_a_text_and_the_end(serving: Serving, protocol: str) -> None:
    async with serving() as served:
        client = await served.connect_plainly(protocol=protocol)
        client.writer.write(b"GET /dns-query?dns=AAAA HTTP/1.1\r\nHost: dns.example.org\r\n\r\n")
        found = await client.until_closed()
        assert found.startswith(b"HTTP/1.1 505 ")
        assert found.endswith(b"\r\n\r\nThis server speaks HTTP/2 only.\n")
        await served.until(lambda: served.open == 0)


async def test_a_client_that_floods_is_disconnected(serving: Serving) -> None:
    async with serving() as served:
        client = await served.connect()
        for _ in range(2_000):
            client.http.connection.ping(bytes(8))
        client.flush()
        await client.until_closed()
        assert client.http.ended == ErrorCodes.ENHANCE_YOUR_CALM


async def test_a_drained_client_gets_its_answers_and_then_the_end(serving: Serving) -> None:
    async with serving(Scripted(silent)) as served:
        asked = served.rig.upstream.asked
        idle, busy = await served.connect(), await served.connect()
        stream = busy.request(body=query("a.example.org"))
        await served.until(lambda: len(asked) == 1 and served.open == 2)
        served.server.drain()
        await idle.until_closed()
        assert idle.http.ended == ErrorCodes.NO_ERROR
        assert served.server.is_busy
        while not busy.http.asked_to_end:
            assert await busy.read()
        served.streams.answer(asked[0])
        assert data(message_of(await busy.response(stream))) == ["A 198.51.100.1"]
        await busy.until_closed()
        assert not served.server.is_busy


async def test_a_fleets_name_and_path_stand_for_the_fleet(serving: Serving) -> None:
    token = "gnt-partly-staff-7f3k"
    async with serving(fleets={token: GHENT, "mec": MECHELEN}) as served:
        named = await served.connect(UNREGISTERED, f"{token}.{NAME}")
        assert message_of(await named.ask(query("www.tiktok.com"))).rcode() == dns.rcode.REFUSED
        assert data(message_of(await named.ask(query("plain.example.org")))) == ["A 198.51.100.10"]
        unnamed = await served.connect(UNREGISTERED)
        assert message_of(await unnamed.ask(query("plain.example.org"))).rcode() == dns.rcode.REFUSED
        for path, rcode in ((token, dns.rcode.REFUSED), ("mec", dns.rcode.NOERROR)):
            found = await unnamed.ask(query("www.tiktok.com"), f"/dns-query/{path}")
            assert message_of(found).rcode() == rcode
        assert (await unnamed.ask(query("www.tiktok.com"), "/dns-query/ended")).status == 404


async def test_a_proxys_header_comes_before_the_handshake(serving: Serving) -> None:
    async with serving(clients=BEHIND_PROXY, policy=office(network("100::9:0:0/96", "mechelen"))) as served:
        of_fleet = await served.connect(PROXY, first=header("100::9:0:1"))
        assert message_of(await of_fleet.ask(query("plain.example.org"))).rcode() == dns.rcode.REFUSED
        assert served.rig.outcomes() == {("doh", "unregistered"): 1}
        for address, rcode in ((GHENT, dns.rcode.REFUSED), (MECHELEN, dns.rcode.NOERROR)):
            client = await served.connect(PROXY, first=header(address, TCP4))
            assert message_of(await client.ask(query("www.tiktok.com"))).rcode() == rcode


async def test_closing_the_server_ends_every_connection(serving: Serving) -> None:
    async with serving() as served:
        clients = [await served.connect() for _ in range(3)]
        await served.until(lambda: served.open == 3)
        served.server.close()
        for client in clients:
            await client.until_closed()
        assert served.open == 0
