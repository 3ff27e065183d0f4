"""Files that commands read, within bounds, and write: whole or not at all."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from api.ctl.exit_codes import WrongInput
from api.files import sync_directory

SECRET = 0o600


def read_text(name: str, most: int, advice: str = "") -> str:
    """The text of a file, or of standard input for "-", of at most `most` octets; `advice` follows "not UTF-8".

    Raises WrongInput.
    """
    try:
        if name == "-":
            data = sys.stdin.buffer.read(most + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(most + 1)
    except OSError as error:
        raise WrongInput(f"cannot read {name}: {error.strerror}") from error
    # First: what is cut off in the middle of a letter is no UTF-8.
    if len(data) > most:
        raise WrongInput(f"cannot read {name}: it is larger than {most} octets")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise WrongInput(f"cannot read {name}: not UTF-8 at octet {error.start}{advice}") from error


@contextmanager
def writing(target: Path, mode: int | None = None) -> Iterator[BinaryIO]:
    """What takes the place of `target` when the block ends, synced; nothing is left of it where the block fails.

    With `mode` the file has it, else it keeps that of the file that it replaces. A device or a pipe is written to.
    Raises WrongInput for what the file system refuses.
    """
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as device:
                yield device
            return
        target = target.resolve()
        if mode is None:
            mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        descriptor, beside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), mode)
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(beside).replace(target)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        sync_directory(target.parent)
    except OSError as error:
        raise WrongInput(f"cannot write {target}: {error.strerror}") from error


class Counted:
    """A file that is written to, with its size and digest."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._seen = sha256()
        self.octets = 0

    @property
    def digest(self) -> str:
        """SHA-256 of what was written, in hexadecimal."""
        return self._seen.hexdigest()

    def write(self, data: bytes) -> int:
        """Write, and count."""
        self._seen.update(data)
        self.octets += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Nothing is held back here."""
        self._file.flush()


def _umask() -> int:
    held = os.umask(0o077)
    os.umask(held)
    return held
