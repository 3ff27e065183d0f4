"""Write files atomically and durably, and make the directories that they are in."""

import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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
