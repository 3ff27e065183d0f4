"""Take records out of their message, and compose messages from records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.checker import ANSWER, Answer, Record
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import HEADER_SIZE, HopBudget, read_name, skip_name
from dnsfilter.wire.query import HEADER, RECORD, Question
from dnsfilter.wire.rdata import LAYOUTS, plain_rdata

MAX_MESSAGE: Final = 0xFFFF
# The highest offset that a pointer can express (RFC 1035 section 4.1.4).
_MAX_POINTER: Final = 0x3FFF
# Some readers follow only a few pointers in one name: names.MAX_HOPS_PER_NAME.
_MOST_POINTERS: Final = 8
_TTL_BEFORE_DATA: Final = 6
# The types whose names every reader decompresses (RFC 3597 section 4).
_SHRINKABLE: Final = frozenset(
    map(
        int,
        (Type.NS, Type.MD, Type.MF, Type.CNAME, Type.SOA, Type.MB, Type.MG, Type.MR, Type.PTR, Type.MINFO, Type.MX),
    )
)


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


def compose(
    question: Question, flags: int, rcode: int, sections: tuple[Sequence[RawRecord], ...], *, shrink_data: bool = False
) -> Answer:
    """Compose a message of up to three sections, with id 0 and no OPT, in linear time.

    Owners are compressed, and with `shrink_data` also the names in data that may be (RFC 3597 section 4). A record of
    authority or additional that does not fit into 65,535 bytes ends the message. Raise `MalformedMessage` if a record
    of the answer section does not fit.
    """
    out = bytearray(HEADER_SIZE)
    out += question.wire
    names = _Names(question)
    records: list[Record] = []
    counts = [0, 0, 0]
    for number, section in enumerate(sections):
        for record in section:
            start = len(out)
            owner = names.owner(record.owner, start)
            rdata_at = start + len(owner) + RECORD.size
            rdata = names.data(record, rdata_at) if shrink_data else record.rdata
            end = rdata_at + len(rdata)
            if end > MAX_MESSAGE:
                break
            out += owner + RECORD.pack(record.rtype, record.rclass, record.ttl, len(rdata)) + rdata
            folded, ttl_offset = record.owner.lower(), rdata_at - _TTL_BEFORE_DATA
            records.append(
                Record(folded, record.rtype, record.rclass, record.ttl, start, ttl_offset, rdata_at, end, number)
            )
            counts[number] += 1
        if counts[number] < len(section):
            if number == ANSWER:
                raise MalformedMessage(f"compose answer: its {len(section)} records do not fit into one message")
            break
    flags = (flags & ~15) | (rcode & 15)
    HEADER.pack_into(out, 0, 0, flags, 1, *counts)
    return Answer(bytes(out), 0, flags, rcode, question, tuple(records), None)


class _Names:
    """The names of a message so far, and pointers to them.

    An owner that was written before, in any case, becomes a pointer. Other names share the ends that are spelled alike,
    but not the question's: its spelling is that of the client.
    """

    __slots__ = ("_ends", "_owners")

    def __init__(self, question: Question) -> None:
        self._owners = {question.name: HEADER_SIZE}
        self._ends: dict[bytes, tuple[int, int]] = {}
        """Offset of each end of a name, and how many pointers it takes to read it."""

    def owner(self, name: bytes, at: int) -> bytes:
        """Return the owner of a record at `at`."""
        folded = name.lower()
        known = self._owners.get(folded)
        if known is not None:
            return _pointer(known)
        if at <= _MAX_POINTER:
            self._owners[folded] = at
        return self._shared(name, at)

    def data(self, record: RawRecord, at: int) -> bytes:
        """Return the data of a record, to be written at `at`."""
        if record.rtype not in _SHRINKABLE:
            return record.rdata
        layout = LAYOUTS[record.rtype]
        rdata, position = record.rdata, layout.before
        out = rdata[:position]
        for _ in range(layout.names):
            end = skip_name(rdata, position)
            out += self._shared(rdata[position:end], at + len(out))
            position = end
        return out + rdata[position:]

    def _shared(self, name: bytes, at: int) -> bytes:
        """Return a name to be written at `at`: the labels that are new, then a pointer to the rest if it is known."""
        position = 0
        fresh: list[int] = []
        while name[position]:
            offset, pointers = self._ends.get(name[position:], (0, 0))
            if offset and pointers < _MOST_POINTERS:
                self._note(name, fresh, at, pointers + 1)
                return name[:position] + _pointer(offset)
            fresh.append(position)
            position += name[position] + 1
        self._note(name, fresh, at, 0)
        return name

    def _note(self, name: bytes, positions: list[int], at: int, pointers: int) -> None:
        for position in positions:
            if at + position <= _MAX_POINTER:
                self._ends.setdefault(name[position:], (at + position, pointers))


def _pointer(offset: int) -> bytes:
    return (0xC000 | offset).to_bytes(2, "big")
