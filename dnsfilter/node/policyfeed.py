"""The snapshot that the workers are to use: watched for on disk, verified once, held in sealed memory."""

import logging
import os
from collections.abc import Sequence

from dnsfilter.engine.clock import Anchor, Clock, SystemClock
from dnsfilter.errors import SnapshotError, UnavailableError
from dnsfilter.node.sealed import map_sealed, seal
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.snapshot.sections import Buffer
from dnsfilter.snapshot.store import Files, SnapshotStore
from dnsfilter.telemetry import logs

LOOKS_BETWEEN_TRIES = 50
"""Looks at a snapshot that could not be loaded before it is read and hashed again."""
_LOG = logging.getLogger("dnsfilter.node")


class PolicyFeed:
    """The newest good snapshot of a store."""

    def __init__(self, store: SnapshotStore, site: str, clock: Clock | None = None) -> None:
        self._store = store
        self._site = site
        self._clock = clock or SystemClock()
        self._token: tuple[int, int] | None = None
        self._failed: tuple[int, int] | None = None
        self._looks = 0
        self._files: Files | None = None
        self._sealed: list[tuple[Buffer, int]] = []
        self.snapshot: Snapshot | None = None
        self.anchor = Anchor(0, 0)
        """When the snapshot in use was made, and the boot time at which a snapshot of that making came into use."""
        self.trouble: str | None = None
        """Why the newest snapshot is not the one in use; None while it is."""

    @property
    def descriptors(self) -> Sequence[int]:
        """The sealed manifest, names, ranges and rules; they stay this object's."""
        return [descriptor for _, descriptor in self._sealed]

    def load(self) -> Snapshot:
        """Take the newest snapshot that is whole. Raises SnapshotError when there is none."""
        token = self._store.current_token()
        files, self.trouble = self._store.read_last_good(self._files)
        snapshot = self.take(files)
        if self.trouble is None:
            self._token = token
        else:
            logs.emit(_LOG, logging.ERROR, "snapshot passed over", reason=self.trouble, using=files.revision)
        return snapshot

    def poll(self) -> Snapshot | None:
        """Another snapshot if one was published since it was last loaded, else None.

        One that cannot be loaded is tried again after some looks, since the reason may pass, and said once.
        """
        token = self._store.current_token()
        if token is None or token == self._token:
            return None
        if token == self._failed and self._looks < LOOKS_BETWEEN_TRIES:
            self._looks += 1
            return None
        self._failed, self._looks = token, 0
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
        held = {id(octets): (octets, descriptor) for octets, descriptor in self._sealed}
        sealed: list[tuple[Buffer, int]] = []
        fresh: list[int] = []
        try:
            for octets in (files.manifest, files.names, files.ranges, files.rules):
                # A file that did not change is the very object that was mapped before.
                if id(octets) not in held:
                    fresh.append(seal("dnsfilter-snapshot", octets))
                    sealed.append((map_sealed(fresh[-1], keep=True), fresh[-1]))
                else:
                    sealed.append(held[id(octets)])
            names, ranges, rules = [octets for octets, _ in sealed[1:]]
            snapshot = Snapshot.open(files.manifest, names, ranges, rules, self._site)
        except (OSError, SnapshotError):
            for descriptor in fresh:
                os.close(descriptor)
            raise
        in_use = {descriptor for _, descriptor in sealed}
        for _, descriptor in self._sealed:
            if descriptor in in_use:
                continue
            os.close(descriptor)
        # The octets as read are let go of: what is in use is in memory once, however large.
        self._files = Files(files.revision, files.manifest, names, ranges, rules)
        self._sealed, self.snapshot = sealed, snapshot
        if snapshot.made_s != self.anchor.made_s:
            self.anchor = Anchor(snapshot.made_s, self._clock.boot_ns() // 1_000_000)
        return snapshot

    def set_aside(self, revision: int, reason: str) -> Snapshot | None:
        """Use no snapshot of this revision any more, but the newest older one; None, and nothing else, without one.

        The store is told; where it does not let this process write, at least this process will not load it again.
        """
        try:
            self._store.quarantine(revision, reason)
        except UnavailableError as error:
            logs.emit(_LOG, logging.WARNING, "quarantine not written", reason=error)
        try:
            return self.load()
        except SnapshotError as error:
            logs.emit(_LOG, logging.ERROR, "no older snapshot to return to", reason=error)
            return None

    def age_s(self) -> int:
        """Seconds since the making of the snapshot in use, by the clock that is believed."""
        wall_s, boot_ms = self._clock.wall_s(), self._clock.boot_ns() // 1_000_000
        return self.anchor.instant(wall_s, boot_ms) - self.anchor.made_s

    def close(self) -> None:
        for _, descriptor in self._sealed:
            os.close(descriptor)
        self._sealed = []
