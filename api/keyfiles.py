"""Files with keys, as they are read: whoever could write to one could sign, and whoever could read it as well."""

import os
import stat
from pathlib import Path

ROOT = 0


def read_key_file(path: Path, most: int) -> bytes:
    """At most so many octets of a file that only this user, or root, has in hand.

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
