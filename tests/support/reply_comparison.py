"""Two resolvers' replies to one question, and the differences that a client could notice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final, TypeAlias

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset

from tests.support.questions import Asked

RecordSet: TypeAlias = tuple[bytes, int, int]
"""Owner in folded wire form, type, and the type that a signature covers, or 0."""
_COMPARED_FLAGS: Final = dns.flags.QR | dns.flags.RD | dns.flags.RA | dns.flags.AD | dns.flags.CD | 0x7800 | 0x0040
_PROOFS: Final = frozenset({dns.rdatatype.NSEC, dns.rdatatype.NSEC3})


class Aspect(Enum):
    """What can differ."""

    RCODE = "rcode"
    FLAGS = "flags"
    CUT = "tc"
    QUESTION = "question"
    ANSWER = "answer"
    TTL = "ttl"
    DENIAL = "soa of a denial"
    DENIAL_TTL = "ttl of the soa of a denial"
    PROOFS = "nsec and nsec3"
    EDNS = "edns"


@dataclass(frozen=True, slots=True)
class Seen:
    """The compared parts of a reply: names without regard to case (RFC 4343), data in its canonical form.

    `ttls` are those of the answer. `denial` is the SOA in the authority section, and `denial_ttls` its TTL. `proofs`
    are the NSEC and NSEC3 records there, with their signatures. `edns` is version, DO and payload.
    """

    rcode: int
    flags: int
    cut: bool
    question: bytes
    answer: Mapping[RecordSet, frozenset[bytes]]
    ttls: Mapping[RecordSet, int]
    denial: Mapping[RecordSet, frozenset[bytes]]
    denial_ttls: Mapping[RecordSet, int]
    proofs: Mapping[RecordSet, frozenset[bytes]]
    edns: tuple[int, bool, int] | None
    message: bytes

    @property
    def text(self) -> str:
        """Return the message as text."""
        return dns.message.from_wire(self.message).to_text()


@dataclass(frozen=True, slots=True)
class Truth:
    """What the authority answers to a question: its own reply, then one reply for each alias that leaves the zone."""

    replies: tuple[Seen, ...]

    @property
    def own(self) -> Seen:
        """Return the reply to the question itself."""
        return self.replies[0]

    @property
    def last(self) -> Seen:
        """Return the reply at the end of all aliases. It shows whether the data exists."""
        return self.replies[-1]

    @property
    def answer(self) -> dict[RecordSet, frozenset[bytes]]:
        """Return the answers of all replies."""
        return {key: data for reply in self.replies for key, data in reply.answer.items()}

    @property
    def ttls(self) -> dict[RecordSet, int]:
        """Return the TTLs of `answer`."""
        return {key: ttl for reply in self.replies for key, ttl in reply.ttls.items()}

    def holds(self, seen: Seen) -> bool:
        """Return whether the authority has every record of a reply."""
        proofs = {key: data for reply in self.replies for key, data in reply.proofs.items()}
        compared = ((seen.answer, self.answer), (seen.denial, self.last.denial), (seen.proofs, proofs))
        return all(data <= known.get(key, frozenset()) for found, known in compared for key, data in found.items())


@dataclass(frozen=True, slots=True)
class Pair:
    """The replies of both resolvers to one question, and the truth if it was asked for."""

    asked: Asked
    ours: Seen
    theirs: Seen
    truth: Truth | None = None

    def __str__(self) -> str:
        return f"question: {self.asked.text}\n--- ours\n{self.ours.text}\n--- theirs\n{self.theirs.text}\n"


@lru_cache(maxsize=1 << 16)
def seen(message: bytes) -> Seen:
    """Read a reply with dnspython, which raises on any error, except in the signature of a TSIG."""
    found = dns.message.from_wire(message, keyring=False)
    soas = [rrset for rrset in found.authority if rrset.rdtype == dns.rdatatype.SOA]
    end = 12 + len(found.question[0].name.to_digestable()) + 4 if found.question else 12
    return Seen(
        rcode=int(found.rcode()),
        flags=int(found.flags) & _COMPARED_FLAGS,
        cut=bool(found.flags & dns.flags.TC),
        question=message[12:end],
        answer=_sets(found.answer),
        ttls={_key(rrset): rrset.ttl for rrset in found.answer},
        denial=_sets(soas),
        denial_ttls={_key(rrset): rrset.ttl for rrset in soas},
        proofs=_sets(rrset for rrset in found.authority if (rrset.covers or rrset.rdtype) in _PROOFS),
        edns=(found.edns, bool(found.ednsflags & dns.flags.DO), found.payload) if found.edns >= 0 else None,
        message=message,
    )


def differing(pair: Pair, tolerance_s: int) -> set[Aspect]:
    """Return the aspects in which the two differ. A TTL differs if the distance exceeds `tolerance_s`."""
    ours, theirs = pair.ours, pair.theirs
    compared = (
        (Aspect.RCODE, ours.rcode == theirs.rcode),
        (Aspect.FLAGS, ours.flags == theirs.flags),
        (Aspect.CUT, ours.cut == theirs.cut),
        (Aspect.QUESTION, ours.question == theirs.question),
        (Aspect.ANSWER, ours.answer == theirs.answer),
        (Aspect.DENIAL, ours.denial == theirs.denial),
        (Aspect.PROOFS, ours.proofs == theirs.proofs),
        (Aspect.EDNS, ours.edns == theirs.edns),
    )
    found = {aspect for aspect, same in compared if not same}
    ttls = ((Aspect.TTL, ours.ttls, theirs.ttls), (Aspect.DENIAL_TTL, ours.denial_ttls, theirs.denial_ttls))
    for aspect, mine, other in ttls:
        if any(abs(ttl - other.get(key, ttl)) > tolerance_s for key, ttl in mine.items()):
            found.add(aspect)
    return found


def _sets(rrsets: Iterable[dns.rrset.RRset]) -> dict[RecordSet, frozenset[bytes]]:
    return {_key(rrset): frozenset(rdata.to_digestable() for rdata in rrset) for rrset in rrsets}


def _key(rrset: dns.rrset.RRset) -> RecordSet:
    return _folded(rrset.name), int(rrset.rdtype), int(rrset.covers)


def _folded(name: dns.name.Name) -> bytes:
    return name.to_digestable()
