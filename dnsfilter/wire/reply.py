"""Build the reply for the client: our header, its question, records with aged TTLs, and our OPT if it sent one.

Every reply to a QUERY has QR=1, RA=1, AA=0, and RD and CD as asked. A reply has at most `limit` bytes; `limit` is at
least 512.
"""

from collections.abc import Iterator, Sequence
from itertools import dropwhile, takewhile
from struct import Struct
from typing import Final, TypeAlias

from dnsfilter.wire.answer import without_opt
from dnsfilter.wire.checker import ADDITIONAL, ANSWER, AUTHORITY, Answer, Record
from dnsfilter.wire.compose import MAX_MESSAGE, RawRecord, compose
from dnsfilter.wire.edns import OUR_PAYLOAD, Ede, Edns, ede_option, opt_record
from dnsfilter.wire.iana import Class, Opcode, Rcode, Type
from dnsfilter.wire.names import HEADER_SIZE
from dnsfilter.wire.query import FLAG_AD, FLAG_CD, FLAG_QR, FLAG_RA, FLAG_RD, FLAG_TC, HEADER, Fault, Query

Edes: TypeAlias = Ede | Sequence[Ede] | None
"""Extended errors to send: one, several in order, or None."""

MIN_LIMIT: Final = 512
MAX_EDES: Final = 8
"""Maximum number of extended errors in one reply. Further ones are left out."""
_TTL: Final = Struct("!I")


def udp_limit(query: Query | Fault) -> int:
    """Return the maximum size of a reply over UDP: 512 bytes without OPT, else the client's, from 512 to 1,232."""
    if query.edns is None:
        return MIN_LIMIT
    return min(max(query.edns.payload, MIN_LIMIT), OUR_PAYLOAD)


def empty_reply(query: Query | Fault, rcode: int, ede: Edes = None, limit: int = MAX_MESSAGE) -> bytes:
    """Return a reply without records. A fault's own extended error is sent if none is given."""
    if isinstance(query, Fault):
        question = query.question
        ede = query.ede if ede is None else ede
    else:
        question = query.question.wire
    room = limit - HEADER_SIZE - len(question)
    opt = next((opt for opt in _opts(query.edns, ede, rcode) if len(opt) <= room), b"")
    flags = _flags(query, query.edns, rcode)
    header = HEADER.pack(query.id, flags, 1 if question else 0, 0, 0, 1 if opt else 0)
    return header + question + opt


def truncated_reply(query: Query, limit: int = MAX_MESSAGE) -> bytes:
    """Return a reply without records that asks the client to use TCP."""
    reply = bytearray(empty_reply(query, Rcode.NOERROR, limit=limit))
    reply[2] |= FLAG_TC >> 8
    return bytes(reply)


def local_reply(
    query: Query,
    rcode: int,
    answers: Sequence[RawRecord],
    authority: Sequence[RawRecord] = (),
    ede: Edes = None,
    limit: int = MAX_MESSAGE,
) -> bytes:
    """Return a reply from our own records, cut to size as `relay` does."""
    return relay(query, compose(query.question, 0, rcode, (answers, authority)), ede=ede, limit=limit)


def relay(
    query: Query,
    answer: Answer,
    *,
    age_s: int = 0,
    ttl_cap_s: int | None = None,
    stale_ttl_s: int | None = None,
    ad: bool = False,
    ede: Edes = None,
    limit: int = MAX_MESSAGE,
    turn: int = 0,
) -> bytes:
    """Return a reply with the records of an answer to the same question. `turn` selects the address that comes first.

    Each TTL is `stale_ttl_s` if given, else lowered by `age_s`, to no less than 0. Then `ttl_cap_s` limits it.

    A reply that is too long loses the texts of extended errors, then the errors, then additional records. If that is
    not enough, it loses its last records and has TC=1. Raise ValueError if the answer is to another question.
    """
    question = query.question
    if question.name != answer.question.name or question.wire[-4:] != answer.question.wire[-4:]:
        raise ValueError("relay answer: its question is not the one that was asked")
    if answer.edns is not None:
        answer = without_opt(answer)
    out = bytearray(answer.message)
    out[HEADER_SIZE : HEADER_SIZE + len(question.wire)] = question.wire
    for record in answer.records:
        ttl = stale_ttl_s if stale_ttl_s is not None else max(record.ttl - age_s, 0) if age_s > 0 else record.ttl
        if ttl_cap_s is not None and ttl > ttl_cap_s:
            ttl = ttl_cap_s
        _TTL.pack_into(out, record.ttl_offset, ttl)
    _rotate_addresses(out, answer, turn)
    end, opt = len(out), b""
    flags = _flags(query, query.edns, answer.rcode) | (FLAG_AD if ad else 0)
    for opt in _opts(query.edns, ede, answer.rcode):
        if end + len(opt) <= limit:
            break
    else:
        end, opt, cut = _fitted(query.edns, answer, ede, limit)
        del out[end:]
        flags |= FLAG_TC if cut else 0
    counts = [0, 0, 0]
    for record in answer.records:
        if record.end <= end:
            counts[record.section] += 1
    HEADER.pack_into(out, 0, query.id, flags, 1, counts[ANSWER], counts[AUTHORITY], counts[ADDITIONAL] + bool(opt))
    return bytes(out + opt)


def _rotate_addresses(out: bytearray, answer: Answer, turn: int) -> None:
    """Rotate the addresses of the set. Many clients take the first, so this spreads the load (RFC 1794)."""
    addresses = _first_addresses(answer)
    for index, record in enumerate(addresses):
        source = addresses[(index + turn) % len(addresses)]
        out[record.rdata : record.end] = answer.message[source.rdata : source.end]


def _first_addresses(answer: Answer) -> list[Record]:
    """Return the first consecutive addresses of the queried type. They have one size and no compressed name."""
    question = answer.question
    if question.qclass != Class.IN or question.qtype not in (Type.A, Type.AAAA):
        return []
    behind = dropwhile(lambda record: record.rtype != question.qtype, answer.section(ANSWER))
    return list(takewhile(lambda record: record.rtype == question.qtype, behind))


def _fitted(edns: Edns | None, answer: Answer, edes: Edes, limit: int) -> tuple[int, bytes, bool]:
    """Return where to cut a long answer, the OPT to put there, and whether the requested data is cut."""
    start = HEADER_SIZE + len(answer.question.wire)
    opts = list(_opts(edns, edes, answer.rcode))
    needed = next((r.start for r in answer.records if r.section == ADDITIONAL), len(answer.message))
    for opt in opts:
        if needed + len(opt) <= limit:
            return _boundary(answer, needed, limit - len(opt)), opt, False
    end = _boundary(answer, start, limit - len(opts[-1]))
    return end, next(opt for opt in opts if end + len(opt) <= limit), True


def _boundary(answer: Answer, least: int, most: int) -> int:
    """Return the last end of a record in `[least, most]`, not within an RRset of additional records; else `least`."""
    end = least
    records = answer.records
    for index, record in enumerate(records):
        if record.end > most:
            break
        following = records[index + 1] if index + 1 < len(records) else None
        is_complete = (
            record.section != ADDITIONAL
            or following is None
            or (following.owner, following.rtype) != (record.owner, record.rtype)
        )
        if is_complete and record.end > end:
            end = record.end
    return end


def expressible(rcode: int, edns: Edns | None) -> int:
    """Return the rcode of a reply: SERVFAIL for one that needs an OPT, if there is none."""
    return Rcode.SERVFAIL if rcode > 15 and edns is None else rcode  # the lower four bits alone would be another rcode


def header_rcode(reply: bytes) -> int:
    """Return the rcode in the header of a reply that needs no OPT for it."""
    return reply[3] & 15


def _flags(query: Query | Fault, edns: Edns | None, rcode: int) -> int:
    """Return the header's second word, without TC and AD.

    RD and RA exist in the opcodes of RFC 1035 section 4.1.1, and CD in QUERY (RFC 6895 section 2.1).
    """
    opcode = query.opcode if isinstance(query, Fault) else Opcode.QUERY
    flags = FLAG_QR | opcode << 11 | (expressible(rcode, edns) & 15)
    if opcode <= Opcode.STATUS:
        flags |= FLAG_RA | (FLAG_RD if query.rd else 0)
    return flags | (FLAG_CD if query.cd and opcode == Opcode.QUERY else 0)


def _opts(edns: Edns | None, edes: Edes, rcode: int) -> Iterator[bytes]:
    """Yield the OPT records to try, from the most to the least detailed. Yield b"" if the client sent none."""
    if edns is None:
        yield b""
        return
    extended = rcode >> 4
    if edes is not None:
        listed = (edes,) if isinstance(edes, Ede) else edes[:MAX_EDES]
        for shown in (listed, [Ede(ede.code) for ede in listed]):
            options = b"".join(map(ede_option, shown))
            yield opt_record(OUR_PAYLOAD, edns.do, edns.answered + edns.cookie + options, extended)
    yield opt_record(OUR_PAYLOAD, edns.do, edns.answered + edns.cookie, extended)
