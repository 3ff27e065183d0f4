"""Immutable files in memory: sealed memfds (memfd_create(2)), shared by all workers."""

import fcntl
import mmap
import os

from dnsfilter.errors import SnapshotError
from dnsfilter.snapshot.sections import Buffer

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def seal(name: str, content: Buffer) -> int:
    """Return a descriptor of an immutable copy. The caller closes it."""
    descriptor = empty_memory(name)
    try:
        _write(descriptor, content)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def empty_memory(name: str) -> int:
    """Return a descriptor of empty memory that `fill` may seal, also in another process. The caller closes it."""
    return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def fill(descriptor: int, *parts: Buffer) -> None:
    """Write these parts into empty memory, seal it, and close the descriptor."""
    try:
        _write(descriptor, *parts)
    finally:
        os.close(descriptor)


def _write(descriptor: int, *parts: Buffer) -> None:
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(descriptor, view) :]
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)


def map_sealed(descriptor: int, *, keep: bool = False) -> mmap.mmap:
    """Map the content of a descriptor from `seal` for reading. Raise SnapshotError if it is not sealed.

    Close the descriptor, unless `keep` is true.
    """
    try:
        if fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
            raise SnapshotError("map snapshot file: memory is not sealed")
        return mmap.mmap(descriptor, os.fstat(descriptor).st_size, prot=mmap.PROT_READ)
    except (OSError, ValueError) as error:
        raise SnapshotError(f"map snapshot file: {error}") from error
    finally:
        if not keep:
            os.close(descriptor)
