"""A backup as it is read: verified whole before anything is done with it."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from lzma import LZMAError
from typing import IO
from zipfile import BadZipFile, LargeZipFile, ZipFile

from api.archive.backup_format import (
    MANIFEST,
    MAX_LINE,
    MAX_MANIFEST,
    TOKEN_KEY,
    BadBackup,
    Manifest,
    Member,
    parse_manifest,
)

_PIECE = 1024 * 1024
MAX_TOKEN_KEY = 1024
_BROKEN = (
    BadZipFile,
    LargeZipFile,
    NotImplementedError,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
    LZMAError,
    zlib.error,
)
"""What zipfile raises for octets that no zip file has: an unknown or encrypted method, a name in no encoding, a place
before the file's beginning."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup whose members are what its manifest says."""

    manifest: Manifest
    _zip: ZipFile

    def token_key(self) -> bytes:
        """The key of the token hashes."""
        with _opened(self._zip, TOKEN_KEY) as member:
            return member.read(MAX_TOKEN_KEY)

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a member; raises BadBackup."""
        with _opened(self._zip, name) as member:
            while line := member.readline(MAX_LINE):
                if not line.endswith(b"\n"):
                    raise BadBackup(f"{name}: a line is cut off, or longer than {MAX_LINE} octets")
                yield line


def open_backup(file: IO[bytes]) -> Backup:
    """The backup in a file that can be sought; raises BadBackup naming the first member that is not as it was."""
    try:
        archive = ZipFile(file)
    except _BROKEN as error:
        raise BadBackup("not a backup, or one that breaks off") from error
    names = archive.namelist()
    if MANIFEST not in names:
        raise BadBackup(f"{MANIFEST}: is missing")
    with _opened(archive, MANIFEST) as member:
        data = member.read(MAX_MANIFEST + 1)
    if len(data) > MAX_MANIFEST:
        raise BadBackup(f"{MANIFEST}: larger than {MAX_MANIFEST} octets")
    manifest = parse_manifest(data)
    for name in sorted({*names, *manifest.members, TOKEN_KEY} - {MANIFEST}):
        if name not in manifest.members:
            raise BadBackup(f"{name}: not in the manifest")
        if names.count(name) != 1:
            raise BadBackup(f"{name}: is {'missing' if name not in names else 'there twice'}")
        _verify(archive, name, manifest.members[name])
    return Backup(manifest, archive)


def _verify(archive: ZipFile, name: str, said: Member) -> None:
    seen, octets, rows, last = sha256(), 0, 0, b"\n"
    with _opened(archive, name) as member:
        # Never more than was said: a small file can unpack to a very large one.
        while octets <= said.octets and (piece := member.read(_PIECE)):
            seen.update(piece)
            octets += len(piece)
            rows += piece.count(b"\n")
            last = piece[-1:]
    rows = rows + (last != b"\n") if name != TOKEN_KEY else 1
    if octets != said.octets:
        raise BadBackup(f"{name}: {octets} octets, and the manifest says {said.octets}")
    if seen.hexdigest() != said.sha256:
        raise BadBackup(f"{name}: its SHA-256 is not the manifest's")
    if rows != said.rows:
        raise BadBackup(f"{name}: {rows} rows, and the manifest says {said.rows}")


@contextmanager
def _opened(archive: ZipFile, name: str) -> Iterator[IO[bytes]]:
    try:
        with archive.open(name) as member:
            yield member
    except _BROKEN as error:
        raise BadBackup(f"{name}: damaged") from error
