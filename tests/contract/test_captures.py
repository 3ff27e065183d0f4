"""While a range is captured, its queries are recorded with their replies. Those of other clients never are."""

from collections import Counter
from dataclasses import replace
from math import ceil
from typing import TypeAlias

from dnsfilter.config.node_config import Limits, Rate
from dnsfilter.engine.interface import Capture
from dnsfilter.engine.slow_path.recorder import QUERY_BYTES, ROOM
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import RECORDS, internet, office
from tests.support.engines import DIEST, GHENT, MECHELEN, UNREGISTERED, Rig, query
from tests.support.policies import NOW, authority, network
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, says, silent
from tests.support.starting import Start

PLAIN, BANNED, VIDEO = "plain.example.org", "www.tiktok.com", "video.example.org"
OURS = Capture(7, "ghent", "127.0.5.0/24", 3_600_000)
Line: TypeAlias = tuple[str, str, str, str | None, int | None]
each_transport = each_row("transport", tuple(Transport))


def captured(start: Start, *captures: Capture, upstream: Scripted | None = None, **settings: Limits) -> Rig:
    """Return an engine that records for these captures, by default the one of Ghent's range."""
    rig = start(office(), upstream or internet(), **settings)
    rig.engine.capture(captures or (OURS,))
    return rig


def lines(rig: Rig) -> list[Line]:
    """Return what was recorded: client, name, verdict, rcode and extended error."""
    taken = rig.engine.take_captured()
    assert not taken.dropped
    return [(each.client, each.name, each.verdict, each.rcode, each.ede) for each in taken.queries]


@each_transport
def test_forwarded_cached_refused_and_local_queries_are_recorded_with_their_replies(
    start: Start, transport: Transport
) -> None:
    rig = captured(start)
    for name in (PLAIN, PLAIN, BANNED, VIDEO, VIDEO, "localhost"):
        rig.ask(query(name), GHENT, transport)
    taken = rig.engine.take_captured().queries
    assert {(each.capture, each.at_s, each.transport, each.qtype) for each in taken} == {(7, NOW, transport, "A")}
    assert [(each.name, each.verdict, each.rcode, each.ede) for each in taken] == [
        (PLAIN, "pass", "NOERROR", None),
        (PLAIN, "pass", "NOERROR", None),
        (BANNED, "refuse", "REFUSED", 15),
        (VIDEO, "pass", "REFUSED", 15),
        (VIDEO, "pass", "REFUSED", 15),
        ("localhost", "pass", "NOERROR", None),
    ]
    assert lines(rig) == []


@each_transport
def test_client_outside_the_range_is_not_recorded(start: Start, transport: Transport) -> None:
    rig = captured(start)
    for client in (MECHELEN, DIEST, UNREGISTERED):
        rig.ask(query(PLAIN), client, transport)
        rig.ask(query(BANNED), client, transport)
    assert lines(rig) == []


def test_client_of_a_range_within_the_range_is_not_recorded(start: Start) -> None:
    rig = captured(start)
    rig.swap(office(network("127.0.5.8/29", "mechelen"), network("127.0.5.16/28", "ghent"), revision=2))
    for client in ("127.0.5.10", "127.0.5.17", "127.0.5.99"):
        rig.ask(query(PLAIN), client)
    assert [client for client, *_ in lines(rig)] == ["127.0.5.99"]


def test_range_that_another_authority_has_now_is_not_recorded(start: Start) -> None:
    rig = captured(start, Capture(7, "mechelen", "127.0.5.0/24", 3_600_000))
    rig.ask(query(PLAIN), GHENT)
    assert lines(rig) == []


def test_equal_questions_of_two_clients_are_recorded_for_the_one_in_the_range(start: Start) -> None:
    rig = captured(start, upstream=Scripted(silent))
    waiting = [rig.begin(query(PLAIN), client) for client in (MECHELEN, GHENT)]
    rig.until_asked(1)
    rig.upstream.behave = says(RECORDS)
    rig.pass_time(3_000)
    assert [each().rcode() for each in waiting] == [0, 0]
    assert lines(rig) == [(GHENT, PLAIN, "pass", "NOERROR", None)]


def test_capture_ends_at_its_time_and_by_an_order(start: Start) -> None:
    rig = captured(start, Capture(7, "ghent", "127.0.5.0/24", 11_000))
    rig.ask(query(PLAIN), GHENT)
    rig.clock.advance(9_999)
    rig.ask(query(PLAIN), GHENT)
    rig.clock.advance(1)
    rig.ask(query(PLAIN), GHENT)
    assert len(lines(rig)) == 2
    rig.engine.capture((OURS,))
    rig.ask(query(PLAIN), GHENT)
    rig.engine.capture(())
    rig.ask(query(PLAIN), GHENT)
    rig.ask(query(PLAIN), GHENT, Transport.TCP)
    assert len(lines(rig)) == 1


def test_query_beyond_a_limit_is_recorded_without_a_reply(start: Start) -> None:
    rig = captured(start, limits=Limits(clients=Rate(1, 2)))
    for _ in range(4):
        rig.send(query(BANNED), GHENT)
        rig.send(query(BANNED), DIEST)
    rig.settle()
    assert Counter(rcode for *_, rcode, _ in lines(rig)) == {"REFUSED": 2, None: 2}


def test_query_without_room_to_wait_is_recorded_without_a_reply(start: Start) -> None:
    rig = captured(start, upstream=Scripted(silent), limits=Limits(clients=Rate(0, 0), waiting_per_client=1))
    for name in ("a.example.org", "b.example.org", "c.example.org"):
        rig.send(query(name), GHENT)
        rig.settle()
    gone = [(name, rcode) for _, name, _, rcode, _ in lines(rig)]
    assert len(gone) == 2
    assert {rcode for _, rcode in gone} <= {None, "SERVFAIL"}


@each_transport
def test_unusual_queries_are_recorded(start: Start, transport: Transport) -> None:
    rig = captured(start)
    for message in (query(PLAIN, "AXFR"), query(PLAIN, "ANY"), query(PLAIN, rd=False), query("\\027[2J.org")):
        rig.ask(message, GHENT, transport)
    assert [(name, rcode) for _, name, _, rcode, _ in lines(rig)] == [
        (PLAIN, "NOTIMP"),
        (PLAIN, "NXDOMAIN"),
        (PLAIN, "REFUSED"),
        ("\\027[2j.org", "NXDOMAIN"),
    ]


@each_row("message", [b"", b"\0" * 11, bytes(12), query(PLAIN) + b"\0", b"\xff" * 40], ids=len)
@each_transport
def test_malformed_messages_do_no_harm(start: Start, message: bytes, transport: Transport) -> None:
    rig = captured(start)
    rig.judge(message, GHENT, transport)
    rig.send(message, GHENT)
    rig.settle()
    rig.ask(query(PLAIN), GHENT, transport)
    assert lines(rig)[-1] == (GHENT, PLAIN, "pass", "NOERROR", None)


def test_queries_beyond_the_room_are_counted(start: Start) -> None:
    rig = captured(start)
    number = ceil(ROOM / (len(BANNED) + QUERY_BYTES))
    for _ in range(number + 3):
        rig.at_once(query(BANNED, edns=False), GHENT)
    taken = rig.engine.take_captured()
    assert (len(taken.queries), taken.dropped) == (number, {7: 3})
    rig.at_once(query(BANNED), GHENT)
    assert len(lines(rig)) == 1


@each_transport
def test_captured_client_at_level_client_is_recorded_noted_and_counted_once(start: Start, transport: Transport) -> None:
    level = replace(authority("ghent"), clients_until=NOW + 60)
    rig = start(office(level), internet())
    rig.engine.capture((OURS,))
    for name in (BANNED, VIDEO):
        rig.ask(query(name), GHENT, transport)
    assert lines(rig) == [(GHENT, BANNED, "refuse", "REFUSED", 15), (GHENT, VIDEO, "pass", "REFUSED", 15)]
    assert [one.queries for one in rig.engine.take_refused_clients()] == [2]
    assert rig.pairs()["ghent", "tiktok"] == (2, 0, 0)
    assert rig.engine.take_ranges() == {"127.0.5.0/24": 2}
