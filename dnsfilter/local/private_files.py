"""Private files of a node: in a directory that only their owner enters, with atomic writes by one writer at a time."""

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from dnsfilter.disk import sync_directory, write_atomically
from dnsfilter.errors import UnavailableError

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Owner:
    """The numbers of a user and a group."""

    uid: int
    gid: int


def owner_of(path: Path) -> Owner | None:
    """Return the owner of a path. None if it does not exist. Raise UnavailableError if it cannot be read."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnavailableError(f"read {path}: {error.strerror or error}") from error
    return Owner(status.st_uid, status.st_gid)


def owner_below(top: Path, path: Path) -> Owner | None:
    """Return the owner of a directory below `top`, for root to act as that user. None if it does not exist.

    A user who may write there cannot lead root elsewhere. In a directory that others than root may write to, refuse
    links. Also refuse a directory of root there, unless the sticky bit keeps it in place. Raise UnavailableError if
    refused. For other callers than root this is `owner_of`.
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
                    f"{top} is not a directory, and root follows no link there: user {status.st_uid} made it; remove it"
                )
            elif status.st_uid == 0 and not (above.st_uid == 0 and above.st_mode & stat.S_ISVTX):
                raise UnavailableError(
                    f"{top} belongs to root, in a directory that others may write to: chown it to the node's user"
                )
            above = status
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnavailableError(f"read {top}: {error.strerror or error}") from error
    return Owner(above.st_uid, above.st_gid)


def is_roots_alone(directory: os.stat_result) -> bool:
    """Return whether only root may write to the directory."""
    return directory.st_uid == 0 and not directory.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@contextmanager
def acting_as(owner: Owner) -> Iterator[None]:
    """Let root access files as that user, so that no link in that user's directories leads elsewhere.

    For other callers this has no effect. Raise UnavailableError if root may not change its user.
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
    """Make a directory for that user alone (None: the current one) if it does not exist. Raise UnavailableError."""
    try:
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        if owner is not None:
            os.chown(directory, owner.uid, owner.gid, follow_symlinks=False)
    except OSError as error:
        raise UnavailableError(f"make directory {directory}: {error.strerror or error}") from error


@contextmanager
def writing(action: str, lock: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock and make its directory. Raise UnavailableError with the action on an OSError.

    Without `wait`, raise it too if another process holds the lock.
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


def replace_private(path: Path, data: bytes) -> None:
    """Replace a file in an atomic, durable write. The caller must hold the lock. Raise OSError if that fails."""
    write_atomically(path, data, sync=True, mode=FILE_MODE)
    sync_directory(path.parent)


def read_private(path: Path, most: int) -> bytes | None:
    """Return a file of at most `most` bytes from a directory that nobody else may write to. None if there is no file.

    Raise UnavailableError if it cannot be read, or if others may have written it.
    """
    try:
        directory = path.parent.stat()
        if os.geteuid() not in (0, directory.st_uid) and directory.st_uid != 0:
            raise UnavailableError(f"read {path}: its directory belongs to user {directory.st_uid}")
        if directory.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UnavailableError(f"read {path}: others may write to its directory")
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnavailableError(f"read {path}: {error.strerror or error}") from error
    if len(data) > most:
        raise UnavailableError(f"read {path}: it is longer than {most} bytes")
    return data
