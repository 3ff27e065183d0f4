"""Files of sections: write each of the three files, and open it without trusting any byte."""

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
    """The strings of a file that is being written. Equal ones are stored once."""

    def __init__(self) -> None:
        self._references: dict[str, int] = {}
        self._data = bytearray()
        self.add("")

    def add(self, text: str) -> int:
        """Return the reference of `text`."""
        known = self._references.get(text)
        if known is not None:
            return known
        content = text.encode()
        if len(content) > _MAX_STRING_BYTES:
            raise SnapshotError(f"compile snapshot: a text of {len(content)} bytes is longer than {_MAX_STRING_BYTES}")
        reference = self._references[text] = len(self._data)
        self._data += STRING.pack(len(content)) + content
        return reference

    def data(self) -> bytes:
        """Return the section."""
        return bytes(self._data)


class Slices:
    """A table of records. Equal runs of records are stored once."""

    def __init__(self) -> None:
        self._data: list[bytes] = []
        self._offsets: dict[tuple[bytes, ...], int] = {}

    def add(self, records: list[bytes]) -> int:
        """Return the index of the run's first record."""
        key = tuple(records)
        offset = self._offsets.get(key)
        if offset is None:
            offset = self._offsets[key] = len(self._data)
            self._data += records
        return offset

    def data(self) -> bytes:
        """Return the section."""
        return b"".join(self._data)


def write_file(kind: Kind, parts: dict[Part, bytes]) -> File:
    """Return the file with these sections, in the order of their ids, without optional sections that are empty."""
    parts = {part: data for part, data in parts.items() if data or part not in OPTIONAL}
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
    """One section, read in place. `what` is its name in errors."""

    what: str
    data: memoryview

    def __len__(self) -> int:
        return len(self.data)

    def count(self, shape: Struct) -> int:
        """Return the number of records of that shape."""
        return len(self.data) // shape.size

    def record(self, shape: Struct, index: int) -> tuple[Any, ...]:
        """Return record `index`. Raise SnapshotError if there is none."""
        return self.at(shape, index * shape.size)

    def at(self, shape: Struct, offset: int) -> tuple[Any, ...]:
        """Return the record at that offset. Raise SnapshotError if it does not lie within the section."""
        if not 0 <= offset <= len(self.data) - shape.size:
            raise SnapshotError(f"read snapshot: {self.what} has no record at byte {offset}")
        return shape.unpack_from(self.data, offset)

    def records(self, shape: Struct, first: int, count: int) -> Iterator[tuple[Any, ...]]:
        """Return `count` records from `first`. Raise SnapshotError if they do not lie within the section."""
        self.check_slice(shape, first, count)
        return shape.iter_unpack(self.data[first * shape.size : (first + count) * shape.size])

    def all_records(self, shape: Struct) -> Iterator[tuple[Any, ...]]:
        """Return every record."""
        return shape.iter_unpack(self.data)

    def check_slice(self, shape: Struct, first: int, count: int) -> None:
        """Raise SnapshotError unless `count` records from `first` lie within the section."""
        if first + count > len(self.data) // shape.size:
            raise SnapshotError(f"read snapshot: {self.what} has no {count} records from {first}")

    def slice(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset`. Raise SnapshotError if they do not lie within the section."""
        if not 0 <= offset <= len(self.data) - size:
            raise SnapshotError(f"read snapshot: {self.what} has no {size} bytes at {offset}")
        return bytes(self.data[offset : offset + size])

    def text(self, reference: int) -> str:
        """Return the string at that reference. Raise SnapshotError if there is none."""
        (size,) = self.at(STRING, reference)
        try:
            return self.slice(reference + STRING.size, size).decode()
        except UnicodeDecodeError as error:
            raise SnapshotError(f"read snapshot: {self.what} has no UTF-8 at byte {reference}") from error


def read_file(kind: Kind, buffer: Buffer) -> dict[Part, Section]:
    """Return the known sections of a file, each completely within it. Raise SnapshotError for an invalid file."""
    name = kind.name.lower()
    data = memoryview(buffer).cast("B")
    if len(data) < HEADER.size:
        raise SnapshotError(f"read snapshot: the {name} file is cut short")
    magic, found, version, byte_order, count, size, _signature = HEADER.unpack_from(data, 0)
    if magic != MAGIC or found != kind:
        raise SnapshotError(f"read snapshot: this is not a {name} file")
    if byte_order != BYTE_ORDER_MARK:
        raise SnapshotError(f"read snapshot: the {name} file has a foreign byte order")
    if version not in READABLE_VERSIONS:
        raise SnapshotError(f"read snapshot: the {name} file has version {version}, this program reads {_readable()}")
    if size != len(data) or count > MAX_SECTIONS or HEADER.size + SECTION.size * count > size:
        raise SnapshotError(f"read snapshot: the {name} file has {len(data)} bytes instead of {size}")
    return _read_table(kind, data, count)


def section_spans(kind: Kind, buffer: Buffer) -> dict[Part, tuple[int, int]]:
    """Return where each known section begins, and its size. Raise SnapshotError for an invalid file."""
    parts = read_file(kind, buffer)
    count = HEADER.unpack_from(buffer, 0)[4]
    table = memoryview(buffer).cast("B")[HEADER.size : HEADER.size + SECTION.size * count]
    places = {number: (offset, length) for number, _, offset, length in SECTION.iter_unpack(table)}
    return {part: places[part] for part in parts}


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
