"""Read files up to a size limit, and write files atomically."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from api.ctl.exit_codes import WrongInput
from dnsfilter.disk import sync_directory

SECRET = 0o600


def read_text(name: str, most: int, advice: str = "") -> str:
    """Return the text of a file, or of standard input for "-". `advice` is added to the message "not UTF-8".

    Raise WrongInput if it is unreadable, larger than `most` bytes or not UTF-8.
    """
    try:
        if name == "-":
            data = sys.stdin.buffer.read(most + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(most + 1)
    except OSError as error:
        raise WrongInput(f"cannot read {name}: {error.strerror}") from error
    # Check the size first: text that is cut within a character is not UTF-8.
    if len(data) > most:
        raise WrongInput(f"cannot read {name}: it is larger than {most} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise WrongInput(f"cannot read {name}: not UTF-8 at byte {error.start}{advice}") from error


@contextmanager
def write_atomically(target: Path, mode: int | None = None) -> Iterator[BinaryIO]:
    """Yield a file that replaces `target`, synced, when the block ends. If the block fails, `target` stays as it was.

    Without `mode` the file keeps the mode of the file that it replaces. Write directly to a device or a pipe.
    Raise WrongInput if the file system refuses.
    """
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as device:
                yield device
            return
        target = target.resolve()
        if mode is None:
            mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), mode)
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        sync_directory(target.parent)
    except OSError as error:
        raise WrongInput(f"cannot write {target}: {error.strerror}") from error


class CountedFile:
    """Write to a file, and count its size and digest."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._seen = sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the content, in hexadecimal."""
        return self._seen.hexdigest()

    def write(self, data: bytes) -> int:
        """Write `data` and count it."""
        self._seen.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Flush the file."""
        self._file.flush()


def _umask() -> int:
    held = os.umask(0o077)
    os.umask(held)
    return held
