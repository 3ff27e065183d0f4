"""Names with a fixed treatment: signals to browsers, discovery, special-use names, conditional zones, the probe."""

from ipaddress import ip_network
from typing import Any

import dns.rcode

from dnsfilter.config.node_config import Clients, Unregistered
from dnsfilter.policy.model import Mode, Suspension, Term, Usage
from dnsfilter.telemetry.metrics import Bypass, Transport
from dnsfilter.telemetry.slots import BYPASS
from tests.contract.cases import NETWORKS, internet, office
from tests.support.engines import DIEST, GHENT, MECHELEN, UNREGISTERED, ZoneTo, data, edes, query
from tests.support.policies import NOW, authority, ban, policy, service
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, fails, reply, says
from tests.support.starting import Start

ADDRESSED = ("A", "AAAA", "HTTPS")
"""Types that a browser asks for."""
SIGNALS = {
    ("use-application-dns.net", "A"): ("use-application-dns.net. 300 A 198.51.100.1",),
    ("mask.icloud.com", "A"): ("mask.icloud.com. 300 A 198.51.100.2",),
    ("mask-h2.icloud.com", "A"): ("mask-h2.icloud.com. 300 A 198.51.100.3",),
}


@each_row("qtype", ["A", "AAAA", "HTTPS"])
@each_row(
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


@each_row(("name", "qtype"), SIGNALS)
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


@each_row("wanted", [{"cd": True}, {"do": True}, {"ad": True}, {"edns": False}, {"cd": True, "do": True}])
@each_row("transport", tuple(Transport))
@each_row(("name", "rcode"), [("use-application-dns.net", 3), ("mask.icloud.com", 0)])
def test_no_flag_and_no_transport_leads_around_a_signal(
    start: Start, name: str, rcode: int, transport: Transport, wanted: dict[str, Any]
) -> None:
    rig = start(office(), Scripted(says(SIGNALS)))
    rig.ask(query(name), MECHELEN)  # puts an address into the cache
    for qtype in (*ADDRESSED, "TXT", "ANY", "TYPE65280"):
        reply = rig.at_once(query(name, qtype, **wanted), transport=transport)
        assert (reply.rcode(), reply.answer) == (rcode, [])
    assert len(rig.forwarded) == 1


@each_row("name", ["x.use-application-dns.net", "x.mask.icloud.com", "mask-api.icloud.com", "icloud.com"])
def test_names_next_to_the_signals_resolve(start: Start, name: str) -> None:
    rig = start(office(), Scripted(says({(name, "A"): (f"{name}. 300 A 198.51.100.4",)})))
    assert data(rig.ask(query(name))) == ["A 198.51.100.4"]


def test_signals_resolve_while_the_authority_is_suspended(start: Start) -> None:
    rig = start(office(Suspension("ghent", NOW - 60, NOW + 60)), Scripted(says(SIGNALS)))
    assert data(rig.ask(query("use-application-dns.net")))


def test_signals_resolve_for_those_who_may_ask_without_a_range(start: Start) -> None:
    clients = Clients(Unregistered.RESOLVE, (ip_network("127.0.99.0/24"),))
    rig = start(office(), Scripted(says(SIGNALS)), clients=clients)
    assert data(rig.ask(query("use-application-dns.net"), UNREGISTERED))


@each_row("name", ["resolver.arpa", "_dns.resolver.arpa", "a.b.resolver.arpa"])
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
    rig.ask(query("resolver.arpa", "SVCB"), MECHELEN)
    counted = {kind: rig.counters.slots[BYPASS[kind]] for kind in Bypass}
    assert counted == {Bypass.CANARY: 1, Bypass.RELAY: 2, Bypass.DDR: 1, Bypass.ENCRYPTED_DNS: 3}
    assert rig.bypass() == {
        ("ghent", "canary"): 1,
        ("ghent", "relay"): 2,
        ("ghent", "encrypted_dns"): 1,
        ("diest", "encrypted_dns"): 1,
        ("mechelen", "encrypted_dns"): 1,
        ("mechelen", "ddr"): 1,
    }


@each_row("times", [2, 40])
def test_names_of_encrypted_resolvers_count_without_any_ban(start: Start, times: int) -> None:
    doh = service("encrypted_dns", ("doh.example.net",))
    records = {
        ("doh.example.net", "A"): ("doh.example.net. 300 A 198.51.100.9",),
        ("alias.example.org", "A"): (
            "alias.example.org. 300 CNAME doh.example.net.",
            "doh.example.net. 300 A 192.0.2.9",
        ),
    }
    quiet = authority("diest", usage=Usage.NONE)
    rig = start(policy(*NETWORKS, doh, quiet), Scripted(says(records)))
    for _ in range(times):
        rig.ask(query("doh.example.net"))
        rig.ask(query("alias.example.org"), MECHELEN)
        rig.ask(query("doh.example.net"), DIEST)
        rig.ask(query("doh.example.net"), UNREGISTERED)
    assert rig.counters.slots[BYPASS[Bypass.ENCRYPTED_DNS]] == 3 * times
    assert rig.bypass() == {("ghent", "encrypted_dns"): times, ("mechelen", "encrypted_dns"): times}
    assert not rig.pairs()
    assert not rig.bans()


@each_row(
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


NEVER_FORWARDED = (
    *("localhost", "x.localhost", "invalid", "x.invalid", "test", "x.test", "onion", "x.onion", "alt", "x.alt"),
    *("local", "x.local", "internal", "x.internal", "home.arpa", "x.home.arpa", "service.arpa", "x.service.arpa"),
    *("resolver.arpa", "_dns.resolver.arpa"),
)
LOCAL_REVERSE = (
    *("10", *(f"{byte}.172" for byte in range(16, 32)), "168.192", "0", "127", "254.169"),
    *("2.0.192", "100.51.198", "113.0.203", "255.255.255.255", *(f"{byte}.100" for byte in range(64, 128))),
)
LOCAL_REVERSE_V6 = (
    "0." * 31 + "0",
    "1." + "0." * 30 + "0",
    "d.f",
    "8.e.f",
    "9.e.f",
    "a.e.f",
    "b.e.f",
    "8.b.d.0.1.0.0.2",
)


@each_row("name", NEVER_FORWARDED)
def test_special_use_names_of_any_type_are_not_forwarded(start: Start, name: str) -> None:
    rig = start(office(), internet())
    for transport in tuple(Transport):
        for qtype in (*ADDRESSED, "TXT", "NS", "SOA", "TYPE65280"):
            reply = rig.at_once(query(name.upper(), qtype), MECHELEN, transport)
            assert reply.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
            assert bool(reply.answer) != bool(reply.authority)
    assert rig.forwarded == []


PROOF = (
    "arpa. 300 SOA ns.arpa. hostmaster.arpa. 1 2 3 4 300",
    "arpa. 300 RRSIG SOA 8 1 300 20300101000000 20200101000000 1 arpa. c2ln",
)
OF_ROOT = (
    ". 300 SOA a.root-servers.example. hostmaster.example. 1 2 3 4 300",
    ". 300 RRSIG SOA 8 0 300 20300101000000 20200101000000 1 . c2ln",
    ". 300 NSEC aaa. NS SOA RRSIG NSEC DNSKEY ZONEMD",
    ". 300 RRSIG NSEC 8 0 300 20300101000000 20200101000000 1 . c2ln",
)


@each_row("transport", tuple(Transport))
@each_row("apex", ["home.arpa", "service.arpa", "10.in-addr.arpa", "127.in-addr.arpa", "d.f.ip6.arpa"])
def test_whether_a_zone_served_here_is_signed_is_asked_of_its_parent(
    start: Start, apex: str, transport: Transport
) -> None:
    rig = start(office(), Scripted(lambda asked: (reply(asked, authority=PROOF),)))
    for _ in range(2):
        found = rig.ask(query(apex, "DS", do=True), MECHELEN, transport)
        assert [dns.rdatatype.to_text(rrset.rdtype) for rrset in found.authority] == ["SOA", "RRSIG"]
    assert rig.forwarded == [(apex, "DS")]
    assert rig.at_once(query(f"1.{apex}", "DS"), MECHELEN, transport).rcode() == dns.rcode.NXDOMAIN


def test_the_ds_of_a_reverse_zone_with_servers_of_its_own_is_asked_of_its_parent(start: Start) -> None:
    zone = Scripted(says({}))
    rig = start(
        office(),
        Scripted(lambda asked: (reply(asked, authority=PROOF),)),
        zone,
        conditional=[ZoneTo("10.in-addr.arpa", zone)],
    )
    rig.ask(query("10.in-addr.arpa", "DS"), MECHELEN)
    assert [len(upstream.asked) for upstream in rig.upstreams] == [1, 0]


@each_row("tail", ["in-addr.arpa", "ip6.arpa"])
def test_private_reverse_zones_are_answered_here_with_their_soa(start: Start, tail: str) -> None:
    rig = start(office(), internet())
    for zone in LOCAL_REVERSE if tail == "in-addr.arpa" else LOCAL_REVERSE_V6:
        apex = f"{zone}.{tail}"
        denied = rig.at_once(query(f"9.9.{apex}" if len(apex) < 70 else f"x.{apex}", "PTR"), MECHELEN)
        assert denied.rcode() == dns.rcode.NXDOMAIN, apex
        assert [rrset.name.to_text() for rrset in denied.authority] == [f"{apex}."]
        assert data(rig.at_once(query(apex, "SOA"), MECHELEN))[0].startswith("SOA ")
    assert rig.forwarded == []


@each_row("name", ["1.15.172.in-addr.arpa", "1.32.172.in-addr.arpa", "1.63.100.in-addr.arpa", "1.128.100.in-addr.arpa"])
def test_reverse_zones_next_to_the_private_ones_are_public(start: Start, name: str) -> None:
    rig = start(office(), Scripted(says({})))
    rig.ask(query(name, "PTR"), MECHELEN)
    assert rig.forwarded == [(name, "PTR")]


@each_row("name", ["ipv4only.arpa", "www.example", "x.nolocal", "local.example.org"])
def test_names_that_look_special_and_are_not_resolve(start: Start, name: str) -> None:
    rig = start(office(), Scripted(says({(name, "A"): (f"{name}. 300 A 192.0.0.170",)})))
    assert data(rig.ask(query(name), MECHELEN)) == ["A 192.0.0.170"]


@each_row("transport", tuple(Transport))
@each_row("name", ["printer", "WPAD", "com", "example"])
def test_hosts_of_a_single_label_stay_here(start: Start, name: str, transport: Transport) -> None:
    rig = start(office(), internet())
    for qtype in (*ADDRESSED, "CNAME", "ANY"):
        reply = rig.at_once(query(name, qtype), MECHELEN, transport)
        assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])
        assert [rrset.name.to_text().lower() for rrset in reply.authority] == [f"{name.lower()}."]
    assert rig.forwarded == []


@each_row("qtype", ["NS", "SOA", "DS", "DNSKEY", "TXT"])
def test_top_level_domains_resolve(start: Start, qtype: str) -> None:
    rig = start(office(), Scripted(lambda asked: (reply(asked, authority=PROOF[:1]),)))
    rig.ask(query("org", qtype), MECHELEN)
    assert rig.forwarded == [("org", qtype)]


@each_row("transport", tuple(Transport))
@each_row("qtype", [*ADDRESSED, "CNAME", "ANY"])
@each_row("name", ["org", "printer"])
def test_a_client_that_validates_gets_the_roots_word_on_a_single_label(
    start: Start, name: str, qtype: str, transport: Transport
) -> None:
    rig = start(office(), Scripted(lambda asked: (reply(asked, authority=OF_ROOT, rcode=dns.rcode.NXDOMAIN),)))
    for _ in range(2):
        found = rig.ask(query(name, qtype, do=True), MECHELEN, transport)
        assert (found.rcode(), len(found.authority)) == (dns.rcode.NXDOMAIN, len(OF_ROOT))
        assert rig.at_once(query(name, qtype), MECHELEN, transport).rcode() == dns.rcode.NOERROR
    assert rig.forwarded == [(name, "CNAME" if qtype == "ANY" else qtype)]


def test_a_client_that_validates_gets_the_roots_word_on_an_aliass_target(start: Start) -> None:
    def behave(asked: Asked) -> list[bytes]:
        if asked.name == "a.example.org":
            return [reply(asked, ("a.example.org. 300 CNAME printer.",), PROOF, rcode=dns.rcode.NXDOMAIN)]
        return []

    rig = start(office(), Scripted(behave))
    for _ in range(2):
        found = rig.ask(query("a.example.org", do=True), MECHELEN)
        assert (found.rcode(), data(found)) == (dns.rcode.NXDOMAIN, ["CNAME printer."])
    found = rig.ask(query("a.example.org"), MECHELEN)
    assert (found.rcode(), data(found)) == (dns.rcode.NOERROR, ["CNAME printer."])


def test_an_office_may_serve_a_single_label_itself(start: Start) -> None:
    server = Scripted(says({("intranet", "A"): ("intranet. 300 A 192.0.2.30",)}))
    rig = start(office(), internet(), server, conditional=[ZoneTo("intranet", server)])
    assert data(rig.ask(query("intranet"), MECHELEN)) == ["A 192.0.2.30"]
    rig.ask(query("intranet", "ANY"), MECHELEN)
    assert [each.qtype for each in server.asked] == ["A", "CNAME"]


def test_an_alias_to_a_single_label_leads_nowhere(start: Start) -> None:
    chain = ("a.example.org. 300 CNAME printer.", "printer. 300 A 198.51.100.7")
    rig = start(office(), Scripted(says({("a.example.org", "A"): chain})))
    assert data(rig.ask(query("a.example.org"), MECHELEN)) == ["CNAME printer."]
    assert rig.forwarded == [("a.example.org", "A")]


@each_row("name", ["x.onion", "_dns.resolver.arpa"])
def test_no_conditional_zone_takes_what_must_not_leak(start: Start, name: str) -> None:
    zone = internet()
    rig = start(office(), internet(), zone, conditional=[ZoneTo(name.partition(".")[2], zone)])
    assert rig.at_once(query(name), MECHELEN).answer == []
    assert rig.forwarded == []


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
    for name in ("x.local", "xcorp.local", "x.xcorp.local"):
        assert rig.at_once(query(name)).rcode() == dns.rcode.NXDOMAIN
    above = rig.at_once(query("local"))
    assert (above.rcode(), above.answer) == (dns.rcode.NOERROR, [])
    assert len(office_server.asked) == 2
    assert rig.upstreams[0].asked == []


def test_a_failing_conditional_zone_is_not_asked_of_the_default_upstream(start: Start) -> None:
    office_server = Scripted(fails(dns.rcode.REFUSED))
    rig = start(office(), internet(), office_server, conditional=[ZoneTo("corp.example.org", office_server)])
    assert rig.ask(query("x.corp.example.org")).rcode() == dns.rcode.SERVFAIL
    assert rig.upstreams[0].asked == []


def test_the_probe_returns_the_revision_in_force(start: Start) -> None:
    rig = start(office(revision=41), internet())
    probe = "health.dnsfilter.internal"
    assert data(rig.at_once(query(probe))) == ["A 127.0.0.1"]
    assert data(rig.at_once(query(probe, "TXT"))) == ['TXT "revision=41"']
    assert rig.at_once(query(probe, "AAAA")).answer == []
    rig.swap(office(revision=42))
    assert data(rig.at_once(query(probe, "TXT"))) == ['TXT "revision=42"']
