"""DNS over TLS for clients: handshakes, names, certificates, padding, limits, and how connections end."""

import asyncio
import ssl
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, cast

import dns.edns
import dns.message
import dns.rcode
import pytest
from cryptography.x509 import load_der_x509_certificate

from dnsfilter.server.tls import ignore_undecodable_names
from dnsfilter.telemetry.metrics import Outcome, Transport
from dnsfilter.telemetry.slots import QUERY
from tests.contract.cases import office
from tests.support.engines import GHENT, MECHELEN, NO_RATES, UNREGISTERED, data, query
from tests.support.policies import network
from tests.support.proxied import BEHIND_PROXY, PROXY, TCP4, header
from tests.support.scripted import Asked, Scripted, reply, silent, truncated
from tests.support.served_streams import Client, RunningClock, framed
from tests.support.served_tls import NAME, UNNAMED, ServedTls, serving_tls, use
from tests.support.starting import kind

__all__ = ["kind"]

Serving: TypeAlias = Callable[..., AbstractAsyncContextManager[ServedTls]]
FLEET = f"gnt-staff-7f3k.{NAME}"
PADDED = dns.edns.GenericOption(dns.edns.OptionType.make(12), bytes(7))


@pytest.fixture
def serving(kind: str, tmp_path: Path) -> Serving:
    """Return a context manager that serves TLS with an engine of that kind."""
    return partial(serving_tls, kind, tmp_path)


def serial(client: Client) -> int:
    """Return the serial number of the server's certificate."""
    der = client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return load_der_x509_certificate(der).serial_number


async def answer(client: Client, name: str = "www.tiktok.com", **options: Any) -> dns.message.Message:
    client.send(query(name, **options))
    return await client.receive()


async def test_query_is_answered_by_the_policy_of_the_connections_address(serving: Serving) -> None:
    async with serving() as served:
        for source, rcode in ((GHENT, "REFUSED"), (MECHELEN, "NOERROR"), (UNREGISTERED, "REFUSED")):
            assert dns.rcode.to_text((await answer(await served.connect(source))).rcode()) == rcode
        slots = served.rig.counters.slots
        counted = {outcome: slots[QUERY[Transport.DOT][outcome]] for outcome in Outcome}
        assert {outcome: count for outcome, count in counted.items() if count} == {
            Outcome.REFUSED: 1,
            Outcome.FORWARDED: 1,
            Outcome.UNREGISTERED: 1,
        }


async def test_many_queries_on_one_connection_are_all_answered(serving: Serving) -> None:
    async with serving() as served:
        client = await served.connect()
        client.send(*(query("plain.example.org", id=number) for number in range(200)))
        found = [await client.receive() for _ in range(200)]
        assert sorted(message.id for message in found) == list(range(200))
        assert all(data(message) == ["A 198.51.100.10"] for message in found)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_version_and_the_protocol_are_agreed_on(serving: Serving, version: ssl.TLSVersion) -> None:
    async with serving() as served:
        context = served.certified.trusting()
        context.minimum_version = context.maximum_version = version
        client = await served.connect(context=context)
        assert (await answer(client)).rcode() == dns.rcode.REFUSED
        agreed = client.writer.get_extra_info("ssl_object")
        assert (agreed.version(), agreed.selected_alpn_protocol()) == (version.name.replace("_", "."), "dot")
        assert not agreed.session.has_ticket


async def test_a_version_before_1_2_is_refused(serving: Serving) -> None:
    async with serving() as served:
        context = served.certified.trusting()
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await served.connect(context=context)


async def test_a_client_may_offer_no_protocol_or_name(serving: Serving) -> None:
    async with serving() as served:
        client = await served.connect(name=UNNAMED, context=served.certified.trusting(UNNAMED, ()))
        assert (await answer(client)).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("name", ["other.example.org", f"a.b.{NAME}", "example.org", f"unknown.{NAME}", "localhost"])
async def test_another_name_is_refused_in_the_handshake(serving: Serving, name: str) -> None:
    async with serving() as served:
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            await served.connect(name=name)
        await served.until(lambda: served.open == 0)


async def test_a_fleets_name_stands_for_the_fleet_until_it_ends(serving: Serving) -> None:
    fleets = {FLEET.partition(".")[0]: GHENT}
    async with serving(fleets=fleets) as served:
        for name in (FLEET, FLEET.upper()):
            client = await served.connect(UNREGISTERED, name)
            assert (await answer(client)).rcode() == dns.rcode.REFUSED
            assert data(await answer(client, "plain.example.org")) == ["A 198.51.100.10"]
        served.fleets.clear()
        client.send(query("plain.example.org"))
        assert await client.until_closed() == b""
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            await served.connect(UNREGISTERED, FLEET)


async def test_a_name_that_is_not_ascii_is_refused_and_not_printed(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", printed.append)
    ignore_undecodable_names()
    hello = _client_hello(NAME).replace(NAME.encode(), b"\xff" * len(NAME))
    async with serving() as served:
        client = await served.connect_plainly()
        client.writer.write(hello)
        assert (await client.until_closed())[:1] == b"\x15"
    assert printed == []


def _client_hello(name: str) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


async def test_a_changed_certificate_is_for_new_connections(serving: Serving) -> None:
    async with serving() as served:
        before = await served.connect()
        renewed = served.renew()
        after = await served.connect()
        assert serial(after) == renewed != serial(before)
        for client in (before, after):
            assert (await answer(client)).rcode() == dns.rcode.REFUSED


async def test_a_connection_before_there_is_a_certificate_is_closed(serving: Serving) -> None:
    async with serving(with_certificate=False) as served:
        client = await served.connect_plainly()
        assert await client.until_closed() == b""
        assert served.open == 0
        use(served.contexts, served.certified)
        assert (await answer(await served.connect())).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("name", ["plain.example.org", "www.tiktok.com", "localhost"])
async def test_replies_are_padded_for_clients_that_ask_for_it(serving: Serving, name: str) -> None:
    async with serving() as served:
        client = await served.connect()
        for _ in range(2):  # from upstream, then from the cache
            client.send(query(name, options=[PADDED]), query(name))
            sizes = [int.from_bytes(await client.reader.readexactly(2), "big")]
            padded = dns.message.from_wire(await client.reader.readexactly(sizes[0]))
            sizes.append(int.from_bytes(await client.reader.readexactly(2), "big"))
            await client.reader.readexactly(sizes[1])
            assert sizes[0] == 468 > sizes[1]
            assert int(padded.options[-1].otype) == 12


@pytest.mark.parametrize(
    "first",
    [b"", b"\0", framed(query("plain.example.org")), b"GET / HTTP/1.1\r\n\r\n"],
    ids=["none", "zero", "query", "http"],
)
async def test_clear_text_gets_no_answer(serving: Serving, first: bytes) -> None:
    async with serving() as served:
        client = await served.connect_plainly()
        client.writer.write(first)
        if not first:
            client.writer.write_eof()
        assert await client.until_closed() == b""
        await served.until(lambda: served.open == 0)


async def test_a_client_that_ends_in_the_handshake_is_forgotten(serving: Serving) -> None:
    async with serving() as served:
        for size in (1, 5, 100):
            client = await served.connect_plainly()
            client.writer.write(_client_hello(NAME)[:size])
            await served.until(lambda: served.open == 1)
            client.close()
            await served.until(lambda: served.open == 0)
        assert (await answer(await served.connect())).rcode() == dns.rcode.REFUSED


@pytest.mark.heavy
async def test_a_slow_handshake_ends_and_an_idle_connection_too(serving: Serving) -> None:
    async with serving(limits=replace(NO_RATES, connection_idle_s=0.2), clock=RunningClock()) as served:
        slow = await served.connect_plainly()
        slow.writer.write(_client_hello(NAME)[:50])
        idle = await served.connect()
        assert await slow.until_closed() == b""
        assert await idle.until_closed() == b""  # and no error: the server has said that it ends
        await served.until(lambda: served.open == 0)


async def test_unfinished_handshakes_are_limited_and_keep_nobody_out(serving: Serving) -> None:
    async with serving() as served:
        served.server.most_handshakes = 3
        slow = [await served.connect_plainly() for _ in range(3)]
        await served.until(lambda: served.open == 3)
        client = await served.connect(MECHELEN)
        assert (await answer(client, "plain.example.org")).rcode() == dns.rcode.NOERROR
        assert await slow[0].until_closed() == b""
        assert served.streams.turned_away == 1
        assert served.open == 3


async def test_connections_per_client_are_limited(serving: Serving) -> None:
    async with serving(limits=replace(NO_RATES, connections_per_client=2)) as served:
        held = [await served.connect() for _ in range(2)]
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await served.connect()
        held[0].close()
        await served.until(lambda: served.open == 1)
        assert (await answer(await served.connect())).rcode() == dns.rcode.REFUSED


async def test_a_client_that_says_its_end_gets_its_answers(serving: Serving) -> None:
    async with serving(Scripted(silent)) as served:
        certified = served.certified
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = certified.trusting().wrap_bio(incoming, outgoing, server_hostname=NAME)
        client = await served.connect_plainly()
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.writer.write(outgoing.read())
                incoming.write(await client.reader.read(65_536))
        tls.write(framed(query("a.example.org", id=7)))
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        client.writer.write(outgoing.read())
        await served.until(lambda: len(served.rig.upstream.asked) == 1)
        served.streams.answer(served.rig.upstream.asked[0])
        incoming.write(await client.until_closed())
        assert dns.message.from_wire(tls.read(65_536)[2:]).id == 7
        await served.until(lambda: served.open == 0)


async def test_a_reply_larger_than_a_record_arrives_complete(serving: Serving) -> None:
    def large(asked: Asked) -> tuple[bytes, ...]:
        if not asked.by_stream:
            return (truncated(asked),)
        return (reply(asked, [f'{asked.name}. 300 TXT "{number} {"x" * 240}"' for number in range(200)]),)

    async with serving(Scripted(large)) as served:
        client = await served.connect()
        for padding in ([], [PADDED]):
            found = await answer(client, "large.example.org", qtype="TXT", options=padding)
            assert len(found.answer[0]) == 200


async def test_a_client_that_does_not_read_gets_all_replies_later(serving: Serving) -> None:
    async with serving() as served:
        client = await served.connect()
        transport = cast(asyncio.Transport, client.writer.transport)
        transport.pause_reading()
        for number in range(2_000):
            client.send(query("plain.example.org", id=number))
        await asyncio.sleep(0.05)
        transport.resume_reading()
        found = [await client.receive() for _ in range(2_000)]
        assert sorted(message.id for message in found) == list(range(2_000))


async def test_a_proxys_header_comes_before_the_handshake(serving: Serving) -> None:
    async with serving(clients=BEHIND_PROXY, policy=office(network("100::9:0:0/96", "mechelen"))) as served:
        for address, rcode in ((GHENT, dns.rcode.REFUSED), (MECHELEN, dns.rcode.NOERROR)):
            client = await served.connect(PROXY, first=header(address, TCP4))
            assert (await answer(client)).rcode() == rcode
        of_fleet = await served.connect(PROXY, first=header("100::9:0:1"))
        assert (await answer(of_fleet)).rcode() == dns.rcode.REFUSED
        assert served.rig.outcomes()["dot", "unregistered"] == 1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await served.connect(PROXY)
        assert (await answer(await served.connect(GHENT))).rcode() == dns.rcode.REFUSED


async def test_closing_the_server_ends_every_connection(serving: Serving) -> None:
    async with serving() as served:
        open_one, unfinished = await served.connect(), await served.connect_plainly()
        await served.until(lambda: served.open == 2)
        served.server.close()
        assert [await client.until_closed() for client in (open_one, unfinished)] == [b"", b""]
        assert served.open == 0
