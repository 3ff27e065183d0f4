"""The node's own records: they come before cache and upstreams, and policy comes before and after them."""

import dns.rcode
import dns.rdatatype
import pytest

from dnsfilter.config.node_config import LocalRecord
from dnsfilter.telemetry.metrics import Outcome, Transport
from dnsfilter.telemetry.slots import QUERY
from dnsfilter.wire.names import parse_name
from dnsfilter.wire.record_text import TYPES, parse_rdata
from tests.contract.cases import office
from tests.support.engines import GHENT, MECHELEN, Rig, ZoneTo, data, edes, query, ttls
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, says
from tests.support.scripted import reply as answer
from tests.support.starting import Start


def record(name: str, kind: str, text: str, ttl_s: int = 300) -> LocalRecord:
    return LocalRecord(parse_name(name), int(TYPES[kind]), ttl_s, parse_rdata(TYPES[kind], text))


RECORDS = (
    record("printer.corp.internal", "A", "192.0.2.20"),
    record("printer.corp.internal", "A", "192.0.2.21"),
    record("printer.corp.internal", "TXT", "second floor", 60),
    record("20.2.0.192.in-addr.arpa", "PTR", "printer.corp.internal"),
    record("_ldap._tcp.corp.internal", "SRV", "0 5 389 dc1.corp.internal"),
    record("print.example.org", "CNAME", "printer.corp.internal"),
    record("intranet.example.org", "CNAME", "www.example.net"),
    record("files.example.org", "CNAME", "nas.corp.local"),
    record("self.example.org", "CNAME", "localhost"),
    record("film.example.org", "CNAME", "www.tiktok.com"),
    record("www.tiktok.com", "A", "192.0.2.99"),
    record("a.example.org", "CNAME", "b.example.org"),
    record("b.example.org", "CNAME", "a.example.org"),
    record("2.0.192.in-addr.arpa", "TXT", "the test network"),
    record("scanner", "A", "192.0.2.22"),
)
PUBLIC = says(
    {
        ("www.example.net", "A"): ("www.example.net. 300 A 198.51.100.80",),
        ("shop.example.net", "A"): ("shop.example.net. 300 CNAME printer.corp.internal.",),
        ("www.tiktok.com", "A"): ("www.tiktok.com. 300 A 198.51.100.66",),
        ("other.example.org", "A"): ("other.example.org. 300 A 198.51.100.81",),
    }
)


def local(start: Start) -> Rig:
    return start(office(), Scripted(PUBLIC), records=RECORDS)


@each_row(
    ("name", "qtype", "shown"),
    [
        ("Printer.Corp.Internal", "A", ["A 192.0.2.20", "A 192.0.2.21"]),
        ("printer.corp.internal", "TXT", ['TXT "second floor"']),
        ("20.2.0.192.in-addr.arpa", "PTR", ["PTR printer.corp.internal."]),
        ("_ldap._tcp.corp.internal", "SRV", ["SRV 0 5 389 dc1.corp.internal."]),
        ("print.example.org", "A", ["CNAME printer.corp.internal.", "A 192.0.2.20", "A 192.0.2.21"]),
        ("print.example.org", "CNAME", ["CNAME printer.corp.internal."]),
        ("print.example.org", "ANY", ["CNAME printer.corp.internal."]),
        ("2.0.192.in-addr.arpa", "TXT", ['TXT "the test network"']),
        ("scanner", "A", ["A 192.0.2.22"]),
    ],
)
def test_record_is_answered_without_an_upstream(start: Start, name: str, qtype: str, shown: list[str]) -> None:
    rig = local(start)
    for transport in Transport:
        for reply in (rig.ask(query(name, qtype), GHENT, transport), rig.at_once(query(name, qtype), GHENT, transport)):
            assert (reply.rcode(), sorted(data(reply))) == (dns.rcode.NOERROR, sorted(shown))
            assert not reply.flags & dns.flags.AA
    assert rig.forwarded == []
    assert rig.counters.slots[QUERY[Transport.UDP][Outcome.LOCAL]] == 2


@each_row("qtype", ["AAAA", "HTTPS", "MX", "DS"])
def test_a_name_with_records_has_no_other_types(start: Start, qtype: str) -> None:
    rig = local(start)
    reply = rig.at_once(query("printer.corp.internal", qtype), GHENT)
    assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])
    assert [record.rdtype for record in reply.authority] == [dns.rdatatype.SOA]
    assert reply.authority[0].ttl == 60
    assert rig.forwarded == []


def test_target_of_an_alias_has_no_other_types_either(start: Start) -> None:
    rig = local(start)
    for qtype in ("AAAA", "HTTPS"):
        reply = rig.at_once(query("print.example.org", qtype), GHENT)
        assert (reply.rcode(), data(reply)) == (dns.rcode.NOERROR, ["CNAME printer.corp.internal."])
        assert [(str(each.name), each.rdtype) for each in reply.authority] == [
            ("printer.corp.internal.", dns.rdatatype.SOA)
        ]


def test_any_of_a_name_without_an_alias_is_the_minimal_answer(start: Start) -> None:
    assert data(local(start).at_once(query("printer.corp.internal", "ANY"), GHENT)) == ['HINFO "RFC8482" ""']


@each_row(
    ("name", "rcode"),
    [
        ("x.corp.internal", dns.rcode.NXDOMAIN),
        ("x.printer.corp.internal", dns.rcode.NXDOMAIN),
        ("21.2.0.192.in-addr.arpa", dns.rcode.NXDOMAIN),
        ("corp.internal", dns.rcode.NOERROR),
        ("_tcp.corp.internal", dns.rcode.NOERROR),
        ("internal", dns.rcode.NOERROR),
    ],
)
def test_special_names_around_a_record_exist_if_they_are_above_it(start: Start, name: str, rcode: int) -> None:
    rig = local(start)
    for qtype in ("A", "ANY"):
        reply = rig.at_once(query(name, qtype), GHENT)
        assert (reply.rcode(), reply.answer) == (rcode, [])
        assert [record.rdtype for record in reply.authority] == [dns.rdatatype.SOA]
    assert rig.forwarded == []


def test_names_around_a_record_resolve_as_before(start: Start) -> None:
    rig = local(start)
    assert data(rig.ask(query("other.example.org"))) == ["A 198.51.100.81"]


def test_alias_to_a_public_name_is_followed_and_cached(start: Start) -> None:
    rig = local(start)
    for _ in range(2):
        reply = rig.ask(query("intranet.example.org"))
        assert data(reply) == ["CNAME www.example.net.", "A 198.51.100.80"]
        assert not reply.flags & dns.flags.AD
    assert rig.forwarded == [("www.example.net", "A")]


def test_alias_into_a_conditional_zone_asks_its_servers(start: Start) -> None:
    inner = Scripted(says({("nas.corp.local", "A"): ("nas.corp.local. 300 A 10.0.0.9",)}))
    rig = start(office(), Scripted(PUBLIC), inner, conditional=[ZoneTo("corp.local", inner)], records=RECORDS)
    assert data(rig.ask(query("files.example.org"))) == ["CNAME nas.corp.local.", "A 10.0.0.9"]
    assert [(each.name, each.qtype) for each in inner.asked] == [("nas.corp.local", "A")]


def test_alias_to_a_special_name_is_answered_here(start: Start) -> None:
    rig = local(start)
    assert data(rig.ask(query("self.example.org"))) == ["CNAME localhost.", "A 127.0.0.1"]
    assert rig.forwarded == []


def test_record_inside_a_conditional_zone_wins(start: Start) -> None:
    inner = Scripted(says({("printer.corp.internal", "A"): ("printer.corp.internal. 300 A 10.0.0.9",)}))
    rig = start(office(), Scripted(PUBLIC), inner, conditional=[ZoneTo("corp.internal", inner)], records=RECORDS)
    assert sorted(data(rig.ask(query("printer.corp.internal")))) == ["A 192.0.2.20", "A 192.0.2.21"]
    assert inner.asked == []


@each_row("qtype", ["SOA", "NS", "DS", "DNSKEY"])
@each_row("name", ["printer.corp.internal", "print.example.org"])
def test_zone_of_a_record_inside_a_conditional_zone_is_its_servers(start: Start, name: str, qtype: str) -> None:
    soa = "corp.internal. 300 SOA dc1.corp.internal. hostmaster.corp.internal. 1 2 3 4 300"
    inner = Scripted(lambda asked: (answer(asked, authority=(soa,)),))
    rig = start(office(), Scripted(PUBLIC), inner, conditional=[ZoneTo("corp.internal", inner)], records=RECORDS)
    reply = rig.ask(query(name, qtype))
    assert reply.authority[0].to_text() == soa.replace("SOA", "IN SOA")
    assert [(each.name, each.qtype) for each in inner.asked] == [("printer.corp.internal", qtype)]


def test_public_alias_may_lead_to_a_record(start: Start) -> None:
    rig = local(start)
    assert sorted(data(rig.ask(query("shop.example.net")))) == [
        "A 192.0.2.20",
        "A 192.0.2.21",
        "CNAME printer.corp.internal.",
    ]
    assert rig.forwarded == [("shop.example.net", "A")]


@each_row("name", ["film.example.org", "www.tiktok.com"])
def test_a_record_is_no_way_around_a_ban(start: Start, name: str) -> None:
    rig = local(start)
    for reply in (rig.ask(query(name), GHENT), rig.at_once(query(name), GHENT)):
        assert (reply.rcode(), data(reply)) == (dns.rcode.REFUSED, [])
        assert edes(reply)[0][0] == 15
    assert rig.forwarded == []


def test_ttl_of_a_banned_services_record_is_lowered_for_all(start: Start) -> None:
    reply = local(start).at_once(query("www.tiktok.com"), MECHELEN)
    assert (data(reply), ttls(reply)) == (["A 192.0.2.99"], [60])


def test_loop_of_aliases_ends(start: Start) -> None:
    rig = local(start)
    reply = rig.ask(query("a.example.org"))
    assert (reply.rcode(), data(reply)) == (dns.rcode.NOERROR, ["CNAME b.example.org.", "CNAME a.example.org."])
    assert rig.forwarded == []


@pytest.mark.parametrize("rd", [True, False])
def test_query_without_rd_and_other_classes_get_no_record(start: Start, rd: bool) -> None:
    rig = local(start)
    message = query("printer.corp.internal", "A", "CH" if rd else "IN", rd=rd)
    assert rig.at_once(message, GHENT).rcode() == dns.rcode.REFUSED
