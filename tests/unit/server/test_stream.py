"""DNS over TCP for clients: pipelining, order, limits, and aborted connections."""

import asyncio
import socket
import struct
from dataclasses import replace
from functools import partial
from ipaddress import ip_address

import dns.edns
import dns.message
import dns.rcode
import pytest

from dnsfilter.config.node_config import Rate
from tests.contract.cases import office
from tests.support.engines import GHENT, MECHELEN, NO_RATES, UNREGISTERED, data, query
from tests.support.policies import network
from tests.support.proxied import BEHIND_PROXY, PROXY, TCP4, header, named
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, reply, silent, truncated
from tests.support.served_streams import RunningClock, Serving, framed, serving_streams
from tests.support.starting import kind

__all__ = ["kind"]


@pytest.fixture
def serving(kind: str) -> Serving:
    """Return a context manager that serves streams with an engine of that kind."""
    return partial(serving_streams, kind)


async def test_query_is_answered_by_the_policy_of_the_connections_address(serving: Serving) -> None:
    async with serving() as served:
        for source, rcode in ((GHENT, "REFUSED"), (MECHELEN, "NOERROR"), (UNREGISTERED, "REFUSED")):
            client = await served.connect(source)
            client.send(query("www.tiktok.com"))
            assert dns.rcode.to_text((await client.receive()).rcode()) == rcode


@each_row(("name", "before"), [("plain.example.org", 0), ("www.tiktok.com", 1), ("localhost", 0)])
def test_client_learns_how_long_its_connection_may_be_idle_if_it_asks(serving: Serving, name: str, before: int) -> None:
    async def check() -> None:
        async with serving(limits=replace(NO_RATES, connection_idle_s=7)) as served:
            client = await served.connect()
            keepalive = dns.edns.GenericOption(dns.edns.OptionType.make(11), b"")
            client.send(query(name), query(name, options=[keepalive]), query(name, options=[keepalive], id=0xB000))
            found = [await client.receive() for _ in range(3)]
            options = [[(int(option.otype), option.to_wire()) for option in each.options[before:]] for each in found]
            assert options == [[], [(11, b"\0F")], [(11, b"\0F")]]

    asyncio.run(check())


async def test_many_queries_on_one_connection_are_all_answered(serving: Serving) -> None:
    async with serving() as served:
        client = await served.connect()
        client.send(*(query("plain.example.org", id=number) for number in range(200)))
        found = [await client.receive() for _ in range(200)]
        assert sorted(message.id for message in found) == list(range(200))
        assert all(data(message) == ["A 198.51.100.10"] for message in found)


async def test_answers_are_sent_in_the_order_in_which_they_are_ready(serving: Serving) -> None:
    async with serving(Scripted(silent)) as served:
        asked = served.rig.upstream.asked
        client = await served.connect()
        client.send(query("slow.example.org", id=1), query("quick.example.org", id=2), query("www.tiktok.com", id=3))
        assert (await client.receive()).id == 3
        await served.until(lambda: len(asked) == 2)
        for name, number in (("quick.example.org", 2), ("slow.example.org", 1)):
            served.answer(next(each for each in asked if each.name == name))
            assert (await client.receive()).id == number


async def test_a_query_may_come_byte_by_byte(serving: Serving) -> None:
    async with serving() as served:
        client = await served.connect()
        client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in framed(query("plain.example.org", id=5)) + framed(query("www.tiktok.com", id=6)):
            client.writer.write(bytes([byte]))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert {(await client.receive()).id for _ in range(2)} == {5, 6}


async def test_frames_may_share_a_segment_or_be_split(serving: Serving) -> None:
    async with serving() as served:
        client = await served.connect()
        data = framed(query("plain.example.org", id=5)) + framed(query("plain.example.org", id=6))
        client.writer.write(data[:-7])
        assert (await client.receive()).id == 5
        client.writer.write(data[-7:])
        assert (await client.receive()).id == 6


@pytest.mark.parametrize("most", [32, 3])
async def test_number_of_pending_queries_is_limited(serving: Serving, most: int) -> None:
    async with serving(Scripted(silent), replace(NO_RATES, connection_queries=most)) as served:
        asked = served.rig.upstream.asked
        client = await served.connect()
        count = most + 9
        client.send(*(query(f"n{number}.example.org", id=number) for number in range(count)))
        await served.until(lambda: len(asked) >= most)
        # The query of another connection is read after all readable queries of the first one.
        other = await served.connect(MECHELEN)
        other.send(query("other.example.org"))
        await served.until(lambda: any(each.name == "other.example.org" for each in asked))
        assert len(asked) == most + 1
        seen = set()
        for turn in range(count):
            await served.until(lambda turn=turn: len(asked) > turn)  # type: ignore[misc]
            served.answer(next(each for each in asked if each.name not in seen and each.name[0] == "n"))
            found = await client.receive()
            seen.add(found.question[0].name.to_text(omit_final_dot=True))
        assert len(seen) == count


async def test_client_that_closes_its_sending_side_gets_its_answers(serving: Serving) -> None:
    async with serving(Scripted(silent)) as served:
        asked = served.rig.upstream.asked
        client = await served.connect()
        client.send(query("a.example.org", id=1), query("b.example.org", id=2))
        client.writer.write_eof()
        await served.until(lambda: len(asked) == 2)
        for each in list(asked):
            served.answer(each)
        assert {(await client.receive()).id for _ in range(2)} == {1, 2}
        assert await client.until_closed() == b""
        await served.until(lambda: served.open == 0)


async def test_client_that_closes_within_a_frame_is_disconnected(serving: Serving) -> None:
    async with serving() as served:
        client = await served.connect()
        client.writer.write(framed(query("plain.example.org"))[:-3])
        client.writer.write_eof()
        assert await client.until_closed() == b""
        await served.until(lambda: served.open == 0)


@pytest.mark.parametrize("abruptly", [True, False])
async def test_closed_connection_is_forgotten_and_others_are_answered(serving: Serving, abruptly: bool) -> None:
    async with serving(Scripted(silent)) as served:
        asked = served.rig.upstream.asked
        leaving, staying = await served.connect(), await served.connect(MECHELEN)
        leaving.send(query("a.example.org", id=1), query("b.example.org", id=2))
        staying.send(query("a.example.org", id=9))
        await served.until(lambda: len(asked) == 2 and served.open == 2)
        if abruptly:
            linger = struct.pack("ii", 1, 0)
            leaving.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        leaving.close()
        if abruptly:
            await served.until(lambda: served.open == 1)
        for each in list(asked):
            served.answer(each)
        assert (await staying.receive()).id == 9
        await served.until(lambda: served.open == 1)


@pytest.mark.parametrize("message", [b"", b"\0" * 11, b"\0\1\x80\0" + bytes(8)], ids=["empty", "short", "response"])
async def test_message_without_an_answer_ends_the_connection(serving: Serving, message: bytes) -> None:
    async with serving() as served:
        client = await served.connect()
        client.send(message, query("plain.example.org"))
        assert await client.until_closed() == b""
        assert served.rig.upstream.asked == []


@pytest.mark.heavy
async def test_idle_connection_ends_but_a_waiting_one_does_not(serving: Serving) -> None:
    limits = replace(NO_RATES, connection_idle_s=0.05)
    async with serving(Scripted(silent), limits=limits, clock=RunningClock()) as served:
        asked = served.rig.upstream.asked
        waiting = await served.connect(MECHELEN)
        waiting.send(query("a.example.org", id=4))
        await served.until(lambda: len(asked) == 1)
        idle, slow = await served.connect(), await served.connect()
        slow.writer.write(framed(query("plain.example.org"))[:5])
        assert await idle.until_closed() == b""
        assert await slow.until_closed() == b""
        served.answer(asked[0])
        assert (await waiting.receive()).id == 4
        assert await waiting.until_closed() == b""
        assert served.open == 0


async def test_connections_per_client_are_limited(serving: Serving) -> None:
    async with serving(limits=replace(NO_RATES, connections_per_client=3)) as served:
        held = [await served.connect() for _ in range(3)]
        await served.until(lambda: served.open == 3)
        assert await (await served.connect()).until_closed() == b""
        assert served.turned_away == 1
        other = await served.connect(MECHELEN)
        other.send(query("plain.example.org", id=1))
        assert (await other.receive()).id == 1
        held[0].close()
        await served.until(lambda: served.open == 3)
        again = await served.connect()
        again.send(query("plain.example.org", id=2))
        assert (await again.receive()).id == 2


async def test_client_over_the_rate_limit_is_disconnected_and_another_is_not(serving: Serving) -> None:
    async with serving(limits=replace(NO_RATES, clients=Rate(1, 10))) as served:
        other = await served.connect(MECHELEN)
        client = await served.connect()
        client.send(*(query("www.tiktok.com", id=number) for number in range(11)))
        await client.until_closed()
        again = await served.connect()
        again.send(query("www.tiktok.com"))
        assert await again.until_closed() == b""
        for number in range(10):
            other.send(query("plain.example.org", id=number))
            assert (await other.receive()).id == number
        assert served.rig.outcomes()["tcp", "limited"] == 2
        assert served.rig.outcomes()["tcp", "refused"] == 10


async def test_least_recently_used_connection_is_closed_at_the_limit(serving: Serving) -> None:
    async with serving(limits=replace(NO_RATES, connections=3)) as served:
        first, second, third = [await served.connect() for _ in range(3)]
        for client in (second, third, first):
            client.send(query("plain.example.org"))
            await client.receive()
        fourth = await served.connect(MECHELEN)
        fourth.send(query("plain.example.org", id=4))
        assert (await fourth.receive()).id == 4
        assert await second.until_closed() == b""
        for client in (third, first):
            client.send(query("plain.example.org", id=5))
            assert (await client.receive()).id == 5
        assert served.open == 3
        assert served.turned_away == 1


async def test_waiting_connections_are_not_closed_at_the_limit(serving: Serving) -> None:
    async with serving(Scripted(silent), limits=replace(NO_RATES, connections=2)) as served:
        asked = served.rig.upstream.asked
        busy = [await served.connect() for _ in range(2)]
        for number, client in enumerate(busy):
            client.send(query(f"n{number}.example.org", id=number))
        await served.until(lambda: len(asked) == 2)
        assert await (await served.connect(MECHELEN)).until_closed() == b""
        for each in list(asked):
            served.answer(each)
        assert [(await client.receive()).id for client in busy] == [0, 1]


def wide(asked: Asked) -> tuple[bytes, ...]:
    """Return an answer of 4 KiB."""
    strings = " ".join(f'"{"x" * 255}"' for _ in range(16))
    return (reply(asked, (f"{asked.name}. 300 TXT {strings}",)),)


@pytest.mark.heavy
async def test_client_that_does_not_read_is_disconnected(serving: Serving) -> None:
    limits = replace(NO_RATES, connection_idle_s=0.1)
    async with serving(Scripted(wide), limits=limits, most_unsent=2_000, clock=RunningClock()) as served:
        client = await served.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(*[query("wide.example.org", "TXT")] * 3_000)
        await served.until(lambda: served.open == 1)
        for number in (3, 4):  # while the client does not read, and afterwards
            other = await served.connect(MECHELEN)
            other.send(query("plain.example.org", id=number))
            assert (await other.receive()).id == number
            other.writer.close()
            await served.until(lambda: served.open == 0)


@pytest.mark.heavy
@pytest.mark.parametrize(("most_unsent", "pause_s"), [(20_000, 0), (10_000_000, 0.04)])
async def test_slowly_reading_client_gets_all_answers(serving: Serving, most_unsent: int, pause_s: float) -> None:
    """The server holds back queries, or answers: then it checks after 0.6 s whether the client has read more."""
    number = 1_500 if pause_s else 500  # the pauses last longer than the idle time
    limits = replace(NO_RATES, connection_idle_s=0.6)
    async with serving(Scripted(wide), limits=limits, most_unsent=most_unsent, clock=RunningClock()) as served:
        client = await served.connect()
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        client.send(*[query("wide.example.org", "TXT", id=each) for each in range(number)])
        seen = []
        for each in range(number):
            if each % 50 == 0:
                await asyncio.sleep(pause_s)
            seen.append((await client.receive()).id)
        assert sorted(seen) == list(range(number))


@pytest.mark.heavy
async def test_client_with_many_queries_does_not_block_others(serving: Serving) -> None:
    async with serving() as served:
        other = await served.connect(MECHELEN)
        other.send(query("plain.example.org"))
        await other.receive()
        busy = await served.connect()
        busy.send(*(query("plain.example.org", id=number) for number in range(1_500)))
        other.send(query("plain.example.org", id=9))
        assert (await other.receive()).id == 9
        assert sum(served.rig.outcomes().values()) < 750
        assert {(await busy.receive()).id for _ in range(1_500)} == set(range(1_500))


@pytest.mark.heavy
async def test_client_with_many_queries_that_closes_gets_all_answers(serving: Serving) -> None:
    async with serving() as served:
        client = await served.connect()
        client.send(*(query("plain.example.org", id=number) for number in range(1_000)))
        client.writer.write_eof()
        assert {(await client.receive()).id for _ in range(1_000)} == set(range(1_000))
        assert await client.until_closed() == b""
        assert served.open == 0


async def test_closing_the_server_ends_every_connection(serving: Serving) -> None:
    async with serving() as served:
        clients = [await served.connect() for _ in range(3)]
        await served.until(lambda: served.open == 3)
        served.server.close()
        for client in clients:
            assert await client.until_closed() == b""
        assert served.open == 0


async def test_largest_frame_is_read_and_answered(serving: Serving) -> None:
    async with serving() as served:
        client = await served.connect()
        wire = query("plain.example.org", id=8)
        client.send(wire + bytes(65_535 - len(wire)), query("plain.example.org", id=9))
        assert [((await client.receive()).id) for _ in range(2)] == [8, 9]


async def test_header_of_a_trusted_proxy_names_the_client_of_a_connection(serving: Serving) -> None:
    async with serving(clients=BEHIND_PROXY) as served:
        for source, rcode in ((GHENT, "REFUSED"), (MECHELEN, "NOERROR"), (UNREGISTERED, "REFUSED")):
            client = await served.connect(PROXY)
            client.writer.write(header(source, TCP4))
            client.send(query("www.tiktok.com"), query("www.tiktok.com"))
            found = [dns.rcode.to_text((await client.receive()).rcode()) for _ in range(2)]
            assert found == [rcode, rcode]


async def test_address_of_a_fleet_in_the_header_is_no_fleets_client(serving: Serving) -> None:
    async with serving(clients=BEHIND_PROXY, policy=office(network("100::9:0:0/96", "mechelen"))) as served:
        client = await served.connect(PROXY)
        client.writer.write(header("100::9:0:1"))
        client.send(query("plain.example.org"))
        assert (await client.receive()).rcode() == dns.rcode.REFUSED
        assert served.rig.outcomes() == {("tcp", "unregistered"): 1}


async def test_header_may_arrive_in_pieces(serving: Serving) -> None:
    async with serving(clients=BEHIND_PROXY) as served:
        client = await served.connect(PROXY)
        for byte in header(GHENT, TCP4, b"\x04\0\x01x") + framed(query("www.tiktok.com")):
            client.writer.write(bytes([byte]))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.receive()).rcode() == dns.rcode.REFUSED


async def test_server_name_in_the_header_names_the_client_until_it_ends(serving: Serving) -> None:
    known = {"fleet.example.org": ip_address(GHENT).packed}

    def client_of(name: str | None, _peer: bytes, _is_certified: bool = False, /) -> bytes | None:
        return known.get(name or "")

    async with serving(clients=BEHIND_PROXY, client_of=client_of) as served:
        client = await served.connect(PROXY)
        client.writer.write(header(UNREGISTERED, TCP4, named("fleet.example.org")))
        for name, rcode in (("www.tiktok.com", dns.rcode.REFUSED), ("plain.example.org", dns.rcode.NOERROR)):
            client.send(query(name))
            assert (await client.receive()).rcode() == rcode
        known.clear()
        client.send(query("plain.example.org"))
        assert await client.until_closed() == b""
        unknown = await served.connect(PROXY)
        unknown.writer.write(
            header(UNREGISTERED, TCP4, named("fleet.example.org")) + framed(query("plain.example.org"))
        )
        assert await unknown.until_closed() == b""
        assert served.rig.outcomes()["tcp", "dropped"] == 2
        await served.until(lambda: served.open == 0)


@each_row(
    "start", [framed(query("plain.example.org")), header(GHENT, 0x00), header(GHENT, more=bytes(500)), b"\r\n\r\nX"]
)
def test_connection_of_a_proxy_without_a_valid_header_is_closed_and_counted(serving: Serving, start: bytes) -> None:
    async def check() -> None:
        async with serving(clients=BEHIND_PROXY) as served:
            client = await served.connect(PROXY)
            client.writer.write(start)
            assert await client.until_closed() == b""
            assert served.rig.outcomes() == {("tcp", "dropped"): 1}
            await served.until(lambda: served.open == 0)

    asyncio.run(check())


async def test_limit_of_connections_applies_to_the_client_in_the_header(serving: Serving) -> None:
    limits = replace(NO_RATES, connections_per_client=1)
    async with serving(limits=limits, clients=BEHIND_PROXY) as served:
        waiting = [await served.connect(PROXY) for _ in range(2)]
        await served.until(lambda: served.open == 2)
        for source, client in zip((GHENT, MECHELEN), waiting, strict=True):
            client.writer.write(header(source))
            client.send(query("plain.example.org"))
            await client.receive()
        assert served.turned_away == 0
        client = await served.connect(PROXY)
        client.writer.write(header(MECHELEN))
        assert await client.until_closed() == b""
        assert (served.turned_away, served.open) == (1, 2)


async def test_connections_that_send_no_header_are_closed_when_idle(serving: Serving) -> None:
    limits = replace(NO_RATES, connection_idle_s=0.05)
    async with serving(limits=limits, clients=BEHIND_PROXY, clock=RunningClock()) as served:
        client = await served.connect(PROXY)
        client.writer.write(header(GHENT)[:-1])
        assert await client.until_closed() == b""


async def test_header_of_anybody_else_is_no_query(serving: Serving) -> None:
    async with serving(clients=BEHIND_PROXY) as served:
        client = await served.connect(GHENT)
        client.writer.write(header(MECHELEN) + bytes(0x0D0A))
        client.send(query("www.tiktok.com"))
        assert (await client.receive()).rcode() != dns.rcode.NOERROR


async def test_answer_that_an_upstream_truncates_is_complete(serving: Serving) -> None:
    def big(asked: Asked) -> tuple[bytes, ...]:
        records = [f"{asked.name}. 300 A 10.0.{n >> 8}.{n & 255}" for n in range(500)]
        return (reply(asked, records) if asked.by_stream else truncated(asked),)

    async with serving(Scripted(big)) as served:
        client = await served.connect()
        client.send(query("big.example.org", id=1), query("www.tiktok.com", id=2))
        found = {message.id: message for message in [await client.receive() for _ in range(2)]}
        assert len(data(found[1])) == 500
        assert found[2].rcode() == dns.rcode.REFUSED


@pytest.mark.heavy
async def test_clients_are_answered_while_a_thousand_connections_are_idle(serving: Serving) -> None:
    limits = replace(NO_RATES, connections=1_010, connections_per_client=1_010, connection_idle_s=600)
    async with serving(limits=limits) as served:
        idle = [await served.connect(MECHELEN) for _ in range(1_000)]
        await served.until(lambda: served.open == 1_000)
        client = await served.connect()
        client.send(*(query("plain.example.org", id=number) for number in range(50)))
        assert {(await client.receive()).id for _ in range(50)} == set(range(50))
        for number, each in enumerate(idle):
            each.send(query("plain.example.org", id=number))
        assert [(await each.receive()).id for each in idle] == list(range(1_000))
        assert (served.open, served.turned_away) == (1_001, 0)
