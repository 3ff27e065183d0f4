"""Files that a node keeps for itself: in a directory of their owner alone, written whole, by one writer at a time."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

from dnsfilter.errors import UnavailableError

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600


@contextmanager
def writing(action: str, lock: Path) -> Iterator[None]:
    """Hold that lock, whose directory is made; an OSError becomes an UnavailableError that names the action."""
    try:
        lock.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        try:
            flock(descriptor, LOCK_EX)
            yield
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UnavailableError(f"{action}: {error.strerror or error}") from error


def write_whole(path: Path, octets: bytes) -> None:
    """Replace a file, to last: either the old one is there or the new. To be called by whoever holds the lock."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    with open(descriptor, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(descriptor)
    temporary.rename(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Have the disk keep what was made, renamed or removed in it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_private(path: Path, most: int) -> bytes | None:
    """A file of at most `most` octets in a directory that nobody else writes to; None where there is none.

    Raises UnavailableError for one that cannot be read, or that others may have written.
    """
    try:
        directory = path.parent.stat()
        if os.geteuid() not in (0, directory.st_uid) and directory.st_uid != 0:
            raise UnavailableError(f"read {path}: its directory is user {directory.st_uid}'s")
        if directory.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UnavailableError(f"read {path}: others may write to its directory")
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            octets = file.read(most + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnavailableError(f"read {path}: {error.strerror or error}") from error
    if len(octets) > most:
        raise UnavailableError(f"read {path}: it is longer than {most} octets")
    return octets
