"""Names with a fixed treatment: signals to browsers, discovery, special-use names, conditional zones, the probe."""

from ipaddress import ip_network

import dns.rcode
import pytest

from dnsfilter.config.model import Clients, Unregistered
from dnsfilter.policy.model import Mode, Suspension, Term
from dnsfilter.telemetry.metrics import Bypass
from dnsfilter.telemetry.slots import BYPASS
from tests.contract.cases import NETWORKS, internet, office
from tests.support.engines import DIEST, GHENT, MECHELEN, STRANGER, ZoneTo, data, edes, query
from tests.support.policies import NOW, ban, policy, service
from tests.support.scripted import Scripted, fails, says
from tests.support.starting import Start

SIGNALS = {
    ("use-application-dns.net", "A"): ("use-application-dns.net. 300 A 198.51.100.1",),
    ("mask.icloud.com", "A"): ("mask.icloud.com. 300 A 198.51.100.2",),
    ("mask-h2.icloud.com", "A"): ("mask-h2.icloud.com. 300 A 198.51.100.3",),
}


@pytest.mark.parametrize("qtype", ["A", "AAAA", "HTTPS"])
@pytest.mark.parametrize(
    ("name", "rcode"),
    [
        ("use-application-dns.net", dns.rcode.NXDOMAIN),
        ("USE-application-dns.NET", dns.rcode.NXDOMAIN),
        ("mask.icloud.com", dns.rcode.NOERROR),
        ("mask-h2.icloud.com", dns.rcode.NOERROR),
    ],
)
def test_signals_keep_a_client_here_while_something_is_enforced(
    start: Start, name: str, rcode: int, qtype: str
) -> None:
    rig = start(office(), Scripted(says(SIGNALS)))
    reply = rig.at_once(query(name, qtype))
    assert (reply.rcode(), reply.answer, edes(reply)) == (rcode, [], [])
    assert reply.authority
    assert rig.forwarded == []


@pytest.mark.parametrize(("name", "qtype"), SIGNALS)
def test_signals_resolve_like_any_name_where_nothing_is_enforced(start: Start, name: str, qtype: str) -> None:
    rig = start(office(), Scripted(says(SIGNALS)))
    for client in (MECHELEN, DIEST):
        assert data(rig.ask(query(name, qtype), client))
    assert len(rig.forwarded) == 1
    assert rig.at_once(query(name, qtype), GHENT).answer == []


def test_signals_follow_the_rows_in_time(start: Start) -> None:
    rig = start(office(terms=(Term(NOW + 100, NOW + 200),)), Scripted(says(SIGNALS)))
    assert data(rig.ask(query("mask.icloud.com")))
    for later_s, answered in ((99, True), (100, False), (199, False), (200, True)):
        reply = rig.at_once(query("mask.icloud.com"), later_s=later_s)
        assert bool(reply.answer) == answered


def test_signals_resolve_while_the_authority_is_suspended(start: Start) -> None:
    rig = start(office(Suspension("ghent", NOW - 60, NOW + 60)), Scripted(says(SIGNALS)))
    assert data(rig.ask(query("use-application-dns.net")))


def test_signals_resolve_for_those_who_may_ask_without_a_range(start: Start) -> None:
    clients = Clients(Unregistered.RESOLVE, (ip_network("127.0.99.0/24"),))
    rig = start(office(), Scripted(says(SIGNALS)), clients=clients)
    assert data(rig.ask(query("use-application-dns.net"), STRANGER))


@pytest.mark.parametrize("name", ["resolver.arpa", "_dns.resolver.arpa", "a.b.resolver.arpa"])
def test_discovery_finds_nothing_and_goes_nowhere(start: Start, name: str) -> None:
    zone = Scripted(says({}))
    rig = start(office(), internet(), zone, conditional=[ZoneTo("resolver.arpa", zone)])
    for qtype in ("SVCB", "A", "TXT", "SOA"):
        reply = rig.at_once(query(name, qtype), MECHELEN)
        assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])
        assert [rrset.name.to_text() for rrset in reply.authority] == ["resolver.arpa."]
    assert rig.forwarded == []
    assert rig.counters.slots[BYPASS[Bypass.DDR]] == 4


def test_bypass_attempts_are_counted_by_kind(start: Start) -> None:
    banned = service("encrypted_dns", ("doh.example.net",))
    rig = start(
        policy(*NETWORKS, banned, ban(1, "ghent", "encrypted_dns"), ban(2, "diest", "encrypted_dns", Mode.MONITOR)),
        Scripted(says({("doh.example.net", "A"): ("doh.example.net. 300 A 198.51.100.9",)})),
    )
    rig.ask(query("use-application-dns.net"))
    rig.ask(query("mask.icloud.com"))
    rig.ask(query("mask-h2.icloud.com"))
    rig.ask(query("doh.example.net"))
    rig.ask(query("doh.example.net"), DIEST)
    rig.ask(query("doh.example.net"), MECHELEN)
    counted = {kind: rig.counters.slots[BYPASS[kind]] for kind in Bypass}
    assert counted == {Bypass.CANARY: 1, Bypass.RELAY: 2, Bypass.DDR: 0, Bypass.ENCRYPTED_DNS: 2}


@pytest.mark.parametrize(
    ("name", "qtype", "rcode", "records"),
    [
        ("localhost", "A", "NOERROR", ["A 127.0.0.1"]),
        ("x.localhost", "AAAA", "NOERROR", ["AAAA ::1"]),
        ("localhost", "TXT", "NOERROR", []),
        ("x.local", "A", "NXDOMAIN", []),
        ("x.invalid", "A", "NXDOMAIN", []),
        ("x.test", "A", "NXDOMAIN", []),
        ("x.onion", "A", "NXDOMAIN", []),
        ("x.alt", "A", "NXDOMAIN", []),
        ("x.internal", "A", "NXDOMAIN", []),
        ("x.home.arpa", "A", "NXDOMAIN", []),
        ("1.0.0.127.in-addr.arpa", "PTR", "NOERROR", ["PTR localhost."]),
        ("10.in-addr.arpa", "NS", "NOERROR", ["NS 10.in-addr.arpa."]),
        ("4.3.2.10.in-addr.arpa", "PTR", "NXDOMAIN", []),
    ],
)
def test_special_use_names_are_answered_here(
    start: Start, name: str, qtype: str, rcode: str, records: list[str]
) -> None:
    rig = start(office(), internet())
    reply = rig.at_once(query(name, qtype), MECHELEN)
    assert (dns.rcode.to_text(reply.rcode()), data(reply)) == (rcode, records)
    assert bool(reply.authority) == (not records)


def test_a_conditional_zone_is_asked_of_its_server_and_its_neighbours_of_none(start: Start) -> None:
    office_server = Scripted(
        says(
            {
                ("_ldap._tcp.dc._msdcs.corp.local", "SRV"): (
                    "_ldap._tcp.dc._msdcs.corp.local. 300 SRV 0 100 389 dc1.corp.local.",
                ),
                ("1.2.3.10.in-addr.arpa", "PTR"): ("1.2.3.10.in-addr.arpa. 300 PTR dc1.corp.local.",),
            }
        )
    )
    zones = [ZoneTo("corp.local", office_server), ZoneTo("10.in-addr.arpa", office_server)]
    rig = start(office(), internet(), office_server, conditional=zones)
    assert data(rig.ask(query("_ldap._tcp.dc._msdcs.CORP.local", "SRV"))) == ["SRV 0 100 389 dc1.corp.local."]
    assert data(rig.ask(query("1.2.3.10.in-addr.arpa", "PTR"))) == ["PTR dc1.corp.local."]
    for name in ("x.local", "xcorp.local", "local", "x.xcorp.local"):
        assert rig.at_once(query(name)).rcode() == dns.rcode.NXDOMAIN
    assert len(office_server.asked) == 2
    assert rig.upstreams[0].asked == []


def test_a_failing_conditional_zone_is_not_asked_of_the_default_upstream(start: Start) -> None:
    office_server = Scripted(fails(dns.rcode.REFUSED))
    rig = start(office(), internet(), office_server, conditional=[ZoneTo("corp.example.org", office_server)])
    assert rig.ask(query("x.corp.example.org")).rcode() == dns.rcode.SERVFAIL
    assert rig.upstreams[0].asked == []


def test_a_ban_holds_in_a_conditional_zone_too(start: Start) -> None:
    office_server = internet()
    rig = start(office(), internet(), office_server, conditional=[ZoneTo("example.org", office_server)])
    assert rig.ask(query("video.example.org")).rcode() == dns.rcode.REFUSED
    assert office_server.asked


def test_the_probe_tells_the_revision_in_force(start: Start) -> None:
    rig = start(office(revision=41), internet())
    probe = "health.dnsfilter.internal"
    assert data(rig.at_once(query(probe))) == ["A 127.0.0.1"]
    assert data(rig.at_once(query(probe, "TXT"))) == ['TXT "revision=41"']
    assert rig.at_once(query(probe, "AAAA")).answer == []
    rig.swap(office(revision=42))
    assert data(rig.at_once(query(probe, "TXT"))) == ['TXT "revision=42"']
