"""What changed between two files of snapshots that nodes fetch."""

from contextlib import ExitStack, suppress
from mmap import ACCESS_READ, mmap
from threading import Lock
from typing import Final

from dnsfilter.errors import SnapshotError
from dnsfilter.snapshot.file_changes import changes_between
from dnsfilter.snapshot.stored.store import SnapshotStore

WORTH: Final = 4
"""The file must be this many times as large as its changes; otherwise nodes fetch the file."""


class ChangedFiles:
    """The changes that were worked out last. All nodes ask for the same ones after an act. Thread-safe."""

    def __init__(self, store: SnapshotStore) -> None:
        self._store = store
        self._lock = Lock()
        self._known: tuple[str, str, bytes | None] | None = None

    def between(self, before: str, after: str) -> bytes | None:
        """Return what changed from one file to another, by their SHA-256.

        Return None if one is not there, is no names file, or has little in common with the other.
        """
        with self._lock:
            if self._known is None or self._known[:2] != (before, after):
                self._known = before, after, self._worked_out(before, after)
            return self._known[2]

    def _worked_out(self, before: str, after: str) -> bytes | None:
        changes = None
        with ExitStack() as held:
            old, new = (self._mapped(held, digest) for digest in (before, after))
            if old is not None and new is not None:
                with suppress(SnapshotError):
                    changes = changes_between(old, new, len(new) // WORTH)
        return changes

    def _mapped(self, held: ExitStack, digest: str) -> mmap | None:
        file = self._store.open_named(digest)
        if file is None:
            return None
        held.enter_context(file)
        with suppress(ValueError):  # an empty file, which a power cut left
            return held.enter_context(mmap(file.fileno(), 0, access=ACCESS_READ))
        return None
