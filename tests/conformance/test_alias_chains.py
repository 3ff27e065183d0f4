"""Aliases (RFC 1034 section 3.6.2) and the proofs that belong to them (RFC 4035 section 3.1.3.3)."""

from collections.abc import Iterable
from itertools import pairwise

import dns.rcode
import dns.rdatatype

from tests.contract.cases import office
from tests.support.engines import data, query
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, reply, says
from tests.support.starting import Start

SIGNED = "13 3 300 20300101000000 20200101000000 1 example.org. AAAA"
WILDCARD_ALIAS = (
    "a.wild.example.org. 300 CNAME end.example.net.",
    f"a.wild.example.org. 300 RRSIG CNAME {SIGNED}",
)
NO_CLOSER_NAME = ("*.wild.example.org. 60 NSEC x.example.org. CNAME", f"*.wild.example.org. 60 RRSIG NSEC {SIGNED}")


@each_row("steps", [1, 3])
def test_aliases_that_loop_are_an_error_and_no_denial(start: Start, steps: int) -> None:
    names = [*(f"c{n}.example.org." for n in range(steps)), "c0.example.org."]
    records = tuple(f"{owner} 300 CNAME {target}" for owner, target in pairwise(names))
    rig = start(office(), Scripted(says({("c0.example.org", "A"): records})))
    found = rig.ask(query("c0.example.org"))
    assert (found.rcode(), data(found)) == (dns.rcode.SERVFAIL, [])


@each_row("rcode", [dns.rcode.NOERROR, dns.rcode.NXDOMAIN])
@each_row("links", [17, 30])
def test_of_more_aliases_than_are_followed_in_one_answer_what_was_found_is_answered(
    start: Start, links: int, rcode: int
) -> None:
    names = [f"c{n}.example.org." for n in range(links + 1)]
    aliases = tuple(f"{owner} 300 CNAME {target}" for owner, target in pairwise(names))
    denial = ("example.org. 300 SOA ns.example.org. h.example.org. 1 2 3 4 300",)
    rig = start(office(), Scripted(lambda asked: (reply(asked, aliases, denial, rcode=rcode),)))
    for _ in range(2):
        found = rig.ask(query("c0.example.org"))
        assert (found.rcode(), data(found)) == (dns.rcode.NOERROR, [f"CNAME {target}" for target in names[1:18]])
        assert found.authority == []
    assert len(rig.forwarded) == 1


def test_aliases_that_loop_over_more_answers_than_are_asked_for_are_an_error(start: Start) -> None:
    loop = {(f"c{n}.example.org", "A"): (f"c{n}.example.org. 300 CNAME c{(n + 1) % 9}.example.org.",) for n in range(9)}
    rig = start(office(), Scripted(says(loop)))
    found = rig.ask(query("c0.example.org"))
    assert (found.rcode(), data(found)) == (dns.rcode.SERVFAIL, [])


def test_an_alias_made_by_a_wildcard_keeps_its_proof_when_the_answer_is_joined(start: Start) -> None:
    def behave(asked: Asked) -> Iterable[bytes]:
        if asked.name == "a.wild.example.org":
            return (reply(asked, WILDCARD_ALIAS, NO_CLOSER_NAME),)
        return (reply(asked, ("end.example.net. 300 A 198.51.100.1",)),)

    rig = start(office(), Scripted(behave))
    for found in (rig.ask(query("a.wild.example.org", do=True)), rig.at_once(query("a.wild.example.org", do=True))):
        assert [record.rdtype for record in found.answer] == [
            dns.rdatatype.CNAME,
            dns.rdatatype.RRSIG,
            dns.rdatatype.A,
        ]
        assert [record.rdtype for record in found.authority] == [dns.rdatatype.NSEC, dns.rdatatype.RRSIG]
