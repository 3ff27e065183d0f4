"""Immutable files with known digests: verified, read, and stored twice.

DIRECTORY/NAME
DIRECTORY/copy/NAME     files of the current revision: read if the first is damaged
DIRECTORY/ahead/        a file of a snapshot to come, and its second copy
"""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock

from dnsfilter.disk import read_bounded, write_atomically
from dnsfilter.errors import SnapshotError
from dnsfilter.snapshot.manifest import FileRef

COPY = "copy"
AHEAD = "ahead"


class ImmutableFiles:
    """The files of one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Files whose digest this process has checked: path, inode, change time. So a toggle does not hash all names
        # again.
        self._verified: set[tuple[Path, int, int]] = set()
        self._writing_ahead = Lock()

    def write_ahead(self, name: str, data: bytes) -> None:
        """Write a file, twice, before its snapshot. `place` and `copy` then only move it. Replace any other such file.

        Writing a million names to the disk takes long, and publications take turns. If the disk is full, write nothing.
        """
        ahead = self._directory / AHEAD
        with self._writing_ahead, suppress(OSError):
            shutil.rmtree(ahead, ignore_errors=True)
            for directory in (ahead, ahead / COPY):
                directory.mkdir(mode=0o755, parents=True)
                write_atomically(directory / name, data, sync=True)
                self._verified.add(_identity(directory / name))

    def place(self, name: str, file: FileRef) -> bool:
        """Move a file that was written ahead to its place. Return False if there is none."""
        return self._move(self._directory / AHEAD / name, self._directory / name, file)

    def _move(self, source: Path, target: Path, file: FileRef) -> bool:
        try:
            if not self._is_complete(source, file):
                return False
            source.rename(target)
        except FileNotFoundError:
            return False  # Another file was written ahead meanwhile.
        self._verified.add(_identity(target))
        return True

    def is_complete(self, name: str, file: FileRef) -> bool:
        """Return whether that file exists with its digest. A file that this object has checked is not read again."""
        return self._is_complete(self._directory / name, file)

    def trust(self, name: str) -> None:
        """Record a file that was just written as checked."""
        self._verified.add(_identity(self._directory / name))

    def read(self, name: str, file: FileRef, damaged: list[str] | None = None, *, exact: bool = True) -> bytes:
        """Read a file, or its second copy if it is damaged, and append the reason to `damaged`.

        If `exact` is False, the size is a maximum. Raise SnapshotError if both are damaged.
        """
        try:
            return _read(self._directory / name, file, exact=exact)
        except SnapshotError as error:
            with suppress(SnapshotError):
                data = _read(self._directory / COPY / name, file, exact=exact)
                if damaged is not None:
                    damaged.append(str(error))
                return data
            raise

    def copy(self, files: Mapping[str, FileRef]) -> None:
        """Keep a second copy of these files only, and read it back. If the disk is full, keep no copy.

        The copy is not synced: a power cut that damages it damages no synced file.
        """
        copies = self._directory / COPY
        with suppress(OSError, SnapshotError):
            copies.mkdir(mode=0o755, exist_ok=True)
            for path in copies.iterdir():
                if path.name not in files:
                    path.unlink()
            for name, file in files.items():
                ahead = self._directory / AHEAD / COPY / name
                if not self._is_complete(copies / name, file) and not self._move(ahead, copies / name, file):
                    write_atomically(copies / name, _read(self._directory / name, file), sync=False)
                    self._is_complete(copies / name, file)

    def _is_complete(self, path: Path, file: FileRef) -> bool:
        if not path.exists() or path.stat().st_size != file.size:
            return False
        if _identity(path) in self._verified:
            return True
        if sha256(path.read_bytes()).digest() != file.digest:
            return False
        self._verified.add(_identity(path))
        return True


def _identity(path: Path) -> tuple[Path, int, int]:
    """Return a value that differs between two contents of a file: its path, inode and change time."""
    status = path.stat()
    return path, status.st_ino, status.st_ctime_ns


def _read(path: Path, file: FileRef, *, exact: bool = True) -> bytes:
    data = read_bounded(path, file.size)
    if exact and len(data) != file.size:
        raise SnapshotError(f"read {path}: {len(data)} bytes instead of {file.size}")
    if sha256(data).digest() != file.digest:
        raise SnapshotError(f"read {path}: its content does not match its digest")
    return data
