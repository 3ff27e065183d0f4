"""Queries beyond a client's limit are dropped before they are decided. Other clients are not affected."""

import dns.flags
import dns.message
import dns.rcode

from dnsfilter.config.endpoint import parse_prefix
from dnsfilter.config.node_config import Clients, Limits, Rate, Unregistered
from dnsfilter.engine.interface import Drop, Miss, Reply
from dnsfilter.telemetry.metrics import Limit, Transport
from dnsfilter.telemetry.slots import LIMITED
from tests.contract.cases import internet, office
from tests.support.engines import BOUND, DIEST, GHENT, MECHELEN, UNREGISTERED, Rig, edes, query
from tests.support.policies import network
from tests.support.row_tables import each_row
from tests.support.starting import Start

PLAIN, BANNED = query("plain.example.org"), query("www.tiktok.com")
UDP, TCP = Transport.UDP, Transport.TCP
TIGHT = Limits(clients=Rate(10, 4), unregistered=Rate(10, 3), waiting_per_client=5)
MALFORMED = PLAIN + b"\0"


def limited(rig: Rig) -> dict[Limit, int]:
    found = {limit: rig.counters.slots[LIMITED[limit]] for limit in Limit}
    return {limit: number for limit, number in found.items() if number}


def passed(rig: Rig, message: bytes, client: str = GHENT, transport: Transport = UDP, times: int = 20) -> int:
    return sum(not isinstance(rig.judge(message, client, transport), Drop) for _ in range(times))


MESSAGES = {
    "plain": PLAIN,
    "banned": BANNED,
    "special": query("localhost"),
    "malformed": MALFORMED,
    "transfer": query("plain.example.org", "AXFR"),
}


@each_row("transport", [UDP, TCP])
@each_row("message", MESSAGES.values(), ids=list(MESSAGES))
def test_client_beyond_its_limit_gets_no_answer(start: Start, message: bytes, transport: Transport) -> None:
    rig = start(office(), internet(), limits=TIGHT)
    assert passed(rig, message, transport=transport) == 4
    assert rig.outcomes()[transport.value, "limited"] == 16
    assert limited(rig) == {Limit.CLIENT: 16}


def test_the_clients_of_a_fleet_are_limited_one_by_one(start: Start) -> None:
    rig = start(office(network("100::7:0:0/96", "ghent")), internet(), limits=TIGHT)
    phones = [f"100::7:0:{number:x}" for number in (1, 2)]
    assert [passed(rig, BANNED, phone, Transport.DOT, times=10) for phone in phones] == [4, 4]
    misses = [rig.judge(query(f"n{n}.example.org"), "100::7:1:1", Transport.DOT) for n in range(4)]
    assert all(isinstance(miss, Miss) for miss in misses)


def test_query_beyond_the_limit_is_neither_decided_nor_forwarded(start: Start) -> None:
    rig = start(office(), internet(), limits=TIGHT)
    assert passed(rig, BANNED, times=10) == 4
    assert rig.pairs()[("ghent", "tiktok")] == (4, 0, 0)
    flooder = [rig.send(PLAIN) for _ in range(10)]
    rig.settle()
    assert rig.forwarded == []
    assert [client.receive() for client in flooder] == [None] * 10


@each_row("message", MESSAGES.values(), ids=list(MESSAGES))
def test_datagrams_in_a_batch_are_limited_one_by_one(start: Start, message: bytes) -> None:
    rig = start(office(), internet(), limits=TIGHT)
    rig.ask(PLAIN, MECHELEN)
    flooder = [rig.send(message) for _ in range(20)]
    other = [rig.send(PLAIN, MECHELEN) for _ in range(3)]
    rig.settle()
    assert [client.receive() is not None for client in flooder] == [True] * 4 + [False] * 16
    assert all(client.receive() is not None for client in other)
    assert rig.outcomes()["udp", "limited"] == 16
    assert limited(rig) == {Limit.CLIENT: 16}


def test_datagrams_of_clients_that_may_not_ask_are_refused_or_truncated_or_dropped(start: Start) -> None:
    rig = start(office(), internet(), limits=TIGHT)
    held = [rig.send(BANNED, f"127.0.99.{number}") for number in range(1, 10)]
    rig.settle()
    replies = [client.receive() for client in held]
    codes = [None if reply is None else dns.message.from_wire(reply).rcode() for reply in replies]
    assert codes == [*[dns.rcode.REFUSED] * 3, *[None, dns.rcode.NOERROR] * 3]
    assert rig.outcomes() == {("udp", "unregistered"): 3, ("udp", "limited"): 6}
    assert (rig.types(), rig.responses()) == ({"A": 9}, {"REFUSED": 3, "NOERROR": 3})
    assert limited(rig) == {Limit.UNREGISTERED: 6}


def test_bucket_refills_over_time(start: Start) -> None:
    rig = start(office(), internet(), limits=TIGHT)
    assert passed(rig, BANNED) == 4
    rig.pass_time(99)
    assert passed(rig, BANNED) == 0
    rig.pass_time(1)
    assert passed(rig, BANNED) == 1
    rig.pass_time(250)
    assert passed(rig, BANNED) == 2
    rig.pass_time(5000)
    assert passed(rig, BANNED) == 4


def test_transports_share_a_clients_bucket(start: Start) -> None:
    rig = start(office(), internet(), limits=TIGHT)
    assert passed(rig, BANNED, transport=UDP, times=3) == 3
    assert passed(rig, BANNED, transport=TCP) == 1


def test_override_applies_only_to_its_prefix(start: Start) -> None:
    limits = Limits(clients=Rate(10, 4), overrides=((parse_prefix("127.0.5.0/28"), Rate(0, 0)),))
    rig = start(office(), internet(), limits=limits)
    assert passed(rig, BANNED, GHENT) == 20
    assert passed(rig, BANNED, "127.0.5.16") == 4


def test_runts_and_responses_are_dropped_without_a_charge(start: Start) -> None:
    rig = start(office(), internet(), limits=TIGHT)
    response = PLAIN[:2] + bytes([PLAIN[2] | 0x80]) + PLAIN[3:]
    for junk in (b"", PLAIN[:11], response):
        assert passed(rig, junk) == 0
    assert rig.outcomes() == {("udp", "dropped"): 60}
    assert passed(rig, BANNED) == 4


def test_replies_to_a_network_that_may_not_ask_are_limited_and_every_second_beyond_is_truncated(
    start: Start,
) -> None:
    rig = start(office(), internet(), limits=TIGHT)
    clients = [f"127.0.99.{number}" for number in range(1, 12)]
    outcomes = [rig.judge(PLAIN, client) for client in clients]
    replies = [dns.message.from_wire(each.message) if isinstance(each, Reply) else None for each in outcomes]
    refused, beyond = replies[:3], replies[3:]
    for reply in refused:
        assert reply is not None
        assert (reply.rcode(), edes(reply)) == (dns.rcode.REFUSED, [(18, "")])
    assert beyond[0::2] == [None] * 4
    for reply in beyond[1::2]:
        assert reply is not None
        assert (reply.rcode(), reply.sections[1:]) == (dns.rcode.NOERROR, [[], [], []])
        assert reply.flags & dns.flags.TC
        assert dns.message.from_wire(PLAIN).is_response(reply)
        assert len(reply.to_wire()) <= len(PLAIN)
    assert rig.outcomes() == {("udp", "unregistered"): 3, ("udp", "limited"): 8}
    assert limited(rig) == {Limit.UNREGISTERED: 8}
    assert passed(rig, BANNED, "127.0.98.1", times=3) == 3, "another network has its own bucket"


def test_malformed_query_beyond_the_limit_never_slips(start: Start) -> None:
    rig = start(office(), internet(), limits=TIGHT)
    assert passed(rig, MALFORMED, UNREGISTERED) == 3


def test_client_that_may_not_ask_has_its_own_bucket_over_tcp(start: Start) -> None:
    rig = start(office(), internet(), limits=TIGHT)
    assert passed(rig, PLAIN, UNREGISTERED, times=3) == 3
    assert passed(rig, PLAIN, UNREGISTERED, TCP) == 4
    assert passed(rig, PLAIN, "127.0.99.11", TCP) == 4
    assert limited(rig) == {Limit.CLIENT: 32}


def test_unregistered_client_that_may_ask_has_its_own_bucket(start: Start) -> None:
    clients = Clients(Unregistered.RESOLVE, (parse_prefix("127.0.99.0/24"),))
    rig = start(office(), internet(), limits=TIGHT, clients=clients)
    assert passed(rig, query("localhost"), UNREGISTERED) == 4
    assert passed(rig, query("localhost"), "127.0.99.11") == 4


def test_without_rates_no_query_is_dropped(start: Start) -> None:
    rig = start(office(), internet(), limits=Limits(clients=Rate(0, 0), unregistered=Rate(0, 0)))
    for client in (GHENT, UNREGISTERED):
        assert passed(rig, BANNED, client, times=3000) == 3000
    assert limited(rig) == {}


def test_waiting_queries_of_one_client_are_limited(start: Start) -> None:
    rig = start(office(), internet(), limits=Limits(waiting_per_client=5, clients=Rate(0, 0)))
    for number in range(8):
        outcome = rig.judge(query(f"n{number}.example.org"), GHENT, TCP)
        assert isinstance(outcome, Miss)
        rig.forward(outcome)
    assert limited(rig) == {Limit.WAITING: 3}
    assert rig.outcomes() == {("tcp", "limited"): 3}


def test_waiting_queries_of_all_clients_are_limited(start: Start) -> None:
    rig = start(office(), internet(), limits=Limits(waiting=3, waiting_per_client=3, clients=Rate(0, 0)))
    for number, client in enumerate((GHENT, MECHELEN, DIEST, BOUND)):
        outcome = rig.judge(query(f"n{number}.example.org"), client, TCP)
        assert isinstance(outcome, Miss)
        rig.forward(outcome)
    assert limited(rig) == {Limit.WAITING: 1}


def test_flood_from_one_client_costs_another_no_answer_and_no_room(start: Start) -> None:
    rig = start(office(), internet(), limits=Limits(waiting_per_client=5, clients=Rate(10, 50)))
    held = [rig.send(query(f"flood{number}.example.org")) for number in range(200)]
    for number in range(20):
        reply = rig.ask(PLAIN if number % 2 else BANNED, MECHELEN)
        assert reply.rcode() in (dns.rcode.NOERROR, dns.rcode.REFUSED)
        assert not reply.flags & dns.flags.TC
        held += [rig.send(query(f"more{number}-{each}.example.org")) for each in range(20)]
    rig.settle()
    outcomes = rig.outcomes()
    assert sum(outcomes.values()) == 200 + 20 + 400
    assert outcomes["udp", "limited"] >= 550
    assert sum(client.receive() is not None for client in held) <= 50
