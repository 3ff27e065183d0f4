"""The strict, linear reading of an upstream's message: what passes here may be kept, relayed and shown.

Every length is held against the message, and every name decodes within one budget. The answer ends at the last record
that the header counts. The client gets exactly what the filter has looked at.
"""

from dataclasses import dataclass

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
_OPT = int(Type.OPT)


@dataclass(frozen=True, slots=True)
class Record:
    """Where one record stands in its message.

    `owner` is folded; `[start, end)` is all of it, `[rdata, end)` its data; `ttl` is 0 where the top bit was set (RFC
    2181 section 8); `section` is ANSWER, AUTHORITY or ADDITIONAL.
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
    """A checked response. `rcode` has all twelve bits; `records` are in the message's order, without its OPT."""

    message: bytes
    id: int
    flags: int
    rcode: int
    question: Question
    records: tuple[Record, ...]
    edns: Edns | None

    @property
    def aa(self) -> bool:
        """Whether the sender calls itself an authority for the name."""
        return self.flags & FLAG_AA != 0

    @property
    def tc(self) -> bool:
        """Whether the sender cut it short."""
        return self.flags & FLAG_TC != 0

    @property
    def ad(self) -> bool:
        """Whether the sender validated it."""
        return self.flags & FLAG_AD != 0

    @property
    def ra(self) -> bool:
        """Whether the sender resolves for others."""
        return self.flags & FLAG_RA != 0

    def section(self, number: int) -> tuple[Record, ...]:
        """The records of one section, in order."""
        return tuple(record for record in self.records if record.section == number)


def parse_answer(message: bytes) -> Answer:
    """A response to an ordinary query, checked; MalformedMessage names what is wrong and where."""
    if len(message) < HEADER_SIZE:
        raise MalformedMessage(f"read answer: {len(message)} octets are too few for a header")
    flags = int.from_bytes(message[2:4], "big")
    if not flags & FLAG_QR:
        raise MalformedMessage("read answer: it is a query")
    if flags & OPCODE_BITS:
        raise MalformedMessage(f"read answer: opcode {(flags >> 11) & 15}")
    return check_message(message)


def check_message(message: bytes) -> Answer:
    """Any message with one question, query or response, checked; MalformedMessage names what is wrong and where."""
    if len(message) < HEADER_SIZE:
        raise MalformedMessage(f"read message: {len(message)} octets are too few for a header")
    number, flags, qdcount, ancount, nscount, arcount = HEADER.unpack_from(message)
    if qdcount != 1:
        raise MalformedMessage(f"read message: {qdcount} questions")
    question, position = read_question(message)
    size = len(message)
    if (ancount + nscount + arcount) * MIN_RECORD > size - position:
        raise MalformedMessage(f"read message: {ancount + nscount + arcount} records cannot fit in {size} octets")
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
                raise MalformedMessage(f"read message: misplaced or second opt at octet {record.start}")
            edns = parse_edns(
                record.rclass,
                int.from_bytes(message[record.ttl_offset : record.ttl_offset + 4], "big"),
                message[record.rdata : record.end],
            )
            # The OPT's TTL begins with the upper eight bits of the rcode (RFC 6891 section 6.1.3).
            rcode |= message[record.ttl_offset] << 4
    # Some servers leave bytes behind the last record. No section holds them, so they are dropped here.
    return Answer(message[:position], number, flags, rcode, question, tuple(records), edns)


def _read_record(message: bytes, start: int, section: int, hops: HopBudget) -> Record:
    """The record at `start`, its data held against its type."""
    owner, position = read_name(message, start, hops)
    rdata = position + 10
    if rdata > len(message):
        raise MalformedMessage(f"read record: cut short at octet {position}")
    rtype, rclass, ttl, length = RECORD.unpack_from(message, position)
    end = rdata + length
    if end > len(message):
        raise MalformedMessage(f"read record: {length} octets of data at octet {rdata} run past the end")
    check_rdata(message, rtype, rclass, rdata, end, hops)
    return Record(
        owner.lower(), rtype, rclass, ttl if ttl < 0x80000000 else 0, start, position + 4, rdata, end, section
    )
