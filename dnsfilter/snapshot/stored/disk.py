"""Small acts on the disk that a store is made of: files written whole, kept for good, read within bounds."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dnsfilter.errors import SnapshotError

TEMPORARY = ".new"


def write_atomically(path: Path, data: bytes, *, sync: bool, mode: int = 0o644) -> None:
    """Writes a file beside its place and renames it there. Who calls it is the only one that writes. Raises OSError."""
    temporary = path.with_name(path.name + TEMPORARY)
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if sync:
                os.fsync(descriptor)
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)  # a full disk needs the room
        raise


def sync_files(paths: Iterable[Path]) -> None:
    """Has the disk keep these files' octets; those that are gone need none. Raises OSError."""
    for path in paths:
        with suppress(FileNotFoundError):
            _sync(path, os.O_RDONLY)


def sync_directory(directory: Path) -> None:
    """Has the disk keep the names in it. Raises OSError."""
    _sync(directory, os.O_RDONLY | os.O_DIRECTORY)


def read_bounded(path: Path, size: int) -> bytes:
    """At most `size` octets and one more, by which a longer file shows; raises SnapshotError.

    No link is followed, which may lead to what its maker must not read, and nothing is waited for.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return file.read(size + 1)
    except OSError as error:
        raise SnapshotError(f"read {path}: {error.strerror or error}") from error


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
