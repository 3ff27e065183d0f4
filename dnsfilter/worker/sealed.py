"""Snapshot files in memory that nobody can change: sealed memfds (memfd_create(2)), shared by all workers."""

import fcntl
import mmap
import os

from dnsfilter.errors import SnapshotError
from dnsfilter.snapshot.sections import Buffer

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def seal(name: str, octets: Buffer) -> int:
    """A descriptor of an immutable copy; the caller closes it."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(octets)
        while view:
            view = view[os.write(descriptor, view) :]
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def map_sealed(descriptor: int, *, keep: bool = False) -> mmap.mmap:
    """The octets behind a descriptor that `seal` made, mapped for reading. SnapshotError if not sealed.

    Closes the descriptor, unless the caller wants to `keep` it.
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
