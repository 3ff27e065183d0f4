"""Files of sections: how each of the three is put together, and how it is opened without trusting a single octet."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from typing import TYPE_CHECKING, Any, TypeAlias

from dnsfilter.errors import SnapshotError
from dnsfilter.snapshot.layout import (
    ALIGNMENT,
    BYTE_ORDER_MARK,
    HEADER,
    MAGIC,
    MAX_SECTIONS,
    OPTIONAL,
    PARTS,
    READABLE_VERSIONS,
    SECTION,
    STRING,
    VERSION,
    Kind,
    Part,
)

if TYPE_CHECKING:
    from mmap import mmap

Buffer: TypeAlias = "bytes | bytearray | memoryview | mmap"

_MAX_STRING_BYTES = 0xFFFF


@dataclass(frozen=True, slots=True)
class File:
    """One immutable file and its SHA-256."""

    digest: bytes
    data: bytes


class Strings:
    """The strings of a file being written: equal ones are kept once."""

    def __init__(self) -> None:
        self._references: dict[str, int] = {}
        self._data = bytearray()
        self.add("")

    def add(self, text: str) -> int:
        """The reference of `text`."""
        known = self._references.get(text)
        if known is not None:
            return known
        octets = text.encode()
        if len(octets) > _MAX_STRING_BYTES:
            raise SnapshotError(f"compile snapshot: a text of {len(octets)} octets is longer than {_MAX_STRING_BYTES}")
        reference = self._references[text] = len(self._data)
        self._data += STRING.pack(len(octets)) + octets
        return reference

    def data(self) -> bytes:
        """The section."""
        return bytes(self._data)


class Slices:
    """A table of records in which equal runs of records are kept once."""

    def __init__(self) -> None:
        self._data: list[bytes] = []
        self._places: dict[tuple[bytes, ...], int] = {}

    def add(self, records: list[bytes]) -> int:
        """The index of the run's first record."""
        key = tuple(records)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self._data)
            self._data += records
        return place

    def data(self) -> bytes:
        """The section."""
        return b"".join(self._data)


def write_file(kind: Kind, parts: dict[Part, bytes]) -> File:
    """The file of that kind with these sections, in the order of their ids; empty ones that may be are left out."""
    parts = {part: octets for part, octets in parts.items() if octets or part not in OPTIONAL}
    table = bytearray()
    body = bytearray()
    start = HEADER.size + SECTION.size * len(parts)
    for part in sorted(parts):
        body += bytes(-(start + len(body)) % ALIGNMENT)
        table += SECTION.pack(part, PARTS[kind][part], start + len(body), len(parts[part]))
        body += parts[part]
    header = HEADER.pack(MAGIC, kind, VERSION, BYTE_ORDER_MARK, len(parts), start + len(body), bytes(64))
    data = b"".join((header, table, body))
    return File(sha256(data).digest(), data)


@dataclass(frozen=True, slots=True)
class Section:
    """One section, read in place. `what` names it in errors."""

    what: str
    data: memoryview

    def __len__(self) -> int:
        return len(self.data)

    def count(self, shape: Struct) -> int:
        """How many records of that shape it holds."""
        return len(self.data) // shape.size

    def record(self, shape: Struct, index: int) -> tuple[Any, ...]:
        """Record `index`; raises SnapshotError when there is none."""
        return self.at(shape, index * shape.size)

    def at(self, shape: Struct, offset: int) -> tuple[Any, ...]:
        """The record at that offset; raises SnapshotError when it does not lie within."""
        if not 0 <= offset <= len(self.data) - shape.size:
            raise SnapshotError(f"read snapshot: {self.what} has nothing at octet {offset}")
        return shape.unpack_from(self.data, offset)

    def records(self, shape: Struct, first: int, count: int) -> Iterator[tuple[Any, ...]]:
        """`count` records from `first`; raises SnapshotError when they do not lie within."""
        self.check_slice(shape, first, count)
        return shape.iter_unpack(self.data[first * shape.size : (first + count) * shape.size])

    def all_records(self, shape: Struct) -> Iterator[tuple[Any, ...]]:
        """Every record."""
        return shape.iter_unpack(self.data)

    def check_slice(self, shape: Struct, first: int, count: int) -> None:
        """Raises SnapshotError unless `count` records from `first` lie within."""
        if first + count > len(self.data) // shape.size:
            raise SnapshotError(f"read snapshot: {self.what} has no {count} records from {first}")

    def octets(self, offset: int, size: int) -> bytes:
        """`size` octets from `offset`; raises SnapshotError when they do not lie within."""
        if not 0 <= offset <= len(self.data) - size:
            raise SnapshotError(f"read snapshot: {self.what} has no {size} octets at {offset}")
        return bytes(self.data[offset : offset + size])

    def text(self, reference: int) -> str:
        """The string at that reference; raises SnapshotError."""
        (size,) = self.at(STRING, reference)
        try:
            return self.octets(reference + STRING.size, size).decode()
        except UnicodeDecodeError as error:
            raise SnapshotError(f"read snapshot: {self.what} has no UTF-8 at octet {reference}") from error


def read_file(kind: Kind, buffer: Buffer) -> dict[Part, Section]:
    """The known sections of a file, each wholly within it; raises SnapshotError for anything else."""
    name = kind.name.lower()
    data = memoryview(buffer).cast("B")
    if len(data) < HEADER.size:
        raise SnapshotError(f"read snapshot: the {name} file is cut short")
    magic, found, version, byte_order, count, size, _signature = HEADER.unpack_from(data, 0)
    if magic != MAGIC or found != kind:
        raise SnapshotError(f"read snapshot: this is no {name} file")
    if byte_order != BYTE_ORDER_MARK:
        raise SnapshotError(f"read snapshot: the {name} file has a foreign byte order")
    if version not in READABLE_VERSIONS:
        raise SnapshotError(f"read snapshot: the {name} file has version {version}, this program reads {_readable()}")
    if size != len(data) or count > MAX_SECTIONS or HEADER.size + SECTION.size * count > size:
        raise SnapshotError(f"read snapshot: the {name} file has {len(data)} octets instead of {size}")
    return _read_table(kind, data, count)


def _read_table(kind: Kind, data: memoryview, count: int) -> dict[Part, Section]:
    name = kind.name.lower()
    known = PARTS[kind]
    parts: dict[Part, Section] = {}
    table = data[HEADER.size : HEADER.size + SECTION.size * count]
    for number, record_size, offset, length in SECTION.iter_unpack(table):
        part = next((part for part in known if part == number), None)
        if part is None:
            continue
        what = f"section {part.name.lower()} of the {name} file"
        if offset + length > len(data) or record_size != known[part] or length % record_size:
            raise SnapshotError(f"read snapshot: {what} does not fit")
        parts[part] = Section(what, data[offset : offset + length])
    missing = [part.name.lower() for part in known if part not in parts and part not in OPTIONAL]
    if missing:
        raise SnapshotError(f"read snapshot: the {name} file lacks {', '.join(missing)}")
    return parts


def _readable() -> str:
    return " and ".join(str(version) for version in sorted(READABLE_VERSIONS))
