"""Files that a node keeps for itself: in a directory of their owner alone, written whole, by one writer at a time."""

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from dnsfilter.errors import UnavailableError
from dnsfilter.snapshot.stored.disk import sync_directory, write_atomically

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Owner:
    """A user and a group, by number."""

    uid: int
    gid: int


def owner_of(path: Path) -> Owner | None:
    """Whose that is; None where there is nothing. Raises UnavailableError where that cannot be told."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnavailableError(f"read {path}: {error.strerror or error}") from error
    return Owner(status.st_uid, status.st_gid)


def owner_below(top: Path, path: Path) -> Owner | None:
    """Whose a directory below `top` is, for root to act as that user; None where there is none.

    Whoever may put something there leads root nowhere else: in a directory that is not root's alone a link is refused,
    and what is root's unless it is there to stay. Raises UnavailableError. Whoever is not root acts as nobody else.
    """
    if os.geteuid() != 0:
        return owner_of(path)
    try:
        above = top.stat()
        for name in path.relative_to(top).parts:
            top = top / name
            status = top.lstat()
            if is_roots_alone(above):
                status = top.stat()
            elif not stat.S_ISDIR(status.st_mode):
                raise UnavailableError(
                    f"{top} is no directory, and root follows nothing there: user {status.st_uid} made it"
                )
            elif status.st_uid == 0 and not (above.st_uid == 0 and above.st_mode & stat.S_ISVTX):
                raise UnavailableError(
                    f"{top} is root's, in a directory that others write to: give it to the node's user"
                )
            above = status
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnavailableError(f"read {top}: {error.strerror or error}") from error
    return Owner(above.st_uid, above.st_gid)


def is_roots_alone(directory: os.stat_result) -> bool:
    """Whether nobody but root puts anything into it."""
    return directory.st_uid == 0 and not directory.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@contextmanager
def acting_as(owner: Owner) -> Iterator[None]:
    """For root: touch files as that user, so that nothing its directories hold leads elsewhere. Others stay themselves.

    Raises UnavailableError where root may not become others.
    """
    if os.geteuid() != 0 or owner.uid == 0:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    try:
        os.setgroups(_groups(owner))
        os.setegid(owner.gid)
        os.seteuid(owner.uid)
    except OSError as error:
        raise UnavailableError(f"act as user {owner.uid}: {error.strerror or error}") from error
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def _groups(owner: Owner) -> list[int]:
    try:
        return os.getgrouplist(pwd.getpwuid(owner.uid).pw_name, owner.gid)
    except KeyError:
        return []


def make_private(directory: Path, owner: Owner | None = None) -> None:
    """Make a directory for that user alone (None: whoever we are), unless there is one. Raises UnavailableError."""
    try:
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        if owner is not None:
            os.chown(directory, owner.uid, owner.gid, follow_symlinks=False)
    except OSError as error:
        raise UnavailableError(f"make directory {directory}: {error.strerror or error}") from error


@contextmanager
def writing(action: str, lock: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold that lock, whose directory is made; an OSError becomes an UnavailableError that names the action.

    Without `wait` it is one that somebody else holds it.
    """
    try:
        lock.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        try:
            flock(descriptor, LOCK_EX if wait else LOCK_EX | LOCK_NB)
            yield
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UnavailableError(f"{action}: {error.strerror or error}") from error


def replace_private(path: Path, octets: bytes) -> None:
    """Replace a file, to last. To be called by whoever holds the lock. Raises OSError."""
    write_atomically(path, octets, sync=True, mode=FILE_MODE)
    sync_directory(path.parent)


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
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            octets = file.read(most + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnavailableError(f"read {path}: {error.strerror or error}") from error
    if len(octets) > most:
        raise UnavailableError(f"read {path}: it is longer than {most} octets")
    return octets
