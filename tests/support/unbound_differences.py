"""A table of the differences between our answers and Unbound's, with reasons. A difference without a row is a fault."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import dns.flags
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from tests.support.odd_questions import (
    AXFR,
    BEHIND,
    IXFR,
    MAILA,
    MAILB,
    MALFORMED_SUBNET,
    NXNAME,
    PAST_ITS_END,
    TKEY,
    TSIG,
)
from tests.support.reply_comparison import Aspect, Pair, RecordSet, Seen

LONGEST_TTL_S: Final = 86_400
"""Unbound's default maximum for a TTL (cache-max-ttl)."""
FOLLOWED: Final = 11
"""The number of aliases that Unbound follows in any case (its MAX_RESTART_COUNT)."""
OURS_FOLLOWED: Final = 16
"""The number of aliases that we follow."""
_NO_MORE: Final = frozenset({b"\x07RFC8482\0"})
"""The data of the HINFO record that stands for all types (RFC 8482 section 4.2)."""
_NO_MORE_S: Final = 3_789
_RECORDS: Final = frozenset({Aspect.ANSWER, Aspect.DENIAL, Aspect.PROOFS})
_FORM: Final = frozenset({Aspect.FLAGS, Aspect.EDNS})
"""What Unbound's errors lack if it reads no further than the question: RA and OPT."""
_OUR_PAYLOAD: Final = 1232
_KNOWN_CLASSES: Final = frozenset({dns.rdataclass.IN, dns.rdataclass.CH, dns.rdataclass.NONE, dns.rdataclass.ANY})
"""IN is served. The other classes are refused here."""
_ALIAS_PROOFS: Final = frozenset({int(dns.rdatatype.RRSIG), int(dns.rdatatype.NSEC)})


@dataclass(frozen=True, slots=True)
class Difference:
    """An intended difference: the aspects that it explains, and the pairs in which it applies."""

    id: str
    what: str
    reason: str
    aspects: frozenset[Aspect]
    holds: Callable[[Pair], bool]


def explained(pair: Pair, found: Iterable[Aspect]) -> tuple[frozenset[str], frozenset[Aspect]]:
    """Return the ids of the rows that explain some of the aspects found, and the aspects that no row explains."""
    left = frozenset(found)
    rows = [row for row in DIFFERENCES if row.aspects & left and row.holds(pair)]
    return frozenset(row.id for row in rows), left.difference(*(row.aspects for row in rows))


def _owned(seen: Seen, rtype: int) -> int:
    """Return how many names have records of that type in the answer section."""
    return sum(found == rtype for _, found, _ in seen.answer)


def _any(pair: Pair) -> bool:
    ours = pair.ours
    alone = [(rtype, data) for (_, rtype, _), data in ours.answer.items()] == [(int(dns.rdatatype.HINFO), _NO_MORE)]
    plain = ours.rcode == dns.rcode.NOERROR and not (ours.denial or ours.proofs)
    plain = plain and pair.theirs.rcode != dns.rcode.NXDOMAIN
    return pair.asked.qtype == dns.rdatatype.ANY and alone and plain and set(ours.ttls.values()) == {_NO_MORE_S}


def _any_alias(pair: Pair) -> bool:
    """Return whether ours is the alias, with its DNAME and signatures, and part of theirs."""
    known = all(pair.theirs.answer.get(key) == data for key, data in pair.ours.answer.items())
    dname = {int(dns.rdatatype.DNAME)}
    alone = {covered or rtype for _, rtype, covered in pair.ours.answer} - dname == {int(dns.rdatatype.CNAME)}
    return pair.asked.qtype == dns.rdatatype.ANY and alone and known and not (pair.ours.denial or pair.ours.proofs)


def _any_signed(pair: Pair) -> bool:
    """Return whether ours is the zone's own denial of CNAME, with its proofs."""
    asked = pair.asked.qtype == dns.rdatatype.ANY and pair.asked.do
    return asked and bool(pair.ours.proofs) and not pair.ours.answer and _is_all(pair)


def _both_cut(pair: Pair) -> bool:
    return pair.ours.cut and pair.theirs.cut and _is_true(pair)


def _fuller(pair: Pair) -> bool:
    """Return whether ours is a correct but cut chain, and theirs fills more than a third of the client's limit."""
    asked = pair.asked
    limit = 512 if asked.edns is None else min(max(asked.edns.payload, 512), 1232)
    legs = _owned(pair.ours, dns.rdatatype.CNAME)
    fuller = not asked.stream and pair.ours.cut and legs > 0 and len(pair.theirs.message) > limit - 64
    return fuller and _is_true(pair)


def _is_true(pair: Pair) -> bool:
    """Return whether ours ends with the authority's rcode, and has only records of the authority."""
    truth = pair.truth
    return truth is not None and pair.ours.rcode == truth.last.rcode and truth.holds(pair.ours)


def _is_all(pair: Pair) -> bool:
    """Return whether ours is the authority's answer, or a cut part of it."""
    truth = pair.truth
    if truth is None or not _is_true(pair):
        return False
    complete = pair.ours.answer == truth.answer and pair.ours.denial == truth.last.denial
    return complete or pair.ours.cut


def _proof_of_alias(pair: Pair) -> bool:
    further = _owned(pair.theirs, dns.rdatatype.CNAME) > _owned(pair.ours, dns.rdatatype.CNAME)
    followed = further or pair.theirs.rcode == dns.rcode.SERVFAIL
    return pair.asked.qtype in _ALIAS_PROOFS and followed and _is_all(pair)


def _lasting(pair: Pair) -> bool:
    truth = pair.truth
    if truth is None or any(ttl > truth.ttls.get(key, 0) for key, ttl in pair.ours.ttls.items()):
        return False
    return _lowered(pair.ours.ttls, pair.theirs.ttls, LONGEST_TTL_S)


def _lowered(ours: Mapping[RecordSet, int], theirs: Mapping[RecordSet, int], longest_s: int) -> bool:
    """Return whether Unbound has lowered a TTL of ours to its maximum."""
    return any(ttl > longest_s >= theirs.get(key, 0) for key, ttl in ours.items())


def _version_without_payload(pair: Pair) -> bool:
    edns = pair.asked.edns
    return edns is not None and edns.version > 0 and edns.payload == 0 and _fails(pair, dns.rcode.BADVERS)


def _long_chain(pair: Pair) -> bool:
    """Return whether ours holds the aliases that are followed, or theirs gives up and ours is complete or cut."""
    if pair.truth is None:
        return False
    aliases = sum(rtype == dns.rdatatype.CNAME for _, rtype, _ in pair.truth.answer)
    if aliases <= OURS_FOLLOWED:
        return aliases >= FOLLOWED and pair.theirs.rcode == dns.rcode.SERVFAIL and _is_all(pair)
    followed = _owned(pair.ours, dns.rdatatype.CNAME) == OURS_FOLLOWED + 1 or pair.ours.cut
    part = followed and pair.ours.rcode == dns.rcode.NOERROR and not pair.ours.denial
    return part and pair.truth.holds(pair.ours)


def _part_of_failure(pair: Pair) -> bool:
    return pair.ours.rcode == pair.theirs.rcode == dns.rcode.SERVFAIL and not pair.ours.answer


def _denied_target(pair: Pair) -> bool:
    """Return whether Knot denies the target of an alias below a wildcard, and we pass this on.

    Knot does so for names with a zero byte in a label.
    """
    known = all(pair.theirs.answer.get(key) == data for key, data in pair.ours.answer.items())
    otherwise = known if pair.theirs.rcode == dns.rcode.NOERROR else not pair.theirs.answer
    denied = pair.ours.rcode == dns.rcode.NXDOMAIN and b"\0" in pair.asked.name[:-1]
    aliases = _owned(pair.ours, dns.rdatatype.CNAME) + _owned(pair.ours, dns.rdatatype.DNAME)
    return denied and otherwise and aliases > 0 and _is_all(pair)


def _too_long_for_tree(pair: Pair) -> bool:
    fails = pair.theirs.rcode == dns.rcode.SERVFAIL and _owned(pair.ours, dns.rdatatype.DNAME) > 0
    return fails and _owned(pair.ours, dns.rdatatype.CNAME) == 0 and _is_all(pair)


def _bare(seen: Seen) -> bool:
    return not (seen.answer or seen.denial or seen.proofs or seen.cut)


def _in_form(pair: Pair, *, opt: bool = True) -> bool:
    """Return whether ours has the required question and flags, and an OPT if the client had one and `opt` is true."""
    asked, ours = pair.asked, pair.ours
    flags = dns.flags.QR | dns.flags.RA | asked.rd * dns.flags.RD | asked.cd * dns.flags.CD
    edns = (0, asked.do, _OUR_PAYLOAD) if opt and asked.edns is not None else None
    return (ours.flags, ours.question, ours.edns) == (flags, asked.question, edns)


def _fails(pair: Pair, rcode: dns.rcode.Rcode, *, opt: bool = True) -> bool:
    """Return whether ours is an error of that kind, without records and in the required form."""
    return pair.ours.rcode == rcode and _bare(pair.ours) and _in_form(pair, opt=opt)


def _referral(pair: Pair) -> bool:
    """Return whether the authority refers the last name to other servers, and Unbound passes that on."""
    if pair.truth is None or pair.theirs.rcode != dns.rcode.NOERROR:
        return False
    last = pair.truth.last
    referred = last.rcode == dns.rcode.NOERROR and not (last.answer or last.denial)
    return referred and _fails(pair, dns.rcode.SERVFAIL)


def _refused(pair: Pair, rcode: dns.rcode.Rcode) -> bool:
    """Return whether theirs is an error of that kind, without records."""
    return pair.theirs.rcode == rcode and _bare(pair.theirs)


def _reports(seen: Seen, pair: Pair) -> bool:
    """Return whether a reply says all that the authority says, and nothing else."""
    truth = pair.truth
    if truth is None or seen.cut:
        return False
    last = truth.last
    said = (seen.rcode, seen.answer, seen.denial, seen.proofs)
    return said == (last.rcode, truth.answer, last.denial, last.proofs)


def _answers_what_they_refuse(pair: Pair) -> bool:
    return _reports(pair.ours, pair) and _in_form(pair) and _refused(pair, dns.rcode.FORMERR)


def _class_any(pair: Pair) -> bool:
    asked_any = pair.asked.qclass == dns.rdataclass.ANY
    return asked_any and _fails(pair, dns.rcode.REFUSED) and _reports(pair.theirs, pair)


def _class_of_nobody(pair: Pair) -> bool:
    nobody = pair.truth is not None and pair.truth.own.rcode == dns.rcode.REFUSED
    passed_on = pair.asked.qclass not in _KNOWN_CLASSES and nobody
    return passed_on and _fails(pair, dns.rcode.SERVFAIL) and _refused(pair, dns.rcode.REFUSED)


def _transfer(pair: Pair) -> bool:
    asked = pair.asked.qtype in (AXFR, IXFR)
    return asked and _fails(pair, dns.rcode.NOTIMP) and _refused(pair, dns.rcode.REFUSED)


def _unsupported(pair: Pair) -> bool:
    asked = pair.asked.qtype in (MAILA, MAILB, TKEY)
    return asked and _fails(pair, dns.rcode.NOTIMP) and _refused(pair, dns.rcode.FORMERR)


def _no_data_type(pair: Pair) -> bool:
    asked = pair.asked.qtype in (dns.rdatatype.OPT, NXNAME, TSIG)
    return asked and _fails(pair, dns.rcode.FORMERR) and _refused(pair, dns.rcode.FORMERR)


def _query_with_tc(pair: Pair) -> bool:
    return pair.asked.flags == dns.flags.TC and _answers_what_they_refuse(pair)


def _record_after(pair: Pair) -> bool:
    return bool(pair.asked.additional) and _answers_what_they_refuse(pair)


def _bytes_behind(pair: Pair) -> bool:
    behind = pair.asked.behind == BEHIND
    return behind and _fails(pair, dns.rcode.FORMERR, opt=False) and _reports(pair.theirs, pair)


def _option_past_its_end(pair: Pair) -> bool:
    past = pair.asked.edns is not None and pair.asked.edns.options == PAST_ITS_END
    return past and _fails(pair, dns.rcode.FORMERR, opt=False) and _reports(pair.theirs, pair)


def _malformed_subnet(pair: Pair) -> bool:
    malformed = pair.asked.edns is not None and pair.asked.edns.options == MALFORMED_SUBNET
    return malformed and _fails(pair, dns.rcode.FORMERR) and _reports(pair.theirs, pair)


DIFFERENCES: Final = (
    Difference(
        "any",
        "ANY of a name that exists and is no alias is answered with one HINFO record",
        "RFC 8482 section 4.2: no amplifier for whoever forges addresses; Unbound passes the question on",
        frozenset({Aspect.ANSWER, Aspect.RCODE, Aspect.DENIAL, Aspect.CUT, Aspect.TTL, Aspect.PROOFS}),
        _any,
    ),
    Difference(
        "any-alias",
        "ANY of an alias is answered with the alias alone",
        "RFC 8482 section 4.2: it is what the name has of type CNAME; Unbound passes the question on",
        frozenset({Aspect.ANSWER, Aspect.CUT}),
        _any_alias,
    ),
    Difference(
        "any-signed",
        "with DO, ANY of a name in a signed zone that is no alias is answered with the signed denial of CNAME",
        "RFC 8482 section 4: a validator takes an unsigned record for bogus; Unbound passes the question on",
        frozenset({Aspect.ANSWER, Aspect.DENIAL, Aspect.CUT, Aspect.PROOFS}),
        _any_signed,
    ),
    Difference(
        "cut",
        "a truncated answer holds other records",
        "we cut between records, Unbound between sets; a client asks again over TCP (RFC 2181 section 9)",
        frozenset({Aspect.ANSWER, Aspect.DENIAL, Aspect.PROOFS}),
        _both_cut,
    ),
    Difference(
        "joined",
        "an answer put together from several is truncated earlier",
        "no name shares the end of the question there, whose spelling is the client's; over TCP the client gets all",
        frozenset({Aspect.CUT, Aspect.ANSWER, Aspect.DENIAL, Aspect.PROOFS}),
        _fuller,
    ),
    Difference(
        "alias-proofs",
        "RRSIG and NSEC of an alias are not looked for at its target",
        "both belong to the alias itself (RFC 4035 section 2.5); Unbound follows the alias for any type but CNAME",
        frozenset({Aspect.ANSWER, Aspect.RCODE, Aspect.DENIAL, Aspect.CUT, Aspect.PROOFS}),
        _proof_of_alias,
    ),
    Difference(
        "long-ttl",
        "a TTL of more than a day is passed on, up to a week",
        "RFC 8767 section 4 recommends a week; we keep nothing longer than a day, and Unbound lowers it to that",
        frozenset({Aspect.TTL}),
        _lasting,
    ),
    Difference(
        "badvers",
        "an unknown version of EDNS with a payload size of 0 is BADVERS",
        "RFC 6891 section 6.1.3; Unbound drops an OPT with the size 0 before it looks at the version",
        frozenset({Aspect.RCODE, Aspect.EDNS}),
        _version_without_payload,
    ),
    Difference(
        "long-chain",
        f"of chains of {FOLLOWED} aliases and more the end or the first part is missing in others",
        "ours is a fixed bound: 16 aliases, of which 8 lead to another answer; Unbound's depends on what it has kept",
        frozenset({Aspect.RCODE, Aspect.ANSWER, Aspect.DENIAL, Aspect.CUT, Aspect.PROOFS}),
        _long_chain,
    ),
    Difference(
        "failed-part",
        "SERVFAIL for a chain without end has no records",
        "Unbound leaves in the answer what it had walked, which means nothing to a client",
        frozenset({Aspect.ANSWER, Aspect.CUT}),
        _part_of_failure,
    ),
    Difference(
        "referral",
        "a referral is SERVFAIL",
        "it says nothing about the name (RFC 1034 section 5.3.3); to a stub, the NOERROR of Unbound is a denial",
        frozenset({Aspect.RCODE}) | _RECORDS,
        _referral,
    ),
    Difference(
        "denied-target",
        "what the upstream denies of an alias's target is believed",
        "Knot 3.4 denies it wrongly for names with a zero byte below a wildcard; Unbound asks for each target again",
        frozenset({Aspect.RCODE, Aspect.ANSWER, Aspect.DENIAL, Aspect.PROOFS}),
        _denied_target,
    ),
    Difference(
        "long-dname",
        "a name that a DNAME would make too long gets the upstream's answer",
        "Knot 3.4 says NXDOMAIN where RFC 6672 section 2.2 says YXDOMAIN; Unbound fails, as it can make no CNAME",
        frozenset({Aspect.RCODE, Aspect.ANSWER, Aspect.DENIAL, Aspect.CUT, Aspect.PROOFS}),
        _too_long_for_tree,
    ),
    Difference(
        "class-any",
        "class ANY is refused",
        "it means every class (RFC 1035 section 3.2.5) and must not lead around a ban; Unbound passes it on",
        frozenset({Aspect.RCODE}) | _RECORDS,
        _class_any,
    ),
    Difference(
        "class-of-nobody",
        "a class that the upstream refuses is SERVFAIL",
        "it was asked (RFC 5625 section 4.3) and nobody answered; Unbound forwards IN alone and refuses others",
        frozenset({Aspect.RCODE}),
        _class_of_nobody,
    ),
    Difference(
        "transfer",
        "AXFR and IXFR are NOTIMP",
        "a kind of query that is not supported (RFC 1035 section 4.1.1), whoever asks; Unbound says REFUSED",
        frozenset({Aspect.RCODE}) | _FORM,
        _transfer,
    ),
    Difference(
        "unsupported",
        "MAILB, MAILA and TKEY are NOTIMP",
        "they are well-formed and not supported (RFC 1035 sections 3.2.3 and 4.1.1, RFC 2930); Unbound says FORMERR",
        frozenset({Aspect.RCODE}) | _FORM,
        _unsupported,
    ),
    Difference(
        "no-data-type",
        "FORMERR for the types OPT, NXNAME and TSIG has RA, and an OPT for who sent one",
        "RFC 1035 section 4.1.1 and RFC 6891 section 6.1.1 ask for both; Unbound leaves them out",
        _FORM,
        _no_data_type,
    ),
    Difference(
        "tc-in-query",
        "a query with TC is answered",
        "no flag keeps a query from its answer (RFC 5625 section 4.1); Unbound says FORMERR, by a header alone",
        frozenset({Aspect.RCODE, Aspect.QUESTION}) | _RECORDS | _FORM,
        _query_with_tc,
    ),
    Difference(
        "record-after",
        "a query with a record next to its OPT, signed or not, is answered",
        "no additional record keeps a query from its answer (RFC 5625 section 4.1); Unbound says FORMERR",
        frozenset({Aspect.RCODE, Aspect.QUESTION}) | _RECORDS | _FORM,
        _record_after,
    ),
    Difference(
        "bytes-behind",
        "bytes behind the last record are FORMERR",
        "no section is there (RFC 1035 section 4.1): what is decided on is all that others see; Unbound skips them",
        frozenset({Aspect.RCODE, Aspect.EDNS}) | _RECORDS,
        _bytes_behind,
    ),
    Difference(
        "option-past-its-end",
        "an option that is longer than its OPT is FORMERR, without OPT",
        "it cannot be read (RFC 6891 section 6.1.2), so that no OPT is known; Unbound takes the OPT without it",
        frozenset({Aspect.RCODE, Aspect.EDNS}) | _RECORDS,
        _option_past_its_end,
    ),
    Difference(
        "malformed-subnet",
        "a malformed client subnet is FORMERR",
        "RFC 7871 section 6 asks for it; Unbound leaves the option unread",
        frozenset({Aspect.RCODE}) | _RECORDS,
        _malformed_subnet,
    ),
)
