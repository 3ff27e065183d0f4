"""Where our answers differ from Unbound's, and why: a table. What no row explains is a fault."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import dns.rcode
import dns.rdatatype

from tests.support.comparing import Aspect, Pair, Seen

LONGEST_TTL_S: Final = 86_400
"""The most that Unbound lets a TTL be, unless configured (cache-max-ttl)."""
FOLLOWED: Final = 11
"""Aliases that Unbound follows in any case (its MAX_RESTART_COUNT)."""
_ALIAS_PROOFS: Final = frozenset({int(dns.rdatatype.RRSIG), int(dns.rdatatype.NSEC)})


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference that is meant: which aspects it explains, and in which pairs."""

    id: str
    what: str
    reason: str
    aspects: frozenset[Aspect]
    holds: Callable[[Pair], bool]


def explained(pair: Pair, found: Iterable[Aspect]) -> tuple[frozenset[str], frozenset[Aspect]]:
    """The rows that hold for a pair and explain some of what was found, and what is left without explanation."""
    left = frozenset(found)
    rows = [row for row in DIFFERENCES if row.aspects & left and row.holds(pair)]
    return frozenset(row.id for row in rows), left.difference(*(row.aspects for row in rows))


def _owned(seen: Seen, rtype: int) -> int:
    """How many names have records of that type in the answer section."""
    return sum(found == rtype for _, found, _ in seen.answer)


def _any(pair: Pair) -> bool:
    types = [rtype for _, rtype, _ in pair.ours.answer]
    return pair.asked.qtype == dns.rdatatype.ANY and types == [dns.rdatatype.HINFO]


def _both_cut(pair: Pair) -> bool:
    return pair.ours.cut and pair.theirs.cut


def _fuller(pair: Pair) -> bool:
    """Ours is cut; theirs fills a third of what the client takes, at least, where ours takes more."""
    asked = pair.asked
    limit = 512 if asked.edns is None else min(max(asked.edns.payload, 512), 1232)
    legs = _owned(pair.ours, dns.rdatatype.CNAME)
    return not asked.stream and pair.ours.cut and legs > 0 and len(pair.theirs.message) > limit // 3


def _proof_of_alias(pair: Pair) -> bool:
    further = _owned(pair.theirs, dns.rdatatype.CNAME) > _owned(pair.ours, dns.rdatatype.CNAME)
    return pair.asked.qtype in _ALIAS_PROOFS and (further or pair.theirs.rcode == dns.rcode.SERVFAIL)


def _lasting(pair: Pair) -> bool:
    return any(
        ttl > LONGEST_TTL_S and pair.theirs.ttls.get(key, 0) <= LONGEST_TTL_S for key, ttl in pair.ours.ttls.items()
    )


def _version_without_payload(pair: Pair) -> bool:
    edns = pair.asked.edns
    return edns is not None and edns.version > 0 and edns.payload == 0 and pair.ours.rcode == dns.rcode.BADVERS


def _long_chain(pair: Pair) -> bool:
    """One gives up where the other gets to the end, or as far as a cut answer shows."""
    failed = [seen.rcode == dns.rcode.SERVFAIL for seen in (pair.ours, pair.theirs)]
    other = pair.theirs if failed[0] else pair.ours
    aliases = _owned(other, dns.rdatatype.CNAME)
    return sum(failed) == 1 and (aliases >= FOLLOWED or (other.cut and aliases > 0))


def _part_of_failure(pair: Pair) -> bool:
    return pair.ours.rcode == pair.theirs.rcode == dns.rcode.SERVFAIL and not pair.ours.answer


def _denied_target(pair: Pair) -> bool:
    """Knot takes the target of an alias below a wildcard for absent when the name has a label with a zero octet."""
    known = all(pair.theirs.answer.get(key) == data for key, data in pair.ours.answer.items())
    otherwise = known if pair.theirs.rcode == dns.rcode.NOERROR else not pair.theirs.answer
    return pair.ours.rcode == dns.rcode.NXDOMAIN and otherwise and b"\0" in pair.asked.name[:-1]


def _too_long_for_tree(pair: Pair) -> bool:
    fails = pair.theirs.rcode == dns.rcode.SERVFAIL and _owned(pair.ours, dns.rdatatype.DNAME) > 0
    return fails and _owned(pair.ours, dns.rdatatype.CNAME) == 0


DIFFERENCES: Final = (
    Difference(
        "any",
        "ANY is answered with one HINFO record",
        "RFC 8482 section 4.2: no amplifier for whoever forges addresses; Unbound passes the question on",
        frozenset({Aspect.ANSWER, Aspect.RCODE, Aspect.DENIAL, Aspect.CUT, Aspect.TTL, Aspect.PROOFS}),
        _any,
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
        "only owners are compressed where records of several answers meet; over TCP the client gets all",
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
        "a TTL of more than a day is passed on as it is",
        "we keep nothing longer than a day, but the owner's word to clients is not ours to change; Unbound lowers it",
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
        f"of chains of {FOLLOWED} aliases and more others are given up",
        "ours is a fixed bound: 16 aliases, of which 8 lead to another answer; Unbound's depends on what it has kept",
        frozenset({Aspect.RCODE, Aspect.ANSWER, Aspect.DENIAL, Aspect.CUT, Aspect.PROOFS}),
        _long_chain,
    ),
    Difference(
        "failed-part",
        "SERVFAIL for a chain without end has no records",
        "Unbound leaves in the answer what it had walked, which tells a client nothing",
        frozenset({Aspect.ANSWER, Aspect.CUT}),
        _part_of_failure,
    ),
    Difference(
        "denied-target",
        "what the upstream denies of an alias's target is believed",
        "Knot 3.4 denies it wrongly for names with a zero octet below a wildcard; Unbound asks for each target anew",
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
)
