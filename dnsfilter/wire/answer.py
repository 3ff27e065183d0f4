"""Reduce an upstream's answer to what the question needs: the chain of aliases and its proofs.

`checker` reads messages and `compose` writes them. Their public names are also exported here.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.belonging import belonging
from dnsfilter.wire.chain import MAX_STEPS, Chain, check_dnames, follow
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
from dnsfilter.wire.iana import Rcode, Type
from dnsfilter.wire.names import HEADER_SIZE
from dnsfilter.wire.query import FLAG_AD, HEADER, Question
from dnsfilter.wire.rdata import covered_type

__all__ = [
    "ADDITIONAL",
    "ANSWER",
    "AUTHORITY",
    "MAX_STEPS",
    "Answer",
    "Chain",
    "RawRecord",
    "Record",
    "additional_names",
    "answer_ttl",
    "check_dnames",
    "check_message",
    "compose",
    "follow",
    "join",
    "join_legs",
    "negative_ttl",
    "parse_answer",
    "prune_answer",
    "raw",
    "without_additional",
    "without_opt",
]

LONGEST_DENIAL_S: Final = 3_600
"""Maximum TTL of a denial in seconds (RFC 2308 section 5: one to three hours)."""
_CNAME: Final = int(Type.CNAME)
_SERVICE_BINDINGS: Final = frozenset({int(Type.SVCB), int(Type.HTTPS)})
_RRSIG: Final = int(Type.RRSIG)
_SOA: Final = int(Type.SOA)
_ANY: Final = int(Type.ANY)
_DENIALS: Final = frozenset({int(Type.NSEC), int(Type.NSEC3)})
_PROOFS: Final = _DENIALS | {_RRSIG}


def prune_answer(answer: Answer, chain: Chain, do: bool) -> Answer:
    """Return the answer with only the chain and what belongs to it, one TTL per RRset, and no OPT.

    Without `do`, also drop signatures and proofs that were not asked for (RFC 4035 section 3.2.1).

    Drop the additional section of an answer about SVCB or HTTPS. A server may use it to save clients the questions
    about targets (RFC 9460 section 4.2). Clients must ask them, so that policy applies to those names.

    Make the CNAME that is missing next to its DNAME (RFC 6672 section 3.1).

    Keep the upstream's bytes if each alias stands before its target and only one of two parts must go: a final OPT, or
    everything after some record. Otherwise compose the message again. Raise `MalformedMessage` if it no longer fits.
    """
    qtype = answer.question.qtype
    answer = _with_equal_ttls(
        answer, denial=not any(record.rtype == qtype or qtype == _ANY for record in chain.records)
    )
    by_start = {record.start: record for record in answer.records}
    answers = [by_start[record.start] for record in chain.records]
    others = belonging(answer, chain)
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
            return _first_records(answer, len(left))
    return _composed(answer, left, chain)


def _first_records(answer: Answer, number: int) -> Answer:
    """Return the answer with only its first `number` records, without OPT. Compose it again if any are additional."""
    records = answer.records[:number]
    if records and records[-1].section == ADDITIONAL:
        return _composed(answer, records)
    end = records[-1].end if records else HEADER_SIZE + len(answer.question.wire)
    head = bytearray(answer.message[:end])
    counts = [sum(record.section == section for record in records) for section in (ANSWER, AUTHORITY)]
    HEADER.pack_into(head, 0, answer.id, answer.flags, 1, *counts, 0)
    return Answer(bytes(head), answer.id, answer.flags, answer.rcode, answer.question, records, None)


def _is_in_order(chain: Sequence[Record]) -> bool:
    """Return whether each CNAME precedes its target in the message. Some stub resolvers read the records once."""
    alias = 0
    for record in chain:
        if record.rtype == _RRSIG:
            continue
        if record.start < alias:
            return False
        if record.rtype == _CNAME:
            alias = record.start
    return True


def _with_equal_ttls(answer: Answer, denial: bool) -> Answer:
    """Return the answer with the smallest TTL of each RRset in all its records (RFC 2181 section 5.2).

    A signature gets at most the TTL of the set that it covers (RFC 4034 section 3). The SOA of a denial gets at most
    the denial's TTL. Otherwise a client would keep the denial longer than allowed.
    """
    least: dict[tuple[bytes, int, int, int], int] = {}
    for record in answer.records:
        if record.rtype != _RRSIG:
            is_bound = denial and record.rtype == _SOA and record.section == AUTHORITY
            ttl = _denial_ttl(answer, record) if is_bound else record.ttl
            rrset = (record.owner, record.rtype, record.rclass, record.section)
            least[rrset] = min(ttl, least.get(rrset, ttl))
    records = []
    for record in answer.records:
        covered = covered_type(answer.message, record.rdata) if record.rtype == _RRSIG else record.rtype
        ttl = min(record.ttl, least.get((record.owner, covered, record.rclass, record.section), record.ttl))
        records.append(record if ttl == record.ttl else replace(record, ttl=ttl))
    equal = tuple(records)
    return answer if equal == answer.records else replace(answer, records=equal)


def _denial_ttl(answer: Answer, soa: Record) -> int:
    """Return the TTL of a denial with this SOA: its TTL or its MINIMUM (RFC 2308 section 5), at most an hour."""
    minimum = int.from_bytes(answer.message[soa.end - 4 : soa.end], "big")
    return min(soa.ttl, minimum if minimum < 0x80000000 else 0, LONGEST_DENIAL_S)


def additional_names(answer: Answer) -> frozenset[bytes]:
    """Return the owners of the additional records, which are addresses and their signatures."""
    return frozenset(record.owner for record in answer.section(ADDITIONAL))


def without_additional(answer: Answer) -> Answer:
    """Return the answer without its additional section. The bytes before it stay as they are."""
    return _first_records(answer, sum(record.section != ADDITIONAL for record in answer.records))


def without_opt(answer: Answer) -> Answer:
    """Return the answer without its OPT record, which is hop by hop (RFC 6891 section 6.1.1)."""
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
    return compose(answer.question, answer.flags, answer.rcode, sections, shrink_data=True)


def join(first: Answer, first_chain: Chain, second: Answer, second_chain: Chain, question: Question) -> Answer:
    """Return one answer to `question` from an unfinished chain and the answer about its end.

    The answer section holds both chains. The rcode, authority and additional sections are those of `second`. The proofs
    of `first` precede its authority records: without them, an alias made by a wildcard is bogus (RFC 4035 section
    3.1.3.3). Set AD only if both answers have it. Raise `MalformedMessage` if they do not fit into one message.
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
        shrink_data=True,
    )


def _is_proof(message: bytes, record: Record) -> bool:
    """Return whether the record denies existence, or signs a denial."""
    return (covered_type(message, record.rdata) if record.rtype == _RRSIG else record.rtype) in _DENIALS


def join_legs(legs: Sequence[tuple[Answer, Chain]]) -> tuple[Answer, Chain]:
    """Return the legs of a CNAME chain, at least one, as one answer to the first leg's question.

    If the last leg or all together do not reach the end of the chain, the answer is what was found, without denial.

    Raise `MalformedMessage` as `join` does, and if the aliases loop, which is an error (RFC 1034 section 3.6.2).
    """
    joined, chain = legs[0]
    question = joined.question
    for answer, leg in legs[1:]:
        joined = join(joined, chain, answer, leg, question)
        chain = follow(joined, question)
    if chain.loops:
        raise MalformedMessage("join answer: its aliases loop")
    reached = legs[-1][1].complete and not chain.long
    if not reached:
        joined = _without_denial(joined)
        chain = follow(joined, question)
    return joined, replace(chain, complete=reached)


def _without_denial(answer: Answer) -> Answer:
    """Return the answer without what it says of a name that its chain does not reach: rcode, and SOA in authority.

    A client would take that for a denial of the chain's end (RFC 2308 section 2.2).
    """
    left = [record for record in answer.records if record.section != AUTHORITY or record.rtype != _SOA]
    return _composed(replace(answer, rcode=int(Rcode.NOERROR)), left)


def negative_ttl(answer: Answer) -> int | None:
    """Return the TTL of a denial: the smallest TTL and MINIMUM of the SOAs in authority, at most an hour (RFC 2308).

    Return None without a SOA: such a denial must not be cached.
    """
    found: int | None = None
    for record in answer.records:
        if record.section == AUTHORITY and record.rtype == _SOA:
            ttl = _denial_ttl(answer, record)
            found = ttl if found is None else min(found, ttl)
    return found


def answer_ttl(answer: Answer) -> int:
    """Return the smallest TTL in answer and authority, or 0 without records. It limits how long to cache an answer."""
    return min((record.ttl for record in answer.records if record.section != ADDITIONAL), default=0)
