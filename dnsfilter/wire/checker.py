"""Check an upstream's message strictly, in linear time. What passes may be cached, relayed and displayed.

Every length is checked against the message. All names share one budget of compression pointers. The answer ends at the
last record that the header counts. The client gets exactly the records that the filter has checked.
"""

from dataclasses import dataclass
from typing import Final

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.edns import Edns, parse_edns
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import HEADER_SIZE, ROOT, HopBudget, read_name
from dnsfilter.wire.query import (
    FLAG_AA,
    FLAG_AD,
    FLAG_QR,
    FLAG_RA,
    FLAG_TC,
    HEADER,
    MIN_RECORD,
    OPCODE_BITS,
    RECORD,
    Question,
    read_question,
)
from dnsfilter.wire.rdata import check_rdata

ANSWER = 0
AUTHORITY = 1
ADDITIONAL = 2
LONGEST_TTL_S: Final = 604_800
"""Highest TTL that is read, in seconds: a week (RFC 8767 section 4). A higher one counts as this."""
_OPT = int(Type.OPT)


@dataclass(frozen=True, slots=True)
class Record:
    """The position of one record in its message.

    `owner` is folded. `[start, end)` is the complete record, `[rdata, end)` its data. `ttl` is 0 if the top bit is set
    (RFC 2181 section 8), and at most LONGEST_TTL_S. `section` is ANSWER, AUTHORITY or ADDITIONAL.
    """

    owner: bytes
    rtype: int
    rclass: int
    ttl: int
    start: int
    ttl_offset: int
    rdata: int
    end: int
    section: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A checked response. `rcode` has all twelve bits. `records` are in the message's order, without its OPT."""

    message: bytes
    id: int
    flags: int
    rcode: int
    question: Question
    records: tuple[Record, ...]
    edns: Edns | None

    @property
    def aa(self) -> bool:
        """Return whether the sender says that it is authoritative for the name."""
        return self.flags & FLAG_AA != 0

    @property
    def tc(self) -> bool:
        """Return whether the sender truncated the message."""
        return self.flags & FLAG_TC != 0

    @property
    def ad(self) -> bool:
        """Return whether the sender validated the message."""
        return self.flags & FLAG_AD != 0

    @property
    def ra(self) -> bool:
        """Return whether the sender offers recursion."""
        return self.flags & FLAG_RA != 0

    def section(self, number: int) -> tuple[Record, ...]:
        """Return the records of one section, in order."""
        return tuple(record for record in self.records if record.section == number)


def parse_answer(message: bytes) -> Answer:
    """Check the response to an ordinary query. `MalformedMessage` names what is wrong and where."""
    if len(message) < HEADER_SIZE:
        raise MalformedMessage(f"read answer: {len(message)} bytes are too few for a header")
    flags = int.from_bytes(message[2:4], "big")
    if not flags & FLAG_QR:
        raise MalformedMessage("read answer: it is a query")
    if flags & OPCODE_BITS:
        raise MalformedMessage(f"read answer: opcode {(flags >> 11) & 15}")
    return check_message(message)


def check_message(message: bytes) -> Answer:
    """Check any message with one question, query or response. `MalformedMessage` names what is wrong and where."""
    if len(message) < HEADER_SIZE:
        raise MalformedMessage(f"read message: {len(message)} bytes are too few for a header")
    number, flags, qdcount, ancount, nscount, arcount = HEADER.unpack_from(message)
    if qdcount != 1:
        raise MalformedMessage(f"read message: {qdcount} questions")
    question, position = read_question(message)
    size = len(message)
    if (ancount + nscount + arcount) * MIN_RECORD > size - position:
        raise MalformedMessage(f"read message: {ancount + nscount + arcount} records cannot fit in {size} bytes")
    hops = HopBudget.for_message(size)
    records: list[Record] = []
    edns: Edns | None = None
    rcode = flags & 15
    for section, count in ((ANSWER, ancount), (AUTHORITY, nscount), (ADDITIONAL, arcount)):
        for _ in range(count):
            record = _read_record(message, position, section, hops)
            position = record.end
            if record.rtype != _OPT:
                records.append(record)
                continue
            if section != ADDITIONAL or record.owner != ROOT or edns is not None:
                raise MalformedMessage(f"read message: misplaced or second opt at byte {record.start}")
            edns = parse_edns(
                record.rclass,
                int.from_bytes(message[record.ttl_offset : record.ttl_offset + 4], "big"),
                message[record.rdata : record.end],
            )
            # The OPT's TTL begins with the upper eight bits of the rcode (RFC 6891 section 6.1.3).
            rcode |= message[record.ttl_offset] << 4
    # Some servers leave bytes after the last record. No section holds them, so they are dropped.
    return Answer(message[:position], number, flags, rcode, question, tuple(records), edns)


def _read_record(message: bytes, start: int, section: int, hops: HopBudget) -> Record:
    """Return the record at `start` after checking its data against its type."""
    owner, position = read_name(message, start, hops)
    rdata = position + 10
    if rdata > len(message):
        raise MalformedMessage(f"read record: cut short at byte {position}")
    rtype, rclass, ttl, length = RECORD.unpack_from(message, position)
    end = rdata + length
    if end > len(message):
        raise MalformedMessage(f"read record: {length} bytes of data at byte {rdata} run past the end")
    check_rdata(message, rtype, rclass, rdata, end, hops)
    ttl = min(ttl, LONGEST_TTL_S) if ttl < 0x80000000 else 0
    return Record(owner.lower(), rtype, rclass, ttl, start, position + 4, rdata, end, section)
