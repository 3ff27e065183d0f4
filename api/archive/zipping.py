"""Write a zip file, member by member. The same content gives the same bytes."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can hold. All members have it."""
_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Written:
    """A member's digest (SHA-256, hexadecimal), size in bytes, and number of parts."""

    sha256: str
    size: int
    parts: int


class ZipWriter(ZipFile):
    """A zip file to write, with members of any size."""

    def __init__(self, file: BinaryIO, mode: int) -> None:
        super().__init__(file, "w", ZIP_DEFLATED, compresslevel=_LEVEL)
        self._member_mode = mode

    def add(self, name: str, parts: Iterable[bytes]) -> Written:
        """Write a member that consists of these parts, in order."""
        info = ZipInfo(name, _TIME)
        info.compress_type = ZIP_DEFLATED
        info.external_attr = (0o100000 | self._member_mode) << 16
        digest, size, count = sha256(), 0, 0
        with self.open(info, "w", force_zip64=True) as member:
            for part in parts:
                member.write(part)
                digest.update(part)
                size += len(part)
                count += 1
        return Written(digest.hexdigest(), size, count)
