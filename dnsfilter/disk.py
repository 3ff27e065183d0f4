"""Write files atomically, sync them to the disk, and read them with a size limit."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dnsfilter.errors import SnapshotError

TEMPORARY = ".new"


def write_atomically(path: Path, data: bytes, *, sync: bool, mode: int = 0o644) -> None:
    """Write a temporary file and rename it to `path`. The caller must be the only writer. Raise OSError on failure."""
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
        temporary.unlink(missing_ok=True)  # A full disk needs the space.
        raise


def sync_files(paths: Iterable[Path]) -> None:
    """Sync the content of these files to the disk. Skip missing ones. Raise OSError on failure."""
    for path in paths:
        with suppress(FileNotFoundError):
            _sync(path, os.O_RDONLY)


def sync_directory(directory: Path) -> None:
    """Sync the file names in a directory to the disk. Raise OSError on failure."""
    _sync(directory, os.O_RDONLY | os.O_DIRECTORY)


def read_bounded(path: Path, size: int) -> bytes:
    """Read at most `size` + 1 bytes: the extra byte shows that a file is too long. Raise SnapshotError on failure.

    Symbolic links are not followed: they may lead to files that their owner must not read. Reading does not block.
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
