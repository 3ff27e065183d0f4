"""What of an upstream's answer concerns the question: the chain of aliases, and a message that holds nothing else.

Reading, composing and their values live beside (`checker`, `compose`) and can be had from here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.checker import (
    ADDITIONAL,
    ANSWER,
    AUTHORITY,
    Answer,
    Record,
    check_message,
    parse_answer,
)
from dnsfilter.wire.compose import RawRecord, compose, raw
from dnsfilter.wire.iana import Class, Rcode, Type
from dnsfilter.wire.names import HEADER_SIZE, MAX_NAME, ROOT, is_at_or_below, parent
from dnsfilter.wire.query import FLAG_AD, HEADER, Question
from dnsfilter.wire.rdata import target_name

__all__ = [
    "ADDITIONAL",
    "ANSWER",
    "AUTHORITY",
    "MAX_STEPS",
    "Answer",
    "Chain",
    "RawRecord",
    "Record",
    "answer_ttl",
    "check_message",
    "compose",
    "follow",
    "join",
    "join_legs",
    "kept",
    "negative_ttl",
    "parse_answer",
    "raw",
    "without_additional",
    "without_opt",
]

MAX_STEPS: Final = 16
"""How many aliases are followed within one answer."""
_TYPES_WITH_TARGET: Final = frozenset({int(Type.CNAME), int(Type.DNAME), int(Type.SVCB), int(Type.HTTPS)})
_CNAME: Final = int(Type.CNAME)
_DNAME: Final = int(Type.DNAME)
_SERVICE_BINDINGS: Final = frozenset({int(Type.SVCB), int(Type.HTTPS)})
_RRSIG: Final = int(Type.RRSIG)
_SOA: Final = int(Type.SOA)
_SIG: Final = int(Type.SIG)
_TSIG: Final = int(Type.TSIG)
_ANY: Final = int(Type.ANY)
_DENIALS: Final = frozenset({int(Type.NSEC), int(Type.NSEC3)})
_PROOFS: Final = _DENIALS | {_RRSIG}


@dataclass(frozen=True, slots=True)
class Chain:
    """The part of an answer section that is reachable from the question.

    `targets` are the names that its CNAME, DNAME, SVCB and HTTPS records lead to, folded, in order, each once and
    without the question's own. `end` is the last owner on the chain of aliases. Not `complete`: an alias leads to
    `end`, about which the message says nothing. `endless`: the aliases loop, or are more than MAX_STEPS.
    """

    records: tuple[Record, ...]
    targets: tuple[bytes, ...]
    end: bytes
    complete: bool
    endless: bool


class _Walk:
    """A walk along the aliases of one answer section, from one question."""

    __slots__ = ("_answer", "_dnames", "_kept", "_owners", "_question", "_targets")

    def __init__(self, answer: Answer, question: Question) -> None:
        self._answer = answer
        self._question = question
        self._owners: dict[bytes, list[Record]] = {}
        self._dnames = False
        for record in answer.records:
            if record.section == ANSWER and question.qclass in (record.rclass, Class.ANY):
                self._owners.setdefault(record.owner, []).append(record)
                self._dnames = self._dnames or record.rtype == _DNAME
        # In the order reached, each once: records by where they start, targets as the keys.
        self._kept: dict[int, Record] = {}
        self._targets: dict[bytes, None] = {}

    def chain(self) -> Chain:
        """Walk until there is data, nothing, a loop or MAX_STEPS aliases."""
        owner = self._question.name
        seen = {owner}
        found = False
        complete = endless = False
        for _ in range(MAX_STEPS + 1):
            found = self._keep_data(owner)
            following = None if found else self._keep_alias(owner)
            if following is None:
                complete = found or len(seen) == 1 or self._is_denied(owner)
                break
            if following in seen:
                complete = endless = True
                break
            owner = following
            seen.add(owner)
        else:
            complete = endless = True
        self._targets.pop(self._question.name, None)
        return Chain(tuple(self._kept.values()), tuple(self._targets), owner, complete, endless)

    def _keep_data(self, owner: bytes) -> bool:
        """Keep the records of the asked type at `owner`; whether there were any."""
        qtype = self._question.qtype
        found = False
        for record in self._owners.get(owner, ()):
            if record.rtype == qtype or qtype == _ANY:
                found = True
                self._keep(record)
        if found and qtype not in (_ANY, _RRSIG):
            self._keep_signatures(owner, qtype)
        if found and self._dnames and qtype in (_CNAME, _ANY):
            # The CNAME that was asked for may be one made from a DNAME, which proves it.
            self._keep_dname(owner)
        return found

    def _keep_alias(self, owner: bytes) -> bytes | None:
        """Keep the CNAME at `owner`, the DNAME above it, and their signatures; the name they lead to."""
        substituted = self._keep_dname(owner) if self._dnames else None
        # One CNAME only: a second at the same name is against RFC 2181 section 10.1, and clients pick either.
        alias = next((record for record in self._owners.get(owner, ()) if record.rtype == _CNAME), None)
        if alias is None:
            return substituted
        self._keep(alias)
        self._keep_signatures(owner, _CNAME)
        return target_name(self._answer.message, _CNAME, alias.rdata)

    def _keep_dname(self, owner: bytes) -> bytes | None:
        """Keep the nearest DNAME above `owner`; the name that `owner` becomes by it, None without or if too long."""
        above = owner
        while above != ROOT:
            above = parent(above)
            dname = next((record for record in self._owners.get(above, ()) if record.rtype == _DNAME), None)
            if dname is None:
                continue
            self._keep(dname)
            self._keep_signatures(above, _DNAME)
            name = owner[: len(owner) - len(above)] + target_name(self._answer.message, _DNAME, dname.rdata)
            if len(name) > MAX_NAME:
                return None
            self._targets[name] = None
            return name
        return None

    def _keep(self, record: Record) -> None:
        self._kept[record.start] = record
        if record.rtype in _TYPES_WITH_TARGET:
            target = target_name(self._answer.message, record.rtype, record.rdata)
            # The root as TargetName stands for the owner (RFC 9460 section 2.5), which is on the chain already.
            if target != ROOT:
                self._targets[target] = None

    def _keep_signatures(self, owner: bytes, covered: int) -> None:
        message = self._answer.message
        for record in self._owners.get(owner, ()):
            if record.rtype == _RRSIG and int.from_bytes(message[record.rdata : record.rdata + 2], "big") == covered:
                self._kept[record.start] = record

    def _is_denied(self, owner: bytes) -> bool:
        """Whether the message says of `owner` that there is nothing, or failed, so that asking on is of no use."""
        if self._answer.rcode != Rcode.NOERROR:
            return True
        return any(
            record.section == AUTHORITY and record.rtype == _SOA and is_at_or_below(owner, record.owner)
            for record in self._answer.records
        )


def follow(answer: Answer, question: Question) -> Chain:
    """What of the answer section is reachable from the question; linear, however the records are ordered.

    At each owner: the data of the asked type with its signatures, else the CNAME there, else the nearest DNAME above
    (RFC 1034 section 3.6.2, RFC 6672 section 2.3). Loops and more than MAX_STEPS aliases end the walk as complete, and
    endless.
    """
    return _Walk(answer, question).chain()


def kept(answer: Answer, chain: Chain, do: bool) -> Answer:
    """The answer with only the chain in its answer section, one TTL in each RRset, and without OPT, TSIG and SIG(0).

    Without `do` it also loses the signatures and proofs that nobody asked for (RFC 4035 section 3.2.1). An answer about
    SVCB or HTTPS loses its additional section, in which a server may spare clients the questions about targets (RFC
    9460 section 4.2): they shall ask, and be told by what concerns those names.
    Upstream's octets stay as they are where nothing but a last OPT, or all from some record of answer or authority on,
    has to go and each alias stands before its target; else the message is composed anew, which raises MalformedMessage
    if it no longer fits.
    """
    qtype = answer.question.qtype
    answer = _levelled(answer, denial=not any(record.rtype == qtype or qtype == _ANY for record in chain.records))
    by_start = {record.start: record for record in answer.records}
    answers = [by_start[record.start] for record in chain.records]
    others = [r for r in answer.records if r.section != ANSWER and not _signs_message(answer.message, r)]
    if not do:
        answers, others = (
            [record for record in section if record.rtype not in _PROOFS or qtype in (record.rtype, _ANY)]
            for section in (answers, others)
        )
    if qtype in _SERVICE_BINDINGS:
        others = [record for record in others if record.section != ADDITIONAL]
    left = [*answers, *others]
    if qtype in (_CNAME, _ANY) or _is_in_order(answers):
        if len(left) == len(answer.records):
            return without_opt(answer)
        if {record.start for record in left} == {record.start for record in answer.records[: len(left)]}:
            return _cut_behind(answer, len(left))
    return _composed(answer, left)


def _cut_behind(answer: Answer, number: int) -> Answer:
    """The answer with its first records only: an OPT stands behind them, unless some are additional."""
    records = answer.records[:number]
    if records and records[-1].section == ADDITIONAL:
        return _composed(answer, records)
    end = records[-1].end if records else HEADER_SIZE + len(answer.question.wire)
    head = bytearray(answer.message[:end])
    counts = [sum(record.section == section for record in records) for section in (ANSWER, AUTHORITY)]
    HEADER.pack_into(head, 0, answer.id, answer.flags, 1, *counts, 0)
    return Answer(bytes(head), answer.id, answer.flags, answer.rcode, answer.question, records, None)


def _signs_message(message: bytes, record: Record) -> bool:
    """Whether it is a TSIG or SIG(0), which are for one hop (RFC 8945 section 5.2, RFC 2931 section 3)."""
    return record.rtype == _TSIG or (record.rtype == _SIG and message[record.rdata : record.rdata + 2] == b"\0\0")


def _is_in_order(chain: Sequence[Record]) -> bool:
    """Whether each CNAME stands before what it leads to in the message too: some stub resolvers read once."""
    alias = 0
    for record in chain:
        if record.rtype == _RRSIG:
            continue
        if record.start < alias:
            return False
        if record.rtype == _CNAME:
            alias = record.start
    return True


def _levelled(answer: Answer, denial: bool) -> Answer:
    """The answer with the least TTL of each RRset in all its records (RFC 2181 section 5.2).

    Signatures stay as they are: those of one owner cover several sets, and have the TTLs of those (RFC 4034 section 3).
    The SOA of a denial has no more than its MINIMUM, so that nobody keeps for as long again what was kept here.
    """
    least: dict[tuple[bytes, int, int, int], int] = {}
    differ = False
    for record in answer.records:
        is_bound = denial and record.rtype == _SOA and record.section == AUTHORITY
        ttl = _denial_ttl(answer, record) if is_bound else record.ttl
        rrset = (record.owner, record.rtype, record.rclass, record.section)
        known = least.setdefault(rrset, ttl)
        if (known != ttl or ttl != record.ttl) and record.rtype != _RRSIG:
            differ = True
            least[rrset] = min(known, ttl)
    if not differ:
        return answer
    records = tuple(
        record
        if record.rtype == _RRSIG
        else replace(record, ttl=least[record.owner, record.rtype, record.rclass, record.section])
        for record in answer.records
    )
    return replace(answer, records=records)


def _denial_ttl(answer: Answer, soa: Record) -> int:
    """How long a denial with this SOA holds: the least of its TTL and its MINIMUM (RFC 2308 section 5)."""
    minimum = int.from_bytes(answer.message[soa.end - 4 : soa.end], "big")
    return min(soa.ttl, minimum if minimum < 0x80000000 else 0)


def without_additional(answer: Answer) -> Answer:
    """The answer without its additional section, its octets before that as they are."""
    return _cut_behind(answer, sum(record.section != ADDITIONAL for record in answer.records))


def without_opt(answer: Answer) -> Answer:
    """The answer without its OPT record, which is hop by hop (RFC 6891 section 6.1.1)."""
    if answer.edns is None:
        return answer
    message = answer.message
    end = answer.records[-1].end if answer.records else HEADER_SIZE + len(answer.question.wire)
    if end == len(message):
        return _composed(answer, answer.records)
    head = bytearray(message[:end])
    HEADER.pack_into(head, 0, *HEADER.unpack_from(message)[:5], sum(r.section == ADDITIONAL for r in answer.records))
    return Answer(bytes(head), answer.id, answer.flags, answer.rcode, answer.question, answer.records, None)


def _composed(answer: Answer, records: Sequence[Record]) -> Answer:
    sections: tuple[list[RawRecord], ...] = ([], [], [])
    for record in records:
        sections[record.section].append(raw(answer, record))
    return compose(answer.question, answer.flags, answer.rcode, sections)


def join(first: Answer, first_chain: Chain, second: Answer, second_chain: Chain, question: Question) -> Answer:
    """One answer to `question` from an unfinished chain and the answer about its end.

    The answer section holds both chains; rcode, authority and additional are the second's, and before its authority
    stand the first's proofs: without them an alias that a wildcard made is bogus (RFC 4035 section 3.1.3.3). AD only if
    both had it. MalformedMessage if they do not fit into one message.
    """
    flags = second.flags if first.ad else second.flags & ~FLAG_AD
    authority = [raw(second, record) for record in second.section(AUTHORITY)]
    there = {(record.owner.lower(), record.rtype, record.rdata) for record in authority}
    proofs = [raw(first, record) for record in first.section(AUTHORITY) if _is_proof(first.message, record)]
    return compose(
        question,
        flags,
        second.rcode,
        (
            [raw(first, r) for r in first_chain.records] + [raw(second, r) for r in second_chain.records],
            [proof for proof in proofs if (proof.owner.lower(), proof.rtype, proof.rdata) not in there] + authority,
            [raw(second, record) for record in second.section(ADDITIONAL)],
        ),
    )


def _is_proof(message: bytes, record: Record) -> bool:
    """Whether it says what there is not, or signs that."""
    if record.rtype == _RRSIG:
        return int.from_bytes(message[record.rdata : record.rdata + 2], "big") in _DENIALS
    return record.rtype in _DENIALS


def join_legs(legs: Sequence[tuple[Answer, Chain]]) -> tuple[Answer, Chain]:
    """The legs of a CNAME chain, at least one, as one answer to the first one's question.

    MalformedMessage as of `join`, and for aliases without end: that is an error (RFC 1034 section 3.6.2), since the
    part that was walked would say of its last name that there is nothing.
    """
    whole, chain = legs[0]
    question = whole.question
    for answer, leg in legs[1:]:
        whole = join(whole, chain, answer, leg, question)
        chain = follow(whole, question)
    if chain.endless:
        raise MalformedMessage(f"join answer: its aliases loop, or are more than {MAX_STEPS}")
    return whole, chain


def negative_ttl(answer: Answer) -> int | None:
    """How long a denial may be kept: the least of TTL and MINIMUM of the SOA in authority (RFC 2308 section 5).

    None without a SOA: such a denial must not be kept.
    """
    found: int | None = None
    for record in answer.records:
        if record.section == AUTHORITY and record.rtype == _SOA:
            ttl = _denial_ttl(answer, record)
            found = ttl if found is None else min(found, ttl)
    return found


def answer_ttl(answer: Answer) -> int:
    """The smallest TTL of answer and authority, 0 without records: how long a positive answer may be kept."""
    return min((record.ttl for record in answer.records if record.section != ADDITIONAL), default=0)
