"""A trusted forwarder names the client of each query in its EDNS client subnet. Nobody else's subnet counts."""

from ipaddress import ip_address, ip_network

import dns.edns
import dns.flags
import dns.message
import pytest

from dnsfilter.config.node_config import Clients, Limits, Rate, Unregistered
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, MECHELEN, NO_RATES, UNREGISTERED, Rig, edes, query
from tests.support.policies import network
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, says
from tests.support.starting import Start

FORWARDER = "127.0.98.1"
BEHIND = Clients(Unregistered.REFUSE, trusted_forwarders=(ip_network(f"{FORWARDER}/32"),))
BANNED, PLAIN, TARGET = "www.tiktok.com", "plain.example.org", "video.example.org"


def subnet(text: str) -> dns.edns.ECSOption:
    address, _, bits = text.partition("/")
    return dns.edns.ECSOption(address, int(bits) if bits else ip_address(address).max_prefixlen)


def ask(
    rig: Rig, name: str, client: str, peer: str = FORWARDER, transport: Transport = Transport.UDP, qtype: str = "A"
) -> dns.message.Message:
    return rig.ask(query(name, qtype, options=[subnet(client)]), peer, transport)


def answered(found: dns.message.Message) -> list[str]:
    """Return the subnets of a reply, with the prefix that it is for."""
    return [option.to_text() for option in found.options if isinstance(option, dns.edns.ECSOption)]


@each_row("transport", [Transport.UDP, Transport.TCP])
def test_range_of_the_named_client_decides(start: Start, transport: Transport) -> None:
    rig = start(office(network("2001:db8:5::/48", "ghent")), internet(), clients=BEHIND)
    for client, expected in (
        (GHENT, "REFUSED"),
        (MECHELEN, "NOERROR"),
        ("2001:db8:5::1", "REFUSED"),
        (f"::ffff:{GHENT}", "REFUSED"),
        (UNREGISTERED, "REFUSED"),
    ):
        for name in (BANNED, TARGET):
            assert ask(rig, name, client, transport=transport).rcode().name == expected, client
    assert ask(rig, PLAIN, GHENT, transport=transport).rcode().name == "NOERROR"
    assert [code for code, _ in edes(ask(rig, BANNED, UNREGISTERED, transport=transport))] == [18]
    assert rig.pairs()["ghent", "tiktok"] == (6, 0, 0)
    assert [one.prefix.hex() for one in rig.engine.take_unregistered()] == ["7f0063"]


@each_row("transport", [Transport.UDP, Transport.TCP])
@each_row("name", [PLAIN, BANNED, TARGET, "localhost"])
def test_a_reply_is_for_exactly_the_subnet_of_its_query(start: Start, name: str, transport: Transport) -> None:
    rig = start(office(network("2001:db8::/32", "mechelen")), internet(), clients=BEHIND)
    for client in (f"{GHENT}/32", f"{MECHELEN}/32", "127.0.7.0/24", "127.0.7.0/25", "2001:db8::1/128", "2001:db8::/56"):
        for _ in range(2):
            found = ask(rig, name, client, transport=transport)
            assert answered(found) == [f"ECS {client} scope/{client.partition('/')[2]}"]


def test_a_prefix_around_another_range_and_an_address_of_a_fleet_count_as_the_forwarder(start: Start) -> None:
    fleet = network("100::7:0:0/96", "mechelen")
    inner = network("127.0.7.64/26", "ghent")  # 127.0.7.0/24 is of mechelen, on both sides of it
    rig = start(office(fleet, inner, network(f"{FORWARDER}/32", "ghent")), internet(), clients=BEHIND)
    asked = ("127.0.7.0/24", "127.0.7.0/26", "127.0.7.64/26", "100::7:0:1", "100::7:0:0/96", "100::/64")
    assert [ask(rig, BANNED, client).rcode().name for client in asked] == [
        "REFUSED",
        "NOERROR",
        "REFUSED",
        "REFUSED",
        "REFUSED",
        "REFUSED",
    ]


def test_a_shorter_prefix_counts_as_the_range_that_holds_it(start: Start) -> None:
    rig = start(
        office(network("127.0.5.128/25", "mechelen"), network(f"{FORWARDER}/32", "ghent")), internet(), clients=BEHIND
    )
    found = {
        client: ask(rig, BANNED, client).rcode().name
        for client in (
            "127.0.5.0/25",
            "127.0.5.0/26",
            "127.0.5.128/25",
            "127.0.7.0/24",
            "127.0.5.0/24",
            "127.0.0.0/16",
            "0.0.0.0/0",
        )
    }
    refused, passed = "REFUSED", "NOERROR"
    assert found == {
        "127.0.5.0/25": refused,
        "127.0.5.0/26": refused,
        "127.0.5.128/25": passed,
        "127.0.7.0/24": passed,
        "127.0.5.0/24": refused,  # of two ranges: the forwarder decides
        "127.0.0.0/16": refused,
        "0.0.0.0/0": refused,
    }


def test_a_prefix_of_no_range_is_the_forwarder(start: Start) -> None:
    rig = start(office(network(f"{FORWARDER}/32", "mechelen")), internet(), clients=BEHIND)
    assert ask(rig, BANNED, "198.51.100.0/24").rcode().name == "NOERROR"
    assert ask(rig, BANNED, "198.51.100.7/32").rcode().name == "REFUSED"


@each_row("transport", [Transport.UDP, Transport.TCP])
def test_without_a_subnet_the_forwarder_decides(start: Start, transport: Transport) -> None:
    rig = start(office(network(f"{FORWARDER}/32", "mechelen")), internet(), clients=BEHIND)
    found = rig.ask(query(BANNED), FORWARDER, transport)
    assert (found.rcode().name, found.options) == ("NOERROR", ())


@each_row("transport", [Transport.UDP, Transport.TCP])
def test_a_subnet_of_anybody_else_counts_for_nothing(start: Start, transport: Transport) -> None:
    rig = start(office(), internet(), clients=BEHIND)
    assert answered(ask(rig, BANNED, MECHELEN, GHENT, transport)) == []
    assert ask(rig, BANNED, MECHELEN, GHENT, transport).rcode().name == "REFUSED"
    assert ask(rig, BANNED, GHENT, MECHELEN, transport).rcode().name == "NOERROR"


def test_a_malformed_subnet_is_an_error_of_the_forwarder(start: Start) -> None:
    rig = start(office(), internet(), clients=BEHIND)
    option = dns.edns.GenericOption(dns.edns.OptionType.ECS, b"\0\1\x20\0\x7f\0\5")
    assert rig.ask(query(PLAIN, options=[option]), FORWARDER).rcode().name == "FORMERR"


def test_limits_count_by_the_named_client(start: Start) -> None:
    limits = Limits(clients=Rate(1, 2), unregistered=Rate(0, 0))
    rig = start(office(), internet(), clients=BEHIND, limits=limits)
    for client in (GHENT, MECHELEN):
        senders = [rig.send(query(BANNED, options=[subnet(client)]), FORWARDER) for _ in range(4)]
        rig.settle()
        assert [sender.receive() is not None for sender in senders] == [True, True, False, False]


def test_waiting_clients_of_one_question_get_their_own_verdicts(start: Start) -> None:
    rig = start(office(), internet(), clients=BEHIND, limits=NO_RATES)
    waiting = [rig.begin(query(TARGET, options=[subnet(client)]), FORWARDER) for client in (GHENT, MECHELEN, GHENT)]
    assert [reply().rcode().name for reply in waiting] == ["REFUSED", "NOERROR", "REFUSED"]
    assert rig.forwarded == [(TARGET, "A")]


@pytest.mark.parametrize("payload", [512, 1232])
def test_a_reply_keeps_its_subnet_and_its_size_limit(start: Start, payload: int) -> None:
    records = {
        ("long.example.org", "TXT"): tuple(f'long.example.org. 300 TXT "{letter * 115}"' for letter in "abcdefghi")
    }
    rig = start(office(), Scripted(says(records)), clients=BEHIND)
    found = rig.ask(query("long.example.org", "TXT", payload=payload, options=[subnet(GHENT)]), FORWARDER)
    assert answered(found) == [f"ECS {GHENT}/32 scope/32"]
    assert bool(found.flags & dns.flags.TC) is (payload == 512)
    assert len(found.to_wire()) <= payload
