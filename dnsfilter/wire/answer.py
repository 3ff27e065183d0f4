"""What of an upstream's answer concerns the question: a message that holds the chain of aliases and nothing else.

Reading, composing and their values live beside (`checker`, `compose`) and can be had from here.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.chain import MAX_STEPS, TYPES_WITH_TARGET, Chain, check_dnames, follow
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
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import HEADER_SIZE
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
    "beside",
    "check_dnames",
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

_CNAME: Final = int(Type.CNAME)
_SERVICE_BINDINGS: Final = frozenset({int(Type.SVCB), int(Type.HTTPS)})
_RRSIG: Final = int(Type.RRSIG)
_SOA: Final = int(Type.SOA)
_SIG: Final = int(Type.SIG)
_TSIG: Final = int(Type.TSIG)
_ANY: Final = int(Type.ANY)
_DENIALS: Final = frozenset({int(Type.NSEC), int(Type.NSEC3)})
_PROOFS: Final = _DENIALS | {_RRSIG}
_AUTHORITY_TYPES: Final = _PROOFS | {_SOA, int(Type.NS), int(Type.DS)}


def kept(answer: Answer, chain: Chain, do: bool) -> Answer:
    """The answer with only the chain in its answer section, one TTL in each RRset, and without OPT, TSIG and SIG(0).

    Without `do` it also loses the signatures and proofs that nobody asked for (RFC 4035 section 3.2.1). An answer about
    SVCB or HTTPS loses its additional section, in which a server may spare clients the questions about targets (RFC
    9460 section 4.2): they shall ask, and be told by what concerns those names. Authority keeps what belongs there. A
    CNAME that is missing beside its DNAME is made (RFC 6672 section 3.1).
    Upstream's octets stay as they are where nothing but a last OPT, or all from some record of answer or authority on,
    has to go and each alias stands before its target; else the message is composed anew, which raises MalformedMessage
    if it no longer fits.
    """
    qtype = answer.question.qtype
    answer = _levelled(answer, denial=not any(record.rtype == qtype or qtype == _ANY for record in chain.records))
    by_start = {record.start: record for record in answer.records}
    answers = [by_start[record.start] for record in chain.records]
    others = [r for r in answer.records if r.section != ANSWER and _belongs(answer.message, r)]
    if not do:
        answers, others = (
            [record for record in section if record.rtype not in _PROOFS or qtype in (record.rtype, _ANY)]
            for section in (answers, others)
        )
    if qtype in _SERVICE_BINDINGS:
        others = [record for record in others if record.section != ADDITIONAL]
    left = [*answers, *others]
    if not chain.made and (qtype in (_CNAME, _ANY) or _is_in_order(answers)):
        if len(left) == len(answer.records):
            return without_opt(answer)
        if {record.start for record in left} == {record.start for record in answer.records[: len(left)]}:
            return _cut_behind(answer, len(left))
    return _composed(answer, left, chain)


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


def _belongs(message: bytes, record: Record) -> bool:
    """Whether a record of authority or additional may stand there, for more than one hop.

    TSIG and SIG(0) are for one (RFC 8945 section 5.2, RFC 2931 section 3). In authority stand denials and delegations.
    """
    if record.section == AUTHORITY:
        return record.rtype in _AUTHORITY_TYPES
    return record.rtype != _TSIG and (record.rtype != _SIG or message[record.rdata : record.rdata + 2] != b"\0\0")


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


def beside(answer: Answer) -> frozenset[bytes]:
    """The names that the additional section tells of: owners, and what its aliases and service bindings lead to."""
    names: set[bytes] = set()
    for record in answer.section(ADDITIONAL):
        names.add(record.owner)
        if record.rtype in TYPES_WITH_TARGET:
            names.add(target_name(answer.message, record.rtype, record.rdata))
    return frozenset(names)


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


def _composed(answer: Answer, records: Sequence[Record], chain: Chain | None = None) -> Answer:
    made = {} if chain is None else {start: (owner, target) for start, owner, target in chain.made}
    sections: tuple[list[RawRecord], ...] = ([], [], [])
    for record in records:
        sections[record.section].append(raw(answer, record))
        if record.start in made:
            owner, target = made[record.start]
            sections[ANSWER].append(RawRecord(owner, _CNAME, record.rclass, record.ttl, target))
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
