"""RFC 8482: a query for ANY gets the smallest valid answer, and upstream never gets a query for ANY."""

from collections.abc import Iterable

import dns.flags
import dns.rcode
import dns.rdatatype

from dnsfilter.policy.model import Reply, Term
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import office
from tests.support.engines import BOUND, DIEST, GHENT, MECHELEN, ZoneTo, data, edes, query, ttls
from tests.support.policies import NOW
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, denial, reply, silent
from tests.support.starting import Start

TRANSPORTS = tuple(Transport)
LEAST = ['HINFO "RFC8482" ""']
ALIASES = {"alias.example.org": "plain.example.org", "video.example.org": "www.tiktok.com"}

each_transport = each_row("transport", TRANSPORTS)


def authority(asked: Asked) -> Iterable[bytes]:
    """Answer for every name. Some names are aliases; names that begin with "missing" do not exist."""
    if asked.name in ALIASES:
        return (reply(asked, (f"{asked.name}. 300 CNAME {ALIASES[asked.name]}.",)),)
    if not asked.name:
        return (reply(asked, (), (". 60 SOA a.root-servers.example. hostmaster.example. 1 2 3 4 60",)),)
    return (denial(asked, "example.org", rcode=3 if asked.name.startswith("missing") else 0),)


def world() -> Scripted:
    return Scripted(authority)


@each_transport
@each_row("name", ["plain.example.org", "example.org", "."])
def test_any_of_a_name_that_exists_gets_one_record(start: Start, name: str, transport: Transport) -> None:
    rig = start(office(), world(), trust_ad=True)
    for do in (False, True):
        for _ in range(2):
            found = rig.ask(query(name, "ANY", do=do), transport=transport)
            assert (found.rcode(), data(found), ttls(found)) == (dns.rcode.NOERROR, LEAST, [3789])
            assert found.question[0].rdtype == dns.rdatatype.ANY
    assert rig.forwarded == [(name.rstrip("."), "CNAME")] * 2


SIGNED = "20300101000000 20200101000000 1 example.org. AAAA"
SIGNED_DENIAL = (
    "example.org. 300 SOA ns.example.org. h.example.org. 1 2 3 4 300",
    f"example.org. 300 RRSIG SOA 13 2 300 {SIGNED}",
    "plain.example.org. 300 NSEC www.example.org. A RRSIG NSEC",
    f"plain.example.org. 300 RRSIG NSEC 13 3 300 {SIGNED}",
)


@each_transport
def test_any_of_a_signed_name_gets_its_signed_denial_if_the_client_validates(
    start: Start, transport: Transport
) -> None:
    def behave(asked: Asked) -> list[bytes]:
        return [reply(asked, authority=SIGNED_DENIAL, flags=int(dns.flags.AD))]

    rig = start(office(), Scripted(behave), trust_ad=True)
    for _ in range(2):
        found = rig.ask(query("plain.example.org", "ANY", do=True), transport=transport)
        assert (found.rcode(), data(found), ttls(found)) == (dns.rcode.NOERROR, [], [300] * 4)
        assert found.question[0].rdtype == dns.rdatatype.ANY
        assert not found.flags & dns.flags.AD, "that there is no CNAME is authentic, not that there is nothing"
        assert data(rig.ask(query("plain.example.org", "ANY"), transport=transport)) == LEAST


@each_transport
def test_any_of_a_name_that_does_not_exist_says_so(start: Start, transport: Transport) -> None:
    rig = start(office(), world())
    for _ in range(2):
        found = rig.ask(query("MISSING.example.org", "ANY"), transport=transport)
        assert (found.rcode(), data(found)) == (dns.rcode.NXDOMAIN, [])
        assert [dns.rdatatype.to_text(rrset.rdtype) for rrset in found.authority] == ["SOA"]
        assert found.question[0].to_text() == "MISSING.example.org. IN ANY"
    assert rig.forwarded == [("missing.example.org", "CNAME")]


@each_transport
def test_any_of_an_alias_gets_the_alias(start: Start, transport: Transport) -> None:
    rig = start(office(), world())
    for _ in range(2):
        assert data(rig.ask(query("alias.example.org", "ANY"), transport=transport)) == ["CNAME plain.example.org."]
    assert rig.forwarded == [("alias.example.org", "CNAME")]


def test_any_shares_what_was_found_of_type_cname(start: Start) -> None:
    rig = start(office(), Scripted(silent))
    clients = [rig.send(query("alias.example.org", qtype)) for qtype in ("ANY", "CNAME", "ANY")]
    rig.until_asked(1)
    rig.settle()
    rig.upstream.say(rig.upstream.asked[0], next(iter(authority(rig.upstream.asked[0]))))
    for client in clients:
        assert data(rig.wait(client)) == ["CNAME plain.example.org."]
    assert len(rig.forwarded) == 1


def test_any_in_a_conditional_zone_is_asked_of_its_server(start: Start) -> None:
    zone = world()
    rig = start(office(), Scripted(silent), zone, conditional=[ZoneTo("corp.internal", zone)])
    assert data(rig.ask(query("www.corp.internal", "ANY"))) == LEAST
    assert rig.ask(query("missing.corp.internal", "ANY")).rcode() == dns.rcode.NXDOMAIN
    assert [len(upstream.asked) for upstream in rig.upstreams] == [0, 2]


def test_any_of_a_name_that_nobody_answers_for_fails_and_serves_as_stale(start: Start) -> None:
    rig = start(office(), world())
    rig.ask(query("plain.example.org", "ANY"))
    rig.upstream.behave = lambda asked: (reply(asked, rcode=dns.rcode.REFUSED),)
    assert rig.ask(query("other.example.org", "ANY")).rcode() == dns.rcode.SERVFAIL
    rig.clock.advance(70_000)
    for _ in range(3):  # the second time the failure is known
        found = rig.ask(query("plain.example.org", "ANY"))
        assert (data(found), ttls(found), [code for code, _ in edes(found)]) == (LEAST, [30], [3])


@each_row("edns", [False, 0])
def test_any_amplifies_by_no_more_than_one_small_record(start: Start, edns: int | bool) -> None:
    rig = start(office(), world())
    wire = query("plain.example.org", "ANY", edns=edns, payload=65535)
    assert len(rig.ask(wire).to_wire()) <= len(wire) + 12 + len("RFC8482") + 2


@each_transport
@each_row(
    ("reply", "rcode"),
    [(Reply.REFUSED, dns.rcode.REFUSED), (Reply.NXDOMAIN, dns.rcode.NXDOMAIN), (Reply.NODATA, dns.rcode.NOERROR)],
)
def test_any_of_a_banned_name_gets_the_ban_s_reply(
    start: Start, reply: Reply, rcode: int, transport: Transport
) -> None:
    rig = start(office(reply=reply), world())
    for client, code in ((GHENT, 15), (BOUND, 16)):
        found = rig.at_once(query("www.tiktok.com", "ANY"), client, transport)
        assert (found.rcode(), data(found), [each for each, _ in edes(found)]) == (rcode, [], [code])
    assert rig.forwarded == []
    for client in (MECHELEN, DIEST):
        assert data(rig.ask(query("www.tiktok.com", "ANY"), client, transport)) == LEAST


@each_transport
def test_any_of_an_alias_to_a_banned_name_gets_the_ban_s_reply(start: Start, transport: Transport) -> None:
    rig = start(office(), world())
    for _ in range(2):
        assert rig.ask(query("video.example.org", "ANY"), GHENT, transport).rcode() == dns.rcode.REFUSED
        assert data(rig.ask(query("video.example.org", "ANY"), MECHELEN, transport)) == ["CNAME www.tiktok.com."]


def test_any_of_what_a_ban_concerns_outlives_no_change_of_its_client(start: Start) -> None:
    rig = start(office(terms=(Term(NOW + 20),)), world())
    for _ in range(2):
        assert ttls(rig.ask(query("www.tiktok.com", "ANY"))) == [20]
        assert ttls(rig.ask(query("www.tiktok.com", "ANY"), MECHELEN)) == [60]
