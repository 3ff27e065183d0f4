"""Write files atomically and durably."""

import os
from pathlib import Path


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
