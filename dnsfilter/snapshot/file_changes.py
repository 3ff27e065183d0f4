"""What changed between two names files, so that a node need not fetch a million names because of one.

The changes are the pieces of the new file, each next to the bytes of the old file that it is compared with, and then
all of its bytes, combined with those by XOR and compressed. What is equal is a run of zeros. Sections are compared with
each other, because a section that grows moves those after it.
"""

import zlib
from collections.abc import Iterator, Sequence
from struct import Struct, error
from typing import NamedTuple

from dnsfilter.errors import SnapshotError
from dnsfilter.snapshot.layout import Kind
from dnsfilter.snapshot.sections import Buffer, section_spans

LEAST_BYTES = 1 << 20
"""Size of a file from which on a node asks for changes."""
_COUNT, _PIECE = Struct("<I"), Struct("<QQQ")
_MOST_PIECES = 256
_AT_ONCE = 1 << 20
_LEVEL = 1
_FAULT = "read changes of a file"


class _Piece(NamedTuple):
    """`size` bytes of the new file. The first `shared` are compared with the old file's from `start` on."""

    size: int
    start: int
    shared: int


def changes_between(before: Buffer, after: Buffer, most: int) -> bytes | None:
    """Return the changes of a names file; None if they have more than `most` bytes. SnapshotError for another file."""
    pieces = _pieces(before, after)
    parts = [_COUNT.pack(len(pieces)), *(_PIECE.pack(*piece) for piece in pieces)]
    compressor = zlib.compressobj(_LEVEL)
    size = sum(map(len, parts))
    new, start = memoryview(after), 0
    for length, old in _compared(pieces, before):
        parts.append(compressor.compress(_combined(new[start : start + length], old)))
        start += length
        size += len(parts[-1])
        if size > most:
            return None
    parts.append(compressor.flush())
    return b"".join(parts) if size + len(parts[-1]) <= most else None


def apply_changes(before: Buffer, changes: bytes, size: int) -> bytes:
    """Return the new file, which has `size` bytes. Raise SnapshotError if these are no such changes.

    That it is the right file only its digest shows.
    """
    try:
        (count,) = _COUNT.unpack_from(changes)
        end = _COUNT.size + count * _PIECE.size
        if count > _MOST_PIECES:
            raise SnapshotError(f"{_FAULT}: {count} pieces are more than {_MOST_PIECES}")
        pieces = [_Piece(*each) for each in _PIECE.iter_unpack(memoryview(changes)[_COUNT.size : end])]
    except error as cause:
        raise SnapshotError(f"{_FAULT}: they are cut short") from cause
    held = len(memoryview(before))
    if sum(piece.size for piece in pieces) != size:
        raise SnapshotError(f"{_FAULT}: the pieces do not make {size} bytes")
    if any(piece.shared > piece.size or piece.start + piece.shared > held for piece in pieces):
        raise SnapshotError(f"{_FAULT}: a piece lies beyond the old file, which has {held} bytes")
    found = _Inflated(memoryview(changes)[end:])
    return b"".join(_combined(memoryview(found.read(length)), old) for length, old in _compared(pieces, before))


def _pieces(before: Buffer, after: Buffer) -> Sequence[_Piece]:
    """Return the sections of the new file, and what lies between them."""
    held, size = section_spans(Kind.NAMES, before), len(memoryview(after))
    pieces, end = [], 0
    for part, (start, length) in sorted(section_spans(Kind.NAMES, after).items(), key=lambda item: item[1]):
        own, own_length = held.get(part, (0, 0))
        pieces += [_Piece(start - end, 0, 0), _Piece(length, own, min(length, own_length))]
        end = start + length
    return [piece for piece in (*pieces, _Piece(size - end, 0, 0)) if piece.size]


def _compared(pieces: Sequence[_Piece], before: Buffer) -> Iterator[tuple[int, memoryview]]:
    """Yield a size in the new file, and the bytes of the old file to compare it with, which may be fewer."""
    old = memoryview(before)
    for size, start, shared in pieces:
        for at in range(0, size, _AT_ONCE):
            length = min(size - at, _AT_ONCE)
            yield length, old[start + min(at, shared) : start + min(at + length, shared)]


def _combined(new: memoryview, old: memoryview) -> bytes:
    """Return the bytes of both, combined by XOR. The old ones may be fewer."""
    if new == old:
        return bytes(len(new))
    return (int.from_bytes(new, "little") ^ int.from_bytes(old, "little")).to_bytes(len(new), "little")


class _Inflated:
    """Compressed bytes, read one after another."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._decompressor = zlib.decompressobj()

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes. Raise SnapshotError if there are not as many."""
        parts, left = [], size
        while left:
            fed = self._decompressor.unconsumed_tail
            if not fed:
                fed, self._data = bytes(self._data[:_AT_ONCE]), self._data[_AT_ONCE:]
            try:
                parts.append(self._decompressor.decompress(fed, left))
            except zlib.error as cause:
                raise SnapshotError(f"{_FAULT}: they are damaged") from cause
            if not fed and not parts[-1]:
                raise SnapshotError(f"{_FAULT}: they are cut short")
            left -= len(parts[-1])
        return b"".join(parts)
