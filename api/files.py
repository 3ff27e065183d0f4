"""Write files atomically and durably, and read files with keys that only their owner may know."""

import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = 0


def write_secret(path: Path, content: bytes, *, exclusive: bool = False, mode: int = 0o600) -> None:
    """Write a file that only its owner reads, or whoever `mode` says; atomically and durably, else leave nothing.

    With `exclusive` replace no file. Raises OSError, with `exclusive` FileExistsError.
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
            place_exclusively(temporary, path)
        else:
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def place_exclusively(temporary: Path, path: Path) -> None:
    """Move a file to a path where there is none; raise FileExistsError otherwise, as a rename would not."""
    os.link(temporary, path)
    temporary.unlink()


def sync_directory(directory: Path) -> None:
    """Write a directory to the disk: the name of a new file lasts only then."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def made_directories(wanted: Mapping[Path, int], owner: pwd.struct_passwd | None) -> Iterator[None]:
    """Make directories of these modes for their owner, and those above that are missing so that the owner can enter.

    Leave those alone that exist. Remove again what was made if the block fails. Raise OSError.
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
                    give(path, owner)
        yield
    except BaseException:
        for path in reversed(made):
            # Another program may have put a file there; the error that is raised matters more.
            with suppress(OSError):
                path.rmdir()
        raise


def give(path: Path, owner: pwd.struct_passwd | None) -> None:
    """Give a file or directory to its owner; None: it stays the caller's."""
    if owner is not None:
        # In a directory that is not root's a link could stand in the path's place.
        os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def read_key_file(path: Path, most: int) -> bytes:
    """Read at most `most` bytes of a file that only this user, or root, could have written.

    Raises OSError, and ValueError where it is somebody else's or others may write to it or read it.
    """
    link = path.lstat()
    # A named pipe would let whoever opens it wait.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        for status in (link, os.fstat(file.fileno())):
            fault = key_file_fault(status, os.geteuid())
            if fault is not None:
                raise ValueError(f"{path} {fault}")
        return file.read(most)


def key_file_fault(status: os.stat_result, user: int) -> str | None:
    """Why `user` must not believe a key in this file, or None.

    A file of root's may be read by its group, which is how a service is given a key that it cannot change.
    """
    if status.st_uid not in (user, ROOT):
        return f"belongs to user {status.st_uid}: whoever made it knows the key, so move it away or have root own it"
    if stat.S_ISLNK(status.st_mode):
        return None
    if not stat.S_ISREG(status.st_mode):
        return "is no file"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written by others than its owner: see who has, then chmod 600"
    readers = stat.S_IROTH if status.st_uid == ROOT else stat.S_IRGRP | stat.S_IROTH
    if status.st_mode & readers:
        return "can be read by others than its owner: see who has, then chmod 600"
    return None
