"""Damaged messages: edits of bytes, counts, lengths, pointers and records, and strategies that draw them.

A mutant shows its seed's name and its edits, so that a failing example is readable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from hypothesis import strategies as st

HEADER_SIZE = 12
LARGEST = 65_000
"""The longest mutant in bytes, which still fits into a datagram."""


class Kind(Enum):
    """What an edit does. `position` is taken modulo the number of choices."""

    BYTE = "set a byte"
    BIT = "flip a bit of the header"
    WORD = "set two bytes: a length, a type, a class"
    POINTER = "put a compression pointer over two bytes"
    INSERT = "put bytes in"
    REMOVE = "take bytes out"
    COUNT = "change a count of the header, and no record"
    LENGTH = "change the length of a record's data, and not the data"
    REPEAT = "say a record twice, or many times"
    FORGET = "leave a record out"
    SPLICE = "put a record of another seed in"
    OPT = "put an OPT in, at any position"
    TAIL = "add bytes behind the last record"
    CUT = "end the message early"
    GROW = "add many records of text"


_RECORD_KINDS = (Kind.LENGTH, Kind.REPEAT, Kind.FORGET, Kind.SPLICE, Kind.OPT)
_EXTREMES = (0, 1, 3, 4, 5, 0x3F, 0x40, 0xFF, 0x100, 0x7FFF, 0x8000, 0xC000, 0xC00C, 0xFFFF)


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit of a message. `data` has at least one byte."""

    kind: Kind
    position: int
    data: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Mutant:
    """The name of a seed, the edits, and the resulting message."""

    seed: str
    edits: tuple[Edit, ...]
    data: bytes

    def __repr__(self) -> str:
        return f"Mutant({self.seed!r}, {self.edits!r})"


@dataclass(frozen=True, slots=True)
class Piece:
    """The position of a record: `[start, end)` is the record, `length` the position of its data's length.

    Sections are 1 to 3.
    """

    start: int
    length: int
    end: int
    section: int


def pieces(message: bytes) -> list[Piece]:
    """Return the records of a message, as far as they can be parsed."""
    found: list[Piece] = []
    position = HEADER_SIZE
    counts = [int.from_bytes(message[at : at + 2], "big") for at in (4, 6, 8, 10)]
    for section, count in enumerate(counts):
        for _ in range(min(count, len(message))):
            start = position
            while position < len(message) and 0 < message[position] < 64:
                position += message[position] + 1
            position += 2 if message[position : position + 1] >= b"\xc0" else 1
            if section == 0:
                position += 4
                continue
            length = position + 8
            position = length + 2 + int.from_bytes(message[length : length + 2], "big")
            if position > len(message):
                return found
            found.append(Piece(start, length, position, section))
    return found


def edited(message: bytes, edit: Edit, donors: Sequence[bytes]) -> bytes:
    """Return the message after one edit. The message stays unchanged if the edit does not apply."""
    if edit.kind in _RECORD_KINDS:
        return _with_records(message, edit, donors)
    data = bytearray(message)
    position = edit.position % (len(data) or 1)
    value = edit.data
    match edit.kind:
        case Kind.BYTE:
            data[position : position + 1] = value[:1]
        case Kind.BIT if len(data) >= 4:
            data[2 + position % 2] ^= 1 << value[0] % 8
        case Kind.WORD:
            data[position : position + 2] = _EXTREMES[value[0] % len(_EXTREMES)].to_bytes(2, "big")
        case Kind.POINTER:
            data[position : position + 2] = (0xC000 | (position - value[0]) & 0x3FFF).to_bytes(2, "big")
        case Kind.INSERT:
            data[position:position] = value
        case Kind.REMOVE:
            del data[position : position + value[0] % 24 + 1]
        case Kind.COUNT:
            at = 4 + edit.position % 4 * 2
            data[at : at + 2] = _EXTREMES[value[0] % len(_EXTREMES)].to_bytes(2, "big")
        case Kind.TAIL:
            data += value
        case Kind.CUT:
            del data[position:]
        case Kind.GROW:
            text = b"\xc0\x0c\0\x10\0\1\0\0\1\x2c\0\xff\xfe" + bytes(254)
            for _ in range(min(value[0], (LARGEST - len(data)) // len(text))):
                data += text
                _count(data, 3, 1)
        case _:
            pass
    return bytes(data[:LARGEST])


def _with_records(message: bytes, edit: Edit, donors: Sequence[bytes]) -> bytes:
    """Return the message after an edit of complete records. The header's counts match the records."""
    known = pieces(message)
    data = bytearray(message)
    chosen = known[edit.position % len(known)] if known else None
    times = edit.data[0] % 40 if edit.data[0] > 200 else 1
    match edit.kind:
        case Kind.OPT:
            options = edit.data[1:]
            record = b"\0\0\x29\x04\xd0\0\0\x80\0" + len(options).to_bytes(2, "big") + options
            _put(data, record, 1, chosen if edit.data[0] % 2 else None)
        case Kind.SPLICE:
            donor = donors[edit.position % len(donors)]
            given = pieces(donor)
            if given:
                piece = given[edit.data[0] % len(given)]
                _put(data, donor[piece.start : piece.end], 1, chosen)
        case Kind.REPEAT if chosen is not None:
            _put(data, message[chosen.start : chosen.end], times, chosen)
        case Kind.FORGET if chosen is not None:
            del data[chosen.start : chosen.end]
            _count(data, chosen.section, -1)
        case Kind.LENGTH if chosen is not None:
            length = int.from_bytes(data[chosen.length : chosen.length + 2], "big")
            changed = (length + edit.data[0] - 128) & 0xFFFF
            data[chosen.length : chosen.length + 2] = changed.to_bytes(2, "big")
        case _:
            pass
    return bytes(data)


def _put(data: bytearray, record: bytes, times: int, before: Piece | None) -> None:
    """Insert a record before another, or at the end of the additional section, as often as there is room."""
    times = min(times, (LARGEST - len(data)) // len(record))
    if times <= 0 or len(data) < HEADER_SIZE:
        return
    at = len(data) if before is None else before.start
    data[at:at] = record * times
    _count(data, 3 if before is None else before.section, times)


def _count(data: bytearray, section: int, change: int) -> None:
    if len(data) >= HEADER_SIZE:
        at = 4 + 2 * section
        number = int.from_bytes(data[at : at + 2], "big") + change
        data[at : at + 2] = (number & 0xFFFF).to_bytes(2, "big")


def mutant(seeds: Mapping[str, bytes], name: str, edits: Sequence[Edit]) -> Mutant:
    """Return the seed after all edits, in their order."""
    data = seeds[name]
    donors = list(seeds.values())
    for edit in edits:
        data = edited(data, edit, donors)
    return Mutant(name, tuple(edits), data)


positions = st.one_of(st.integers(0, 63), st.integers(0, LARGEST))
edits = st.builds(Edit, st.sampled_from(Kind), positions, st.binary(min_size=1, max_size=8))


def mutants(seeds: Mapping[str, bytes], most_edits: int = 4) -> st.SearchStrategy[Mutant]:
    """Draw seeds as they are, and seeds with up to `most_edits` edits."""
    chosen = st.tuples(st.sampled_from(sorted(seeds)), st.lists(edits, max_size=most_edits))
    return chosen.map(lambda choice: mutant(seeds, *choice))


def noise(head: bytes) -> st.SearchStrategy[Mutant]:
    """Draw random bytes that derive from no seed: bare, and after the header of a valid message."""
    bare = st.binary(max_size=300)
    return st.one_of(bare, bare.map(lambda tail: head[:HEADER_SIZE] + tail)).map(
        lambda data: Mutant(data.hex(), (), data)
    )
