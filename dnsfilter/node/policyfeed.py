"""The snapshot that the workers are to use: watched for on disk, verified once, held in sealed memory."""

import logging
import os
from collections.abc import Sequence

from dnsfilter.errors import SnapshotError
from dnsfilter.node.sealed import seal
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.snapshot.store import Files, SnapshotStore
from dnsfilter.telemetry import logs

_LOG = logging.getLogger("dnsfilter.node")


class PolicyFeed:
    """The newest good snapshot of a store."""

    def __init__(self, store: SnapshotStore, site: str) -> None:
        self._store = store
        self._site = site
        self._token: tuple[int, int] | None = None
        self._files: Files | None = None
        self._sealed: list[tuple[bytes, int]] = []
        self.snapshot: Snapshot | None = None
        self.trouble: str | None = None
        """Why the newest snapshot is not the one in use; None while it is."""

    @property
    def descriptors(self) -> Sequence[int]:
        """The sealed manifest, names, ranges and rules; they stay this object's."""
        return [descriptor for _, descriptor in self._sealed]

    def load(self) -> Snapshot:
        """Take the newest snapshot that is whole. Raises SnapshotError when there is none."""
        self._token = self._store.current_token()
        files, self.trouble = self._store.read_last_good(self._files)
        if self.trouble is not None:
            logs.emit(_LOG, logging.ERROR, "snapshot passed over", reason=self.trouble, using=files.revision)
        return self.take(files)

    def poll(self) -> Snapshot | None:
        """Another snapshot if one was published since it was last loaded, else None.

        One that cannot be loaded is tried again at every look, since the reason may pass, and said once.
        """
        token = self._store.current_token()
        if token is None or token == self._token:
            return None
        try:
            files = self._store.read_current(self._files)
            snapshot = self.take(files)
        except (SnapshotError, OSError) as error:
            if str(error) != self.trouble:
                self.trouble = str(error)
                logs.emit(_LOG, logging.ERROR, "snapshot not loaded", reason=self.trouble)
            return None
        self._token, self.trouble = token, None
        return snapshot

    def take(self, files: Files) -> Snapshot:
        """Use these files from now on. Raises SnapshotError, and then keeps what it had."""
        snapshot = Snapshot.open(files.manifest, files.names, files.ranges, files.rules, self._site)
        held = {id(octets): (octets, descriptor) for octets, descriptor in self._sealed}
        sealed: list[tuple[bytes, int]] = []
        for octets in (files.manifest, files.names, files.ranges, files.rules):
            # A file that did not change is the very object that was sealed before.
            kept = held.pop(id(octets)) if id(octets) in held else (octets, seal("dnsfilter-snapshot", octets))
            sealed.append(kept)
        for _, descriptor in held.values():
            os.close(descriptor)
        self._sealed, self._files, self.snapshot = sealed, files, snapshot
        return snapshot

    def close(self) -> None:
        for _, descriptor in self._sealed:
            os.close(descriptor)
        self._sealed = []
