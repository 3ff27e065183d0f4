"""The table of differences from Unbound explains what it says, and nothing that is wrong."""

from dataclasses import replace

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest

from tests.support.comparing import Pair, Seen, Truth, differing, seen
from tests.support.differences import DIFFERENCES, explained
from tests.support.odd_questions import (
    AXFR,
    BEHIND,
    CLASSES,
    FLAGS,
    MAILB,
    MALFORMED_SUBNET,
    NAMES,
    NXNAME,
    PAST_ITS_END,
    RECORD,
    SIGNATURE,
    TKEY,
    TYPES,
    odd_questions,
)
from tests.support.questions import Asked, Edns
from tests.support.walking import walked

TOLERANCE_S = 5
SOA = "example.org. 60 SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 60"
LONG_SOA = "example.org. 86400 SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 86400"
ALIAS = "www.example.org. 300 CNAME a.example.net."
ADDRESS = "a.example.net. 300 A 192.0.2.1"
FORGED = "a.example.net. 300 A 203.0.113.9"
NSEC = "www.example.org. 60 NSEC x.example.org. CNAME RRSIG NSEC"
ZERO = r"a\000b.www.example.org"
ZERO_ALIAS = rf"{ZERO}. 300 CNAME a.example.org."
TREE = "example.org. 300 DNAME very.long.example.net."
CHAIN = [f"far{link}.example.org. 300 CNAME far{link + 1}.example.org." for link in range(20)]
HINFO = '3789 HINFO "RFC8482" ""'

OWN = "www.example.org. 300 A 192.0.2.1"

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = (dns.rcode.Rcode.make(value) for value in range(6))


def asked(name: str = "www.example.org", qtype: str = "A", edns: Edns | None = None) -> Asked:
    question = dns.message.make_query(name, qtype).question[0]
    return Asked(question.name.to_wire() or b"", int(question.rdtype), True, False, False, edns, False)


def said(
    to: Asked,
    answer: list[str] | None = None,
    authority: list[str] | None = None,
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR,
    *,
    cut: bool = False,
    edns: bool = False,
) -> Seen:
    """A reply with records as a zone file writes them."""
    plain = replace(to, edns=None, flags=0, additional=(), behind=b"")
    made = dns.message.make_response(dns.message.from_wire(plain.wire()), recursion_available=True)
    for section, lines in ((made.answer, answer or []), (made.authority, authority or [])):
        for owner, ttl, rtype, data in (line.split(maxsplit=3) for line in lines):
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", rtype, data))
    made.use_edns(0 if edns else False)
    made.set_rcode(rcode)
    made.flags |= dns.flags.TC if cut else 0
    return seen(made.to_wire())


def truth(to: Asked, *replies: Seen) -> Truth:
    return Truth(replies or (said(to, [ALIAS, ADDRESS]),))


def cut_pair(ours: list[str], *, theirs_cut: bool = True) -> Pair:
    """We say some of what there is and cut it; Unbound has the alias, or if it is not cut, all, in 400 octets."""
    to = asked()
    theirs = said(to, [ALIAS] if theirs_cut else [ALIAS, ADDRESS], cut=theirs_cut)
    whole = Truth((said(to, [ALIAS]), said(to, [ADDRESS])))
    return Pair(to, said(to, ours, cut=True), theirs if theirs_cut else replace(theirs, message=bytes(400)), whole)


def zero_pair(name: str, ours: list[str], *legs: tuple[list[str], dns.rcode.Rcode]) -> Pair:
    """We deny a name; Unbound has an address for it, and the authority says what `legs` have, with a SOA if denied."""
    to = asked(name)
    replies = tuple(said(to, answer, [SOA] if rcode else [], rcode) for answer, rcode in legs)
    theirs = said(to, [*ours, "a.example.org. 300 A 192.0.2.1"])
    return Pair(to, said(to, ours, [SOA], NXDOMAIN), theirs, Truth(replies))


def proof_pair(ours: list[str], authority: list[str], *, rcode: dns.rcode.Rcode = dns.rcode.NOERROR) -> Pair:
    """We say so of the NSEC of an alias, and Unbound is lost behind it."""
    to = asked(qtype="NSEC")
    return Pair(to, said(to, ours, rcode=rcode), said(to, rcode=SERVFAIL), truth(to, said(to, authority)))


def tree_pair(ours: list[str], rcode: dns.rcode.Rcode = NXDOMAIN) -> Pair:
    to = asked()
    own = said(to, [TREE], [SOA], NXDOMAIN)
    return Pair(to, said(to, ours, [SOA], rcode), said(to, rcode=SERVFAIL), truth(to, own))


def chain_pair(links: int, ours: list[str] | None, theirs: list[str] | None) -> Pair:
    """A chain of so many links to nothing; None is a failure."""
    to = asked("far0.example.org")
    replies = [
        said(to, rcode=SERVFAIL) if records is None else said(to, records, [SOA], NXDOMAIN)
        for records in (ours, theirs, CHAIN[:links])
    ]
    return Pair(to, replies[0], replies[1], truth(to, replies[2]))


def lasting_pair(ours_s: int, theirs_s: int, original_s: int) -> Pair:
    to = asked()
    replies = [said(to, [f"www.example.org. {ttl} A 192.0.2.1"]) for ttl in (ours_s, theirs_s, original_s)]
    return Pair(to, replies[0], replies[1], truth(to, replies[2]))


def denial_pair(ours: str, theirs: str = SOA, original: str = SOA) -> Pair:
    to = asked()
    replies = [said(to, [], [soa], NXDOMAIN) for soa in (ours, theirs, original)]
    return Pair(to, replies[0], replies[1], truth(to, replies[2]))


def with_ttl(soa: str, ttl: int) -> str:
    owner, _, rest = soa.split(maxsplit=2)
    return f"{owner} {ttl} {rest}"


def any_pair(ours: list[str], authority: list[str] | None = None, rcode: dns.rcode.Rcode = dns.rcode.NOERROR) -> Pair:
    to = asked(qtype="ANY")
    return Pair(to, said(to, ours, authority, rcode), said(to, ['www.example.org. 300 HINFO "CPU" "OS"']))


def any_alias_pair(ours: list[str], authority: list[str] | None = None) -> Pair:
    to = asked(qtype="ANY")
    return Pair(to, said(to, ours, authority), said(to, [ALIAS, NSEC]))


def version_pair(payload: int) -> Pair:
    to = asked(edns=Edns(payload, version=1))
    return Pair(to, said(to, rcode=dns.rcode.BADVERS, edns=True), said(to))


def failed_pair(ours: list[str]) -> Pair:
    to = asked()
    return Pair(to, said(to, ours, rcode=SERVFAIL), said(to, [ALIAS], rcode=SERVFAIL))


def refusing_pair(to: Asked, rcode: dns.rcode.Rcode, ours: list[str] | None = None, *, edns: bool = False) -> Pair:
    """We say an error; Unbound has the address that the authority has."""
    theirs = said(to, [OWN], edns=to.edns is not None)
    return Pair(to, said(to, ours, rcode=rcode, edns=edns), theirs, truth(to, said(to, [OWN])))


def failing_pair(
    to: Asked, ours: dns.rcode.Rcode, theirs: dns.rcode.Rcode, own: dns.rcode.Rcode = REFUSED, *, flags: int = 0
) -> Pair:
    """Both say an error, Unbound without RA where it is about the type; `flags` are turned round in ours."""
    errors = [said(to, rcode=rcode) for rcode in (ours, theirs)]
    lacks = dns.flags.RA if to.qclass == dns.rdataclass.IN else 0
    errors[0] = replace(errors[0], flags=errors[0].flags ^ flags)
    errors[1] = replace(errors[1], flags=errors[1].flags ^ lacks)
    return Pair(to, errors[0], errors[1], truth(to, said(to, rcode=own)))


def answering_pair(to: Asked, ours: list[str], rcode: dns.rcode.Rcode = NOERROR, *, flags: int = 0) -> Pair:
    """We answer where the authority has the address; Unbound says FORMERR by a header alone."""
    theirs = replace(said(to, rcode=FORMERR), question=b"")
    answer = said(to, ours, rcode=rcode)
    return Pair(to, replace(answer, flags=answer.flags ^ flags), theirs, truth(to, said(to, [OWN])))


def denying_pair(to: Asked, soa: str) -> Pair:
    """We deny the type as the authority does, with a SOA; Unbound says FORMERR."""
    return Pair(to, said(to, [], [soa]), said(to, rcode=FORMERR), truth(to, said(to, [], [SOA])))


CLASS_ANY, CLASS_77 = (replace(asked(), qclass=qclass) for qclass in (dns.rdataclass.ANY, 77))
OF_TRANSFER, OF_MAIL, OF_NXNAME, OF_TKEY = (replace(asked(), qtype=qtype) for qtype in (AXFR, MAILB, NXNAME, TKEY))
WITH_TC = replace(asked(), flags=int(dns.flags.TC))
WITH_BESIDE, WITH_SIGNATURE = (replace(asked(), additional=(record,)) for record in (RECORD, SIGNATURE))
WITH_BEHIND = replace(asked(edns=Edns(1232)), behind=BEHIND)
WITH_PAST = asked(edns=Edns(1232, options=PAST_ITS_END))
WITH_MALFORMED = asked(edns=Edns(1232, options=MALFORMED_SUBNET))
WELL_FORMED = asked(edns=Edns(1232, options=bytes.fromhex("0008000400010000")))

MEANT = {
    "any": any_pair([f"www.example.org. {HINFO}"]),
    "any-alias": any_alias_pair([ALIAS]),
    "cut": cut_pair([ALIAS, ADDRESS]),
    "joined": cut_pair([ALIAS], theirs_cut=False),
    "alias-proofs": proof_pair([NSEC], [NSEC]),
    "long-ttl": lasting_pair(604_800, 86_400, 604_800),
    "long-denial": denial_pair(LONG_SOA, with_ttl(LONG_SOA, 3_600), LONG_SOA),
    "badvers": version_pair(0),
    "long-chain": chain_pair(20, None, CHAIN),
    "failed-part": failed_pair([]),
    "denied-target": zero_pair(ZERO, [ZERO_ALIAS], ([ZERO_ALIAS], NXDOMAIN)),
    "long-dname": tree_pair([TREE]),
    "class-any": refusing_pair(CLASS_ANY, REFUSED),
    "class-of-nobody": failing_pair(CLASS_77, SERVFAIL, REFUSED),
    "transfer": failing_pair(OF_TRANSFER, NOTIMP, REFUSED),
    "mail": failing_pair(OF_MAIL, NOTIMP, FORMERR),
    "no-data-type": failing_pair(OF_NXNAME, FORMERR, FORMERR),
    "tkey": denying_pair(OF_TKEY, SOA),
    "tc-in-query": answering_pair(WITH_TC, [OWN]),
    "record-beside": answering_pair(WITH_SIGNATURE, [OWN]),
    "octets-behind": refusing_pair(WITH_BEHIND, FORMERR),
    "option-past-its-end": refusing_pair(WITH_PAST, FORMERR),
    "malformed-subnet": refusing_pair(WITH_MALFORMED, FORMERR, edns=True),
}

WRONG = {
    "any: other data": any_pair(['www.example.org. 3789 HINFO "none" "at all"']),
    "any: another ttl": any_pair(['www.example.org. 86400 HINFO "RFC8482" ""']),
    "any: a soa": any_pair([f"www.example.org. {HINFO}"], [SOA]),
    "any: more data": any_pair([f"www.example.org. {HINFO}", FORGED]),
    "any: a failure": any_pair([f"www.example.org. {HINFO}"], rcode=SERVFAIL),
    "any: a proof": any_pair([f"www.example.org. {HINFO}"], [NSEC]),
    "any-alias: another target": any_alias_pair(["www.example.org. 300 CNAME b.example.net."]),
    "any-alias: more data": any_alias_pair([ALIAS, FORGED]),
    "any-alias: another ttl": any_alias_pair(["www.example.org. 86400 CNAME a.example.net."]),
    "any-alias: a proof": any_alias_pair([ALIAS], [NSEC]),
    "both cut: a record from nowhere": cut_pair([ALIAS, FORGED]),
    "both cut: a record of another name": cut_pair([ALIAS, "b.example.net. 300 A 192.0.2.1"]),
    "both cut: another alias": cut_pair(["www.example.org. 300 CNAME evil.example.net."]),
    "both cut: no truth was asked for": replace(cut_pair([ALIAS, ADDRESS]), truth=None),
    "both cut: a soa from nowhere": replace(
        cut_pair([ALIAS]), ours=replace(cut_pair([ALIAS]).ours, denial=denial_pair(SOA).ours.denial)
    ),
    "ours cut: a record from nowhere": cut_pair([ALIAS, FORGED], theirs_cut=False),
    "ours cut: nothing was joined": cut_pair([], theirs_cut=False),
    "a proof of an alias: another's": proof_pair(["www.example.org. 60 NSEC z.example.org. A"], [NSEC]),
    "a proof of an alias: an address": proof_pair([NSEC, FORGED], [NSEC]),
    "a proof of an alias: none": proof_pair([], [NSEC]),
    "a proof of an alias: denied": proof_pair([NSEC], [NSEC], rcode=NXDOMAIN),
    "a zero octet: a name that exists": zero_pair(ZERO, [], ([f"{ZERO}. 300 A 192.0.2.1"], dns.rcode.NOERROR)),
    "a zero octet: a name that is denied, without alias": zero_pair(ZERO, [], ([], NXDOMAIN)),
    "a zero octet: an alias whose target exists": zero_pair(
        ZERO, [ZERO_ALIAS], ([ZERO_ALIAS, "a.example.org. 300 A 192.0.2.1"], dns.rcode.NOERROR)
    ),
    "a zero octet: an alias whose target exists in another zone": zero_pair(
        ZERO,
        [ZERO_ALIAS],
        ([ZERO_ALIAS], dns.rcode.NOERROR),
        (["a.example.org. 300 A 192.0.2.1"], dns.rcode.NOERROR),
    ),
    "a zero octet: another alias": zero_pair(ZERO, [f"{ZERO}. 300 CNAME b.example.org."], ([ZERO_ALIAS], NXDOMAIN)),
    "no zero octet": zero_pair("www.example.org", [ALIAS], ([ALIAS], NXDOMAIN)),
    "a long dname: more than the authority says": tree_pair([TREE, FORGED]),
    "a long dname: another": tree_pair(["example.org. 300 DNAME other.example.net."]),
    "a long dname: not denied": tree_pair([TREE], dns.rcode.NOERROR),
    "a chain: given up too early": chain_pair(16, None, CHAIN[:16]),
    "a chain: not to its end": chain_pair(12, CHAIN[:11], None),
    "a chain: with other links": chain_pair(12, [*CHAIN[:12], FORGED], None),
    "a chain: Unbound fails at a short one": chain_pair(10, CHAIN[:10], None),
    "a chain: both fail, ours with records": failed_pair([ADDRESS]),
    "a ttl: above the original": lasting_pair(604_801, 86_400, 604_800),
    "a ttl: above the original, below a day": lasting_pair(600, 300, 300),
    "a ttl: too low": lasting_pair(10, 300, 300),
    "a denial: its ttl above the original": denial_pair(with_ttl(SOA, 66)),
    "a denial: its ttl too low": denial_pair(with_ttl(SOA, 1)),
    "a denial: its long ttl above the original": denial_pair(
        with_ttl(LONG_SOA, 86_500), with_ttl(LONG_SOA, 3_600), LONG_SOA
    ),
    "a denial: of another zone": denial_pair(SOA.replace("example.org. 60", "org. 60")),
    "a denial: with other numbers": denial_pair(SOA.replace("86400 60", "86400 61")),
    "a denial: without soa": replace(denial_pair(SOA), ours=said(asked(), rcode=NXDOMAIN)),
    "a version of edns: with room for an answer": version_pair(1232),
    "class any: another refused": refusing_pair(asked(), REFUSED),
    "class any: denied": refusing_pair(CLASS_ANY, NXDOMAIN),
    "class any: a refusal with data": refusing_pair(CLASS_ANY, REFUSED, [OWN]),
    "class any: Unbound has what the authority has not": replace(
        refusing_pair(CLASS_ANY, REFUSED), truth=truth(asked())
    ),
    "a class of nobody: somebody answers it": failing_pair(CLASS_77, SERVFAIL, REFUSED, NOERROR),
    "a class of nobody: one that is served": failing_pair(asked(), SERVFAIL, REFUSED),
    "a class of nobody: denied": failing_pair(CLASS_77, NXDOMAIN, REFUSED),
    "a transfer: of an address": failing_pair(asked(), NOTIMP, REFUSED),
    "a transfer: a failure": failing_pair(OF_TRANSFER, SERVFAIL, REFUSED),
    "a transfer: authentic": failing_pair(OF_TRANSFER, NOTIMP, REFUSED, flags=dns.flags.AD),
    "mail: of an address": failing_pair(asked(), NOTIMP, FORMERR),
    "mail: a failure": failing_pair(OF_MAIL, SERVFAIL, FORMERR),
    "mail: without ra": failing_pair(OF_MAIL, NOTIMP, FORMERR, flags=dns.flags.RA),
    "a type without data: one that has some": failing_pair(asked(), FORMERR, FORMERR),
    "a type without data: authentic": failing_pair(OF_NXNAME, FORMERR, FORMERR, flags=dns.flags.AD),
    "a type without data: a failure": failing_pair(OF_NXNAME, SERVFAIL, FORMERR),
    "tkey: a denial by another zone": denying_pair(OF_TKEY, SOA.replace("example.org. 60", "org. 60")),
    "tkey: another type": denying_pair(asked(), SOA),
    "tc in a query: without it": answering_pair(asked(), [OWN]),
    "tc in a query: another address": answering_pair(WITH_TC, ["www.example.org. 300 A 203.0.113.9"]),
    "tc in a query: nothing of the answer": answering_pair(WITH_TC, []),
    "tc in a query: denied": answering_pair(WITH_TC, [OWN], NXDOMAIN),
    "tc in a query: kept in the reply's flags": answering_pair(WITH_TC, [OWN], flags=0x0040),
    "tc in a query: another question back": replace(
        answering_pair(WITH_TC, [OWN]), ours=replace(answering_pair(WITH_TC, [OWN]).ours, question=b"\0\0\1\0\1")
    ),
    "a record beside: nothing of the answer": answering_pair(WITH_BESIDE, []),
    "a record beside: itself in the answer": answering_pair(WITH_BESIDE, [OWN, ". 0 A 192.0.2.1"]),
    "octets behind: none": refusing_pair(asked(edns=Edns(1232)), FORMERR),
    "octets behind: with an opt that was not asked for": refusing_pair(
        replace(WITH_BEHIND, edns=None), FORMERR, edns=True
    ),
    "octets behind: an error with data": refusing_pair(WITH_BEHIND, FORMERR, [OWN]),
    "octets behind: a failure": refusing_pair(WITH_BEHIND, SERVFAIL),
    "an option past its end: one in order": refusing_pair(WELL_FORMED, FORMERR),
    "an option past its end: a failure": refusing_pair(WITH_PAST, SERVFAIL),
    "an option past its end: an error with data": refusing_pair(WITH_PAST, FORMERR, [OWN]),
    "a malformed subnet: one in order": refusing_pair(WELL_FORMED, FORMERR, edns=True),
    "a malformed subnet: without opt": refusing_pair(WITH_MALFORMED, FORMERR),
    "a malformed subnet: refused": refusing_pair(WITH_MALFORMED, REFUSED, edns=True),
}


def left(pair: Pair) -> bool:
    """Whether the two differ in something that no row of the table explains."""
    return bool(explained(pair, differing(pair, TOLERANCE_S))[1])


@pytest.mark.parametrize("row", [row.id for row in DIFFERENCES])
def test_a_row_explains_what_it_is_about(row: str) -> None:
    pair = MEANT[row]
    assert differing(pair, TOLERANCE_S)
    rows, unexplained = explained(pair, differing(pair, TOLERANCE_S))
    assert (set(rows), set(unexplained)) == ({row}, set())


@pytest.mark.parametrize("pair", WRONG.values(), ids=list(WRONG))
def test_what_is_wrong_is_left_without_explanation(pair: Pair) -> None:
    assert left(pair)


def test_replies_that_are_equal_do_not_differ() -> None:
    pair = denial_pair(SOA)
    assert differing(pair, TOLERANCE_S) == set()
    assert differing(denial_pair(with_ttl(SOA, 56)), TOLERANCE_S) == set()


def test_the_odd_questions_are_each_of_its_own_and_of_every_kind() -> None:
    odd = odd_questions()
    assert len(set(odd)) == len(odd)
    for name in NAMES:
        for stream in (False, True):
            of_both = [each for each in odd if (each.name, each.stream) == (name, stream)]
            assert {each.qclass for each in of_both} == {*CLASSES, dns.rdataclass.IN}
            assert {each.qtype for each in of_both} == {*TYPES, dns.rdatatype.A}
            assert {each.flags for each in of_both} == {*FLAGS, 0}
            assert {each.additional for each in of_both} == {(RECORD,), (SIGNATURE,), ()}
            assert {each.behind for each in of_both} == {BEHIND, b""}
            options = {each.edns.options for each in of_both if each.edns is not None}
            assert options == {PAST_ITS_END, MALFORMED_SUBNET, b""}


@pytest.mark.parametrize("edns", [None, Edns(1232, do=True)])
def test_a_message_is_what_is_asked(edns: Edns | None) -> None:
    odd = replace(asked(edns=edns), qclass=77, qtype=TKEY, flags=int(dns.flags.TC), additional=(RECORD, SIGNATURE))
    read = dns.message.from_wire(odd.wire(), keyring=False)
    (question,) = read.question
    assert (question.rdclass, question.rdtype, read.flags) == (77, TKEY, dns.flags.TC | dns.flags.RD)
    assert [str(record) for record in read.additional] == [". 0 IN A 192.0.2.1"]
    assert read.had_tsig
    assert read.edns == (-1 if edns is None else 0)
    assert replace(odd, behind=BEHIND).wire() == odd.wire() + BEHIND


def test_the_truth_goes_from_zone_to_zone_until_there_is_an_end() -> None:
    to = asked()
    zones = {
        "www.example.org.": [ALIAS],
        "a.example.net.": ["a.example.net. 300 CNAME b.example.net.", "b.example.net. 300 CNAME c.example.com."],
        "c.example.com.": ["c.example.com. 300 A 192.0.2.1"],
    }

    def reply(question: Asked) -> bytes:
        name = dns.message.from_wire(question.wire()).question[0].name.to_text()
        return said(question, zones[name]).message

    (found,) = walked(lambda questions: [reply(each) for each in questions], [to])
    assert [len(each.answer) for each in found.replies] == [1, 2, 1]
    assert found.holds(said(to, [ALIAS, zones["c.example.com."][0]]))
    assert not found.holds(said(to, [ALIAS, "c.example.com. 300 A 192.0.2.2"]))


def test_the_truth_of_a_loop_has_an_end() -> None:
    names = ("a.example.org.", "b.example.net.")

    def reply(question: Asked) -> bytes:
        name = dns.message.from_wire(question.wire()).question[0].name.to_text()
        other = names[1 - names.index(name)]
        return said(question, [f"{name} 300 CNAME {other}"]).message

    (found,) = walked(lambda questions: [reply(each) for each in questions], [asked("a.example.org")])
    assert len(found.replies) == 2
