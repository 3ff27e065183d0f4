"""Queries of unregistered clients, and only theirs, are counted by network, for any question and reply."""

from ipaddress import ip_network

from dnsfilter.config.node_config import Clients, Limits, Rate, Unregistered
from dnsfilter.engine.interface import Drop, Reply
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, UNREGISTERED, Rig, query
from tests.support.policies import network
from tests.support.row_tables import each_row
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
    # The id of a query is random: it must not be in the test's name, which all processes of a run share.
    ids=["plain", "banned", "local", "ANY", "AXFR", "CH", "RD=0", "longer"],
)
def test_each_query_of_an_unregistered_client_counts_for_its_network(
    start: Start, message: bytes, transport: Transport
) -> None:
    rig = start(office(), internet())
    assert isinstance(rig.judge(message, UNREGISTERED, transport), Reply)
    assert noted(rig) == {"7f0063": 1}
    assert noted(rig) == {}


def test_queries_by_socket_are_counted_for_each_network(start: Start) -> None:
    rig = start(office(), internet())
    for client in (UNREGISTERED, NEIGHBOUR, "127.0.98.1", GHENT, UNREGISTERED):
        rig.ask(PLAIN, client)
    rig.judge(PLAIN, V6_UNREGISTERED)
    assert noted(rig) == {"7f0063": 3, "7f0062": 1, "20010db80000": 1}


def test_unregistered_clients_that_may_ask_are_counted_once_for_a_waiting_query(start: Start) -> None:
    clients = Clients(Unregistered.RESOLVE, (ip_network("127.0.99.0/24"),))
    rig = start(office(), internet(), clients=clients)
    rig.ask(PLAIN, UNREGISTERED)
    rig.ask(PLAIN, UNREGISTERED)
    rig.ask(query("other.example.org"), UNREGISTERED, TCP)
    assert noted(rig) == {"7f0063": 3}


def test_queries_beyond_the_limit_are_counted_too(start: Start) -> None:
    rig = start(office(), internet(), limits=Limits(unregistered=Rate(1, 1), slip=0))
    assert [isinstance(rig.judge(PLAIN, UNREGISTERED), Drop) for _ in range(5)] == [False, True, True, True, True]
    assert noted(rig) == {"7f0063": 5}


@each_row("message", [b"", b"\0" * 11, b"\0\0\x80\0" + b"\0" * 8])
def test_messages_that_are_no_queries_are_not_counted(start: Start, message: bytes) -> None:
    rig = start(office(), internet())
    assert isinstance(rig.judge(message, UNREGISTERED), Drop)
    assert noted(rig) == {}


def test_network_that_is_registered_is_no_longer_counted(start: Start) -> None:
    rig = start(office(), internet())
    rig.ask(PLAIN, UNREGISTERED)
    rig.swap(office(network("127.0.99.0/24", "ghent"), revision=2))
    rig.ask(PLAIN, UNREGISTERED)
    assert noted(rig) == {"7f0063": 1}


def test_last_query_and_reservation_are_in_seconds_of_boot_time(start: Start) -> None:
    rig = start(office(), internet())
    for later_s in (0, 0, 3, 7):
        rig.judge(PLAIN, UNREGISTERED, later_s=later_s)
    now_s = rig.clock.boot_ms // 1000
    (one,) = rig.engine.take_unregistered()
    assert (one.queries, one.seen_s, one.ends_s) == (4, now_s + 7, now_s + 7 + 32)
