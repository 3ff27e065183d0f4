"""RFC 9824: compact denial of existence passes through, and no client may ask for its type."""

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from dnsfilter.engine.interface import Miss
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.support.engines import DIEST, GHENT, data, edes, query, ttls
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, reply
from tests.support.starting import Start

NAME = "missing.example.org"
NXNAME = 128
TRANSPORTS = tuple(Transport)
CO = 0x4000
"""The EDNS flag "compact answers OK" (section 5.1)."""


@each_row("transport", TRANSPORTS)
@each_row("name", ["plain.example.org", "tiktok.com", "localhost", "."])
def test_a_question_for_nxname_is_formerr_and_says_why(start: Start, name: str, transport: Transport) -> None:
    rig = start(office(), internet())
    for client in (GHENT, DIEST):
        found = rig.at_once(query(name, NXNAME), client, transport)
        assert (found.rcode(), edes(found), found.question[0].rdtype) == (dns.rcode.FORMERR, [(30, "")], NXNAME)
        bare = rig.at_once(query(name, NXNAME, edns=False), client, transport)
        assert (bare.rcode(), bare.edns) == (dns.rcode.FORMERR, -1)
    assert rig.forwarded == []


def denial(asked: Asked) -> list[bytes]:
    """Deny a name like a signer that signs on the fly: NOERROR, with NXNAME in the bitmap."""
    soa = "example.org. 300 SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 300"
    nsec = f"{asked.name}. 300 NSEC \\000.{asked.name}. RRSIG NSEC TYPE{NXNAME}"
    signature = f"{asked.name}. 300 RRSIG NSEC 13 3 300 20300101000000 20200101000000 1 example.org. AAAA"
    return [reply(asked, authority=(soa, nsec, signature))]


@each_row("transport", TRANSPORTS)
@each_row("qtype", ["A", "TXT", "NSEC"])
def test_a_compact_denial_passes_as_it_came(start: Start, qtype: str, transport: Transport) -> None:
    rig = start(office(), Scripted(denial))
    for _ in range(2):
        found = rig.ask(query(NAME, qtype, do=True), transport=transport)
        proof = [rrset.to_text() for rrset in found.authority if rrset.rdtype == dns.rdatatype.NSEC]
        assert (found.rcode(), data(found)) == (dns.rcode.NOERROR, [])
        assert proof == [f"{NAME}. 300 IN NSEC \\000.{NAME}. RRSIG NSEC NXNAME"]
        assert dns.rdatatype.RRSIG in {rrset.rdtype for rrset in found.authority}
    assert len(rig.forwarded) == 1


def test_a_compact_denial_is_no_more_than_one_of_a_type_for_those_who_cannot_read_it(start: Start) -> None:
    rig = start(office(), Scripted(denial))
    found = rig.ask(query(NAME))
    assert (found.rcode(), [rrset.rdtype for rrset in found.authority]) == (dns.rcode.NOERROR, [dns.rdatatype.SOA])
    assert ttls(rig.at_once(query(NAME), later_s=299)) == [1]
    assert isinstance(rig.judge(query(NAME, "TXT")), Miss)


def test_the_flag_that_asks_for_a_compact_rcode_is_not_passed_on(start: Start) -> None:
    rig = start(office(), Scripted(denial))
    asked = dns.message.from_wire(query(NAME, do=True))
    asked.ednsflags |= CO
    found = rig.ask(asked.to_wire())
    assert found.ednsflags == dns.flags.DO
    assert dns.message.from_wire(rig.upstream.asked[0].message).ednsflags == dns.flags.DO
    assert isinstance(rig.judge(query(NAME)), Miss)
