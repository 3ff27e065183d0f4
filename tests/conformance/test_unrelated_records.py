"""Records of authority and additional that do not belong to the question reach no client and stay in no cache."""

import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.contract.cases import office
from tests.support.engines import KINDS, query, running
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, reply
from tests.support.starting import Start

NAME = "www.example.org"
ANSWERS = {
    "A": f"{NAME}. 300 A 198.51.100.1",
    "MX": f"{NAME}. 300 MX 5 mail.example.net.",
    "SRV": f"{NAME}. 300 SRV 1 2 5060 sip.example.net.",
    "NS": f"{NAME}. 300 NS ns.example.net.",
    "SOA": f"{NAME}. 300 SOA dc1.example.net. hostmaster.example.net. 1 3600 600 86400 60",
}
SOA = "example.org. 60 SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 60"
OTHER_SOA = "bank.example. 60 SOA ns.bank.example. hostmaster.bank.example. 1 3600 600 86400 60"
ZONE_NS = "example.org. 300 NS ns.example.net."
GLUE = ("ns.example.net. 300 A 192.0.2.53", "ns.example.net. 300 AAAA 2001:db8::53")
OTHER_NS = "bank.example. 300 NS ns.bank.example."
LIE = "www.bank.example. 300 A 203.0.113.66"


def signed(owner: str, covered: str, zone: str = "example.org") -> str:
    return f"{owner}. 60 RRSIG {covered} 13 2 300 20300101000000 20200101000000 1 {zone}. AAAA"


NSEC = "v.example.org. 60 NSEC x.example.org. A RRSIG NSEC"
NSEC3 = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example.org. 60 NSEC3 1 0 0 - 1p9mhaveqvm6t7vbl5lop2u3t2rp3tom A"
NSEC3_OWNER = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example.org"

# Queried type, the upstream's authority and additional records, and those of both that the client gets.
POSITIVE = [
    ("A", (OTHER_NS,), (), [], []),
    ("A", (), (LIE,), [], []),
    ("A", (OTHER_NS,), ("ns.bank.example. 300 A 203.0.113.66",), [], []),
    ("A", (ZONE_NS,), GLUE, [ZONE_NS], [*GLUE]),
    ("A", (ZONE_NS, OTHER_NS), (*GLUE, LIE), [ZONE_NS], [*GLUE]),
    ("A", (OTHER_NS, ZONE_NS), (LIE, *GLUE), [ZONE_NS], [*GLUE]),
    ("A", ("other.example.org. 300 NS ns.example.net.",), GLUE, [], []),
    ("A", (f"x.{NAME}. 300 NS ns.example.net.",), GLUE, [], []),
    ("A", (ZONE_NS,), ('ns.example.net. 300 TXT "x"', "ns.example.net. 300 CNAME www.bank.example."), [ZONE_NS], []),
    ("A", (ZONE_NS,), (GLUE[0], "ns.example.net. 300 HTTPS 1 www.bank.example."), [ZONE_NS], [GLUE[0]]),
    ("A", ("www.bank.example. 300 A 203.0.113.66", f"{NAME}. 300 A 203.0.113.66"), (), [], []),
    ("MX", (), ("mail.example.net. 300 A 192.0.2.25", LIE), [], ["mail.example.net. 300 A 192.0.2.25"]),
    ("SRV", (), ("sip.example.net. 300 AAAA 2001:db8::5", LIE), [], ["sip.example.net. 300 AAAA 2001:db8::5"]),
    ("NS", (), (*GLUE, LIE), [], [*GLUE]),
    ("SOA", (), ("dc1.example.net. 300 A 192.0.2.7", LIE), [], ["dc1.example.net. 300 A 192.0.2.7"]),
    ("MX", (), (f"{NAME}. 300 A 203.0.113.66",), [], []),
]
WITH_DO = [
    ((SOA, signed("example.org", "SOA")), [SOA, signed("example.org", "SOA")]),
    ((SOA, NSEC, signed("v.example.org", "NSEC")), [SOA, NSEC, signed("v.example.org", "NSEC")]),
    ((SOA, NSEC3, signed(NSEC3_OWNER, "NSEC3")), [SOA, NSEC3, signed(NSEC3_OWNER, "NSEC3")]),
    ((SOA, NSEC), [SOA]),
    ((SOA, NSEC, signed("v.example.org", "NSEC", "bank.example")), [SOA]),
    ((SOA, NSEC, signed("v.example.org", "NSEC3")), [SOA]),
    ((SOA, signed("v.example.org", "NSEC")), [SOA]),
    ((SOA, signed("bank.example", "SOA", "bank.example")), [SOA]),
    ((SOA, OTHER_SOA, signed("bank.example", "SOA", "bank.example")), [SOA]),
    (
        (SOA, "a.bank.example. 300 NSEC c.bank.example. A", signed("a.bank.example", "NSEC", "bank.example")),
        [SOA],
    ),
]


def lines(section: list[dns.rrset.RRset]) -> list[str]:
    """Return the records of a section as zone text, without class."""
    return [
        f"{rrset.name} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {rdata}"
        for rrset in section
        for rdata in rrset
    ]


def shown(records: list[str]) -> list[str]:
    """Return zone text as dnspython writes it."""
    sections = [dns.rrset.from_text(*_split(record)) for record in records]
    return lines(sections)


def _split(record: str) -> tuple[str, int, str, str, str]:
    owner, ttl, rtype, rdata = record.split(" ", 3)
    return owner, int(ttl), "IN", rtype, rdata


@each_row(("qtype", "authority", "additional", "left", "added"), POSITIVE)
def test_only_what_belongs_to_the_question_is_passed_on_first_and_from_the_cache(
    start: Start,
    qtype: str,
    authority: tuple[str, ...],
    additional: tuple[str, ...],
    left: list[str],
    added: list[str],
) -> None:
    rig = start(office(), Scripted(lambda asked: (reply(asked, (ANSWERS[qtype],), authority, additional),)))
    for found in (rig.ask(query(NAME, qtype, id=7)), rig.at_once(query(NAME, qtype, id=7))):
        assert lines(found.answer) == shown([ANSWERS[qtype]])
        assert (lines(found.authority), lines(found.additional)) == (shown(left), shown(added))


@each_row(("authority", "left"), WITH_DO)
@each_row("rcode", [0, 3])
def test_only_denials_of_the_questions_zone_are_passed_on(
    start: Start, rcode: int, authority: tuple[str, ...], left: list[str]
) -> None:
    rig = start(office(), Scripted(lambda asked: (reply(asked, (), authority, rcode=rcode),)))
    for found in (rig.ask(query(NAME, do=True)), rig.at_once(query(NAME, do=True))):
        assert (found.rcode(), lines(found.authority)) == (rcode, shown(left))


def test_a_denial_with_the_soa_of_another_zone_is_not_kept(start: Start) -> None:
    rig = start(office(), Scripted(lambda asked: (reply(asked, (), (OTHER_SOA,), rcode=3),)))
    for _ in range(2):
        found = rig.ask(query(NAME))
        assert (found.rcode(), found.authority) == (dns.rcode.NXDOMAIN, [])
    assert len(rig.forwarded) == 2


def test_what_belongs_to_any_name_of_a_chain_is_passed_on(start: Start) -> None:
    chain = (f"{NAME}. 300 CNAME host.example.net.", "host.example.net. 300 A 198.51.100.1")
    zones = (ZONE_NS, "example.net. 300 NS ns.example.net.", OTHER_NS)
    rig = start(office(), Scripted(lambda asked: (reply(asked, chain, zones, GLUE),)))
    found = rig.ask(query(NAME))
    assert (lines(found.authority), lines(found.additional)) == (shown([*zones[:2]]), shown([*GLUE]))


@each_row(("qtype", "authority", "additional", "left", "added"), POSITIVE)
@each_row("do", [False, True])
def test_both_engines_reply_the_same_bytes(
    qtype: str, authority: tuple[str, ...], additional: tuple[str, ...], left: list[str], added: list[str], do: bool
) -> None:
    replies = set()
    for kind in KINDS:
        upstream = Scripted(lambda asked: (reply(asked, (ANSWERS[qtype],), authority, additional),))
        with running(kind, office(), upstream) as rig:
            for _ in range(2):
                client = rig.send(query(NAME, qtype, do=do, id=7))
                replies.add(rig.until(client.receive))
    assert len(replies) == 1
