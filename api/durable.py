"""Files that are in their place whole, or not at all, and stay there when the power fails."""

import os
from pathlib import Path


def write_secret(path: Path, content: bytes, *, anew: bool = False) -> None:
    """Put a file in its place, whole and synced, that only its owner reads; nothing else is left where that fails.

    With `anew` no file is replaced. Raises OSError, with `anew` FileExistsError.
    """
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if anew:
            place_anew(beside, path)
        else:
            beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def place_anew(beside: Path, path: Path) -> None:
    """Move a file to a place where there is none; raises FileExistsError, unlike a renaming, which takes any place."""
    os.link(beside, path)
    beside.unlink()


def sync_directory(directory: Path) -> None:
    """A file's name lasts only once its directory is written."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
