"""Who is in no range is noted by network, whatever he asks and gets; nobody else is."""

from ipaddress import ip_network

from dnsfilter.config.node_config import Clients, Limits, Rate, Unregistered
from dnsfilter.engine.interface import Drop, Reply
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, UNREGISTERED, Rig, query
from tests.support.policies import network
from tests.support.rows import each_row
from tests.support.starting import Start

PLAIN = query("plain.example.org")
UDP, TCP = Transport.UDP, Transport.TCP
NEIGHBOUR = "127.0.99.77"
V6_UNREGISTERED = "2001:db8:0:1::53"


def noted(rig: Rig) -> dict[str, int]:
    return {one.prefix.hex(): one.queries for one in rig.engine.take_unregistered()}


@each_row("transport", [UDP, TCP])
@each_row(
    "message",
    [
        PLAIN,
        query("www.tiktok.com"),
        query("localhost"),
        query("plain.example.org", "ANY"),
        query("plain.example.org", "AXFR"),
        query("plain.example.org", qclass="CH"),
        query("plain.example.org", rd=False),
        PLAIN + b"\0",
    ],
    # A query's id is drawn: it must not be in the test's name, which all processes of a run have to agree upon.
    ids=["plain", "banned", "local", "ANY", "AXFR", "CH", "RD=0", "longer"],
)
def test_a_network_is_noted_once_for_all_questions_of_an_unregistered_client(
    start: Start, message: bytes, transport: Transport
) -> None:
    rig = start(office(), internet())
    assert isinstance(rig.judge(message, UNREGISTERED, transport), Reply)
    assert noted(rig) == {"7f0063": 1}
    assert noted(rig) == {}


def test_by_socket_as_well_and_each_network_for_itself(start: Start) -> None:
    rig = start(office(), internet())
    for client in (UNREGISTERED, NEIGHBOUR, "127.0.98.1", GHENT, UNREGISTERED):
        rig.ask(PLAIN, client)
    rig.judge(PLAIN, V6_UNREGISTERED)
    assert noted(rig) == {"7f0063": 3, "7f0062": 1, "20010db80000": 1}


def test_those_in_no_range_who_may_ask_are_noted_too_once_for_a_query_that_waits(start: Start) -> None:
    clients = Clients(Unregistered.RESOLVE, (ip_network("127.0.99.0/24"),))
    rig = start(office(), internet(), clients=clients)
    rig.ask(PLAIN, UNREGISTERED)
    rig.ask(PLAIN, UNREGISTERED)
    rig.ask(query("other.example.org"), UNREGISTERED, TCP)
    assert noted(rig) == {"7f0063": 3}


def test_who_is_turned_away_for_asking_too_much_is_counted_all_the_same(start: Start) -> None:
    rig = start(office(), internet(), limits=Limits(unregistered=Rate(1, 1), slip=0))
    assert [isinstance(rig.judge(PLAIN, UNREGISTERED), Drop) for _ in range(5)] == [False, True, True, True, True]
    assert noted(rig) == {"7f0063": 5}


@each_row("message", [b"", b"\0" * 11, b"\0\0\x80\0" + b"\0" * 8])
def test_what_gets_silence_as_no_query_at_all_leaves_no_trace(start: Start, message: bytes) -> None:
    rig = start(office(), internet())
    assert isinstance(rig.judge(message, UNREGISTERED), Drop)
    assert noted(rig) == {}


def test_a_network_that_is_registered_meanwhile_is_noted_no_more(start: Start) -> None:
    rig = start(office(), internet())
    rig.ask(PLAIN, UNREGISTERED)
    rig.swap(office(network("127.0.99.0/24", "ghent"), revision=2))
    rig.ask(PLAIN, UNREGISTERED)
    assert noted(rig) == {"7f0063": 1}


def test_how_lately_and_how_steadily_is_told_in_seconds_of_boot_time(start: Start) -> None:
    rig = start(office(), internet())
    for later_s in (0, 0, 3, 7):
        rig.judge(PLAIN, UNREGISTERED, later_s=later_s)
    now_s = rig.clock.boot_ms // 1000
    (one,) = rig.engine.take_unregistered()
    assert (one.queries, one.seen_s, one.ends_s) == (4, now_s + 7, now_s + 7 + 32)
