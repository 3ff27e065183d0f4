"""A client that asks for the probe's name learns which node answers it, and as which range it counts."""

from ipaddress import ip_network

import dns.rcode

from dnsfilter.config.node_config import Clients, Limits, Rate, Unregistered
from dnsfilter.engine.interface import Drop, NodeLabel, Reply
from dnsfilter.telemetry.metrics import Outcome, Transport
from dnsfilter.telemetry.slots import QUERY
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, MECHELEN, UNREGISTERED, Rig, data, edes, query, ttls
from tests.support.policies import network
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, says
from tests.support.starting import Start

PROBE = "probe.dnsfilter.internal"
NODE = NodeLabel("ns1", "town-hall")
SHOWN_IN_GHENT = 'TXT "node=ns1" "site=town-hall" "authority=ghent" "range=127.0.5.0/24" "label=ghent 127.0.5.0/24"'
SHOWN_IN_NO_RANGE = 'TXT "node=ns1" "site=town-hall" "unregistered"'


def probed(start: Start, **settings: object) -> Rig:
    rig = start(office(network("2001:db8:5::/48", "mechelen")), internet(), **settings)
    rig.engine.introduce(NODE)
    return rig


@each_row("transport", tuple(Transport))
def test_registered_client_sees_its_range_and_an_unregistered_one_nothing_of_the_policy(
    start: Start, transport: Transport
) -> None:
    rig = probed(start)
    for client, shown in (
        (GHENT, SHOWN_IN_GHENT),
        (UNREGISTERED, SHOWN_IN_NO_RANGE),
        ("2001:db8::1", SHOWN_IN_NO_RANGE),
        (
            "2001:db8:5::77",
            'TXT "node=ns1" "site=town-hall" "authority=mechelen" "range=2001:db8:5::/48" '
            '"label=mechelen 2001:db8:5::/48"',
        ),
    ):
        reply = rig.at_once(query(PROBE, "TXT"), client, transport)
        assert (reply.rcode(), data(reply), edes(reply)) == (dns.rcode.NOERROR, [shown], [])
        assert ttls(reply) == [0]
    assert rig.forwarded == []
    assert rig.counters.slots[QUERY[transport][Outcome.LOCAL]] == 4
    assert rig.counters.slots[QUERY[transport][Outcome.UNREGISTERED]] == 0


def test_answer_by_socket_is_the_same(start: Start) -> None:
    rig = probed(start)
    for client, shown in ((GHENT, SHOWN_IN_GHENT), (UNREGISTERED, SHOWN_IN_NO_RANGE)):
        assert data(rig.ask(query("Probe.DNSfilter.Internal", "TXT"), client)) == [shown]


def test_nothing_is_kept_between_two_clients(start: Start) -> None:
    rig = probed(start)
    shown = [data(rig.ask(query(PROBE, "TXT"), client))[0] for client in (GHENT, MECHELEN, GHENT)]
    assert [text.split('"')[5] for text in shown] == ["authority=ghent", "authority=mechelen", "authority=ghent"]


@each_row("client", [GHENT, UNREGISTERED])
def test_other_types_have_no_data_but_the_address_of_this_machine(start: Start, client: str) -> None:
    rig = probed(start)
    assert data(rig.at_once(query(PROBE), client)) == ["A 127.0.0.1"]
    for qtype in ("AAAA", "HTTPS", "ANY", "SOA"):
        reply = rig.at_once(query(PROBE, qtype), client)
        assert (reply.rcode(), reply.answer, ttls(reply)) == (dns.rcode.NOERROR, [], [0])


def test_names_below_the_probe_and_other_classes_are_refused_to_unregistered_clients(start: Start) -> None:
    rig = probed(start)
    for message in (
        query(f"x.{PROBE}", "TXT"),
        query(PROBE, "TXT", "CH"),
        query(PROBE, "TXT", "HS"),
        query(PROBE, "TXT", rd=False),
    ):
        reply = rig.at_once(message, UNREGISTERED)
        assert (reply.rcode(), edes(reply)) == (dns.rcode.REFUSED, [(18, "")])


def test_unregistered_client_that_may_ask_is_shown_as_unregistered(start: Start) -> None:
    rig = probed(start, clients=Clients(Unregistered.RESOLVE, (ip_network("127.0.99.0/24"),)))
    assert data(rig.ask(query(PROBE, "TXT"), UNREGISTERED)) == [SHOWN_IN_NO_RANGE]


def test_limits_of_unregistered_networks_hold_for_the_probe(start: Start) -> None:
    rig = probed(start, limits=Limits(unregistered=Rate(1, 1), slip=0))
    outcomes = [rig.judge(query(PROBE, "TXT"), UNREGISTERED) for _ in range(4)]
    assert [isinstance(outcome, Drop) for outcome in outcomes] == [False, True, True, True]


def test_queries_for_the_probe_count_for_the_unregistered_network(start: Start) -> None:
    rig = probed(start)
    assert isinstance(rig.judge(query(PROBE, "TXT"), UNREGISTERED), Reply)
    assert [one.queries for one in rig.engine.take_unregistered()] == [1]


def test_node_without_a_name_shows_its_site_only(start: Start) -> None:
    rig = probed(start)
    rig.engine.introduce(NodeLabel("", "default"))
    assert data(rig.at_once(query(PROBE, "TXT"), UNREGISTERED)) == ['TXT "site=default" "unregistered"']


def test_registration_is_shown_from_the_next_snapshot_on(start: Start) -> None:
    rig = probed(start)
    rig.swap(office(network("127.0.99.0/25", "diest"), revision=2))
    (shown,) = data(rig.at_once(query(PROBE, "TXT"), UNREGISTERED))
    assert '"authority=diest" "range=127.0.99.0/25"' in shown


def test_long_label_is_cut_and_the_answer_fits_a_datagram(start: Start) -> None:
    long = network("127.0.99.0/25", "diest")
    rig = start(office(), internet())
    rig.engine.introduce(NODE)
    object.__setattr__(long, "label", "é" * 1_000)
    rig.swap(office(long, revision=2))
    reply = rig.at_once(query(PROBE, "TXT", edns=False), UNREGISTERED)
    (rdata,) = reply.answer[0]
    assert rdata.strings[-1] == ("label=" + "é" * 1_000).encode()[:255]


def test_an_alias_of_the_probe_shows_nothing_of_the_client_who_asked_first(start: Start) -> None:
    alias = Scripted(says({("alias.example.org", "TXT"): (f"alias.example.org. 300 CNAME {PROBE}.",)}))
    rig = start(office(), alias)
    rig.engine.introduce(NODE)
    for client in (GHENT, MECHELEN):
        reply = rig.ask(query("alias.example.org", "TXT"), client)
        assert (reply.rcode(), data(reply)) == (dns.rcode.NOERROR, [f"CNAME {PROBE}."])
