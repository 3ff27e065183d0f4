"""A zip file made piece by piece, so that it is sent while it is made. The same content gives the same octets."""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO, TypeAlias, cast
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

PIECE = 64 * 1024
_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip file can say: the same for every member."""
_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Written:
    """What a member's content was: SHA-256 in hexadecimal, octets, parts."""

    sha256: str
    octets: int
    parts: int


Pieces: TypeAlias = Generator[bytes, None, Written]


class _Buffer:
    """A file that can only be written to, and gives away what was."""

    def __init__(self) -> None:
        self._held = bytearray()

    def __len__(self) -> int:
        return len(self._held)

    def write(self, data: bytes) -> int:
        self._held += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        taken = bytes(self._held)
        self._held.clear()
        return taken


class ZipStream:
    """Members are added one after the other; each gives the pieces of the file that are ready."""

    def __init__(self, mode: int) -> None:
        self._buffer = _Buffer()
        self._zip = ZipFile(cast(BinaryIO, self._buffer), "w", ZIP_DEFLATED, compresslevel=_LEVEL)
        self._mode = mode

    def add(self, name: str, parts: Iterable[bytes]) -> Pieces:
        """Write a member of these parts; the generator's result tells what was written."""
        info = ZipInfo(name, _TIME)
        info.compress_type = ZIP_DEFLATED
        info.external_attr = (0o100000 | self._mode) << 16
        seen, octets, count = sha256(), 0, 0
        with self._zip.open(info, "w", force_zip64=True) as member:
            for part in parts:
                member.write(part)
                seen.update(part)
                octets += len(part)
                count += 1
                if len(self._buffer) >= PIECE:
                    yield self._buffer.take()
        return Written(seen.hexdigest(), octets, count)

    def end(self) -> bytes:
        """The file's last piece."""
        self._zip.close()
        return self._buffer.take()
