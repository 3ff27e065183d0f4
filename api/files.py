"""Write files atomically and durably, and read key files that only their owner may read."""

import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from dnsfilter.disk import sync_directory

ROOT = 0


def write_secret(path: Path, content: bytes, *, exclusive: bool = False, mode: int = 0o600) -> None:
    """Write a file atomically and durably. Only its owner can read it, unless `mode` says otherwise.

    With `exclusive`, raise FileExistsError instead of replacing a file. Raise OSError. Leave nothing after an error.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if exclusive:
            rename_exclusively(temporary, path)
        else:
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def rename_exclusively(temporary: Path, path: Path) -> None:
    """Move a file to a path. Raise FileExistsError if that exists: a rename would replace it."""
    os.link(temporary, path)
    temporary.unlink()


@contextmanager
def make_directories(wanted: Mapping[Path, int], owner: pwd.struct_passwd | None) -> Iterator[None]:
    """Make directories with these modes for their owner, and missing parents that the owner can enter.

    Leave existing directories as they are. If the block fails, remove the directories that were made. Raise OSError.
    """
    modes = {path.absolute(): mode for path, mode in wanted.items()}
    made: list[Path] = []
    try:
        for path in sorted({parent for directory in modes for parent in (directory, *directory.parents)}):
            if not path.exists():
                path.mkdir(mode=0o700)
                made.append(path)
                path.chmod(modes.get(path, 0o755))
                if path in modes:
                    set_owner(path, owner)
        yield
    except BaseException:
        for path in reversed(made):
            # Another program may have put a file there. The error that is being raised matters more.
            with suppress(OSError):
                path.rmdir()
        raise


def set_owner(path: Path, owner: pwd.struct_passwd | None) -> None:
    """Set the owner of a file or directory. With None, it stays the caller's."""
    if owner is not None:
        # In a directory that root does not own, somebody could have replaced the path by a link.
        os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def read_key_file(path: Path, most: int) -> bytes:
    """Read at most `most` bytes of a file that only this user, or root, could have written.

    Raise OSError. Raise ValueError if the file belongs to another user, or if others may write or read it.
    """
    link = path.lstat()
    # Opening a named pipe would wait for a writer: O_NONBLOCK prevents that.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        for status in (link, os.fstat(file.fileno())):
            fault = key_file_fault(status, os.geteuid())
            if fault is not None:
                raise ValueError(f"{path} {fault}")
        return file.read(most)


def key_file_fault(status: os.stat_result, user: int) -> str | None:
    """Return why `user` must not trust a key in this file, or None.

    The group may read a file of root: this gives a service a key that it cannot change.
    """
    if status.st_uid not in (user, ROOT):
        return f"belongs to user {status.st_uid}, who knows the key: move it away, or have root own it"
    if stat.S_ISLNK(status.st_mode):
        return None
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written by others than its owner: check who did, then chmod 600"
    readers = stat.S_IROTH if status.st_uid == ROOT else stat.S_IRGRP | stat.S_IROTH
    if status.st_mode & readers:
        return "can be read by others than its owner: check who did, then chmod 600"
    return None
