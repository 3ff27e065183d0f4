"""Feeds from files of this machine, all below one directory."""

import os
import stat
from pathlib import Path

from api.feeds.failures import Failure, FetchError

SETTING = "DNSFILTER_API_FEED_DIR"


def read_file(directory: Path | None, name: str, known: str, max_bytes: int) -> tuple[bytes, str] | None:
    """Return the content of a file below the directory, and its stamp; None if the stamp is `known`.

    Links may not lead out of the directory. Raise FetchError.
    """
    if directory is None:
        raise FetchError(Failure.FILE, f"{name} is a file, and no directory of feeds is set: name one in {SETTING}")
    try:
        # A FIFO would keep the fetch waiting for its writer.
        descriptor = os.open(directory / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            stamp = _stamp(descriptor, directory, name)
            if stamp == known:
                return None
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(max_bytes + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FetchError(Failure.FILE, f"cannot read {name} in {directory} ({reason}): check it") from error
    if len(content) > max_bytes:
        raise FetchError(Failure.SIZE, f"{name} has more than {max_bytes} bytes: choose a smaller list, or split it")
    return content, stamp


def _stamp(descriptor: int, directory: Path, name: str) -> str:
    """Return what changes when the content of an opened file does. Raise FetchError if it is none of the directory."""
    # The opened file is checked, not its name, which may lead elsewhere a moment later.
    if not Path(os.readlink(f"/proc/self/fd/{descriptor}")).is_relative_to(directory.resolve()):
        raise FetchError(Failure.FILE, f"{name} is outside {directory}: move the file there")
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise FetchError(Failure.FILE, f"{name} in {directory} is not a file: name a file")
    return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"
