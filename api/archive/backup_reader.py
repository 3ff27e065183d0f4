"""Read a backup. It is verified completely before it is used."""

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
"""Errors of zipfile for invalid content: an unknown method, encryption, an undecodable name, a negative offset."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup whose members match its manifest."""

    manifest: Manifest
    _zip: ZipFile

    def token_key(self) -> bytes:
        """Return the key of the token hashes."""
        with _opened(self._zip, TOKEN_KEY) as member:
            return member.read(MAX_TOKEN_KEY)

    def lines(self, name: str) -> Iterator[bytes]:
        """Return the lines of a member. Raise BadBackup."""
        with _opened(self._zip, name) as member:
            while line := member.readline(MAX_LINE):
                if not line.endswith(b"\n"):
                    raise BadBackup(f"{name}: a line is cut off, or longer than {MAX_LINE} bytes")
                yield line


def open_backup(file: IO[bytes]) -> Backup:
    """Open and verify the backup in a seekable file. Raise BadBackup that names the first member with a fault."""
    try:
        archive = ZipFile(file)
    except _BROKEN as error:
        raise BadBackup("not a backup, or a truncated one") from error
    names = archive.namelist()
    if MANIFEST not in names:
        raise BadBackup(f"{MANIFEST}: is missing")
    with _opened(archive, MANIFEST) as member:
        data = member.read(MAX_MANIFEST + 1)
    if len(data) > MAX_MANIFEST:
        raise BadBackup(f"{MANIFEST}: larger than {MAX_MANIFEST} bytes")
    manifest = parse_manifest(data)
    for name in sorted({*names, *manifest.members, TOKEN_KEY} - {MANIFEST}):
        if name not in manifest.members:
            raise BadBackup(f"{name}: not in the manifest")
        if names.count(name) != 1:
            raise BadBackup(f"{name}: is {'missing' if name not in names else 'there twice'}")
        _verify(archive, name, manifest.members[name])
    return Backup(manifest, archive)


def _verify(archive: ZipFile, name: str, expected: Member) -> None:
    digest, size, rows, last = sha256(), 0, 0, b"\n"
    with _opened(archive, name) as member:
        # Read no more than the manifest's size: a small file can unpack to a very large one.
        while size <= expected.size and (piece := member.read(_PIECE)):
            digest.update(piece)
            size += len(piece)
            rows += piece.count(b"\n")
            last = piece[-1:]
    rows = rows + (last != b"\n") if name != TOKEN_KEY else 1
    if size != expected.size:
        raise BadBackup(f"{name}: it has {size} bytes, but the manifest says {expected.size}")
    if digest.hexdigest() != expected.sha256:
        raise BadBackup(f"{name}: its SHA-256 does not match the manifest")
    if rows != expected.rows:
        raise BadBackup(f"{name}: it has {rows} rows, but the manifest says {expected.rows}")


@contextmanager
def _opened(archive: ZipFile, name: str) -> Iterator[IO[bytes]]:
    try:
        with archive.open(name) as member:
            yield member
    except _BROKEN as error:
        raise BadBackup(f"{name}: damaged") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise BadBackup(f"{name}: damaged") from error  # bz2 reports its data so
