"""Take records out of their message, and compose messages from records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.checker import ANSWER, Answer, Record
from dnsfilter.wire.names import HEADER_SIZE, HopBudget, read_name
from dnsfilter.wire.query import HEADER, RECORD, Question
from dnsfilter.wire.rdata import plain_rdata

MAX_MESSAGE: Final = 0xFFFF
# The highest offset that a pointer can express (RFC 1035 section 4.1.4).
_MAX_POINTER: Final = 0x3FFF


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record without its message: `owner` in its original case, `rdata` in wire form without compressed names."""

    owner: bytes
    rtype: int
    rclass: int
    ttl: int
    rdata: bytes


def raw(answer: Answer, record: Record) -> RawRecord:
    """Return one of the answer's records, independent of its message."""
    message = answer.message
    owner, _ = read_name(message, record.start, HopBudget())
    rdata = plain_rdata(message, record.rtype, record.rdata, record.end)
    return RawRecord(owner, record.rtype, record.rclass, record.ttl, rdata)


def compose(question: Question, flags: int, rcode: int, sections: tuple[Sequence[RawRecord], ...]) -> Answer:
    """Compose a message of up to three sections, with id 0 and no OPT, in linear time.

    An owner that was written before, in any case, becomes a pointer. Nothing else is compressed. A record of authority
    or additional that does not fit into 65,535 bytes ends the message. Raise `MalformedMessage` if a record of the
    answer section does not fit: the original was small only by compression.
    """
    out = bytearray(HEADER_SIZE)
    out += question.wire
    offsets = {question.name: HEADER_SIZE}
    records: list[Record] = []
    counts = [0, 0, 0]
    for number, section in enumerate(sections):
        for record in section:
            start = len(out)
            owner = record.owner.lower()
            known = offsets.get(owner)
            written = record.owner if known is None else (0xC000 | known).to_bytes(2, "big")
            end = start + len(written) + RECORD.size + len(record.rdata)
            if end > MAX_MESSAGE:
                break
            out += written
            ttl_offset = len(out) + 4
            out += RECORD.pack(record.rtype, record.rclass, record.ttl, len(record.rdata))
            records.append(
                Record(owner, record.rtype, record.rclass, record.ttl, start, ttl_offset, len(out), end, number)
            )
            out += record.rdata
            counts[number] += 1
            if known is None and start <= _MAX_POINTER:
                offsets[owner] = start
        if counts[number] < len(section):
            if number == ANSWER:
                raise MalformedMessage(f"compose answer: its {len(section)} records do not fit into one message")
            break
    flags = (flags & ~15) | (rcode & 15)
    HEADER.pack_into(out, 0, 0, flags, 1, *counts)
    return Answer(bytes(out), 0, flags, rcode, question, tuple(records), None)
