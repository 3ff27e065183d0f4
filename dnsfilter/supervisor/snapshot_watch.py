"""The snapshot for the workers: watch for it on disk, verify it once, hold it in sealed memory."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from dnsfilter.control.unstored import Unstored, unstored_text
from dnsfilter.engine.clock import Anchor, Clock, Reference, SystemClock
from dnsfilter.errors import SnapshotError, UnavailableError
from dnsfilter.local import believed_clock
from dnsfilter.local.believed_clock import BelievedClock, kernel_is_synchronized, this_boot
from dnsfilter.local.local_acts import ActsHere, Applied, LocalActs, log_change
from dnsfilter.local.timed_acts import ClockReading
from dnsfilter.local.unwritten_acts import WriteBack
from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.contents import Files
from dnsfilter.snapshot.lifted_bans import LiftedBans
from dnsfilter.snapshot.manifest import parse_manifest
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.snapshot.sections import Buffer
from dnsfilter.snapshot.stored.pointers import current_in
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.telemetry import logs
from dnsfilter.worker.sealed import map_sealed, seal

MOST_NAMED = 10
"""Bans that a message names."""
LOOKS_BETWEEN_TRIES = 50
"""Number of polls after which a snapshot that could not be loaded is read and hashed again."""
_LOG = logging.getLogger("dnsfilter.node")


class PolicyFeed:
    """The newest good snapshot of a store, with the local acts of this node applied to it."""

    def __init__(
        self,
        store: SnapshotStore,
        site: str,
        clock: Clock | None = None,
        node_dir: Path | None = None,
        *,
        read_only: bool = False,
        trust_clock: bool = False,
        is_synchronized: Callable[[], bool] = kernel_is_synchronized,
    ) -> None:
        """Initialize. Local acts and the believed time are read from `node_dir`. If it is None, there are none.

        `read_only` is for a process next to the node, which must not write to the node's files.
        """
        self.trust_clock = trust_clock
        """Whether a wall clock that jumps ahead is believed without a confirmation."""
        self._store = store
        self._site = site
        self._clock = clock or SystemClock()
        self._applied = Applied()
        self._local = None if node_dir is None else ActsHere(node_dir, read_only=read_only)
        kept = None if node_dir is None else node_dir / believed_clock.FILE_NAME
        self._believed = BelievedClock(kept, self._clock, read_only=read_only, is_synchronized=is_synchronized)
        self._doubt = ""
        self._write_back = None if node_dir is None or read_only else WriteBack(node_dir)
        self._offered: Files | None = None
        """The unstored snapshot that is in use, or that gave way to one that was chosen on this node."""
        self.remark: str | None = None
        """What is only in memory because the disk does not take it, and why. None if all is on disk."""
        self._boot = this_boot()
        self._waits = 0
        self._token: tuple[int, int] | None = None
        self._failed: tuple[int, int] | None = None
        self._looks = 0
        self._files: Files | None = None
        """The files as published, without local acts."""
        self._sealed: list[tuple[Buffer, int]] = []
        self.snapshot: Snapshot | None = None
        self.anchor = Anchor(0, 0)
        """When the snapshot in use was made, and the boot time at which the first snapshot made then came into use."""
        self.trouble: str | None = None
        """The reason why the newest snapshot is not in use. None while it is."""
        self.unreadable: str | None = None
        """The reason why the store cannot be read. None while it can be, or if it has never had a snapshot."""
        self._was_there = False
        self.passed_over: int | None = None
        """The current revision, if an older snapshot had to take its place. None if it did not."""
        self._lifted: LiftedBans | None = None
        self.acts = LocalActs()
        """The local acts in force."""

    @property
    def descriptors(self) -> Sequence[int]:
        """Return the sealed manifest, names, ranges and rules. This object keeps them and closes them."""
        return [descriptor for _, descriptor in self._sealed]

    @property
    def manifest_digest(self) -> str | None:
        """Return the SHA-256 of the manifest in use, as published. None before there is one."""
        return None if self._files is None else sha256(self._files.manifest).hexdigest()

    @property
    def held_up_to(self) -> int | None:
        """Return the revision above which a newer one replaces the snapshot that was chosen on this node.

        Return None if the snapshot in use was not chosen on this node.
        """
        held = self._store.held_up_to()
        chosen = held is not None and self._files is not None and self._files.revision == self._store.current_revision()
        return held if chosen else None

    def suspended(self) -> frozenset[str | None]:
        """Return the authorities at this node's site that are suspended now, by a published or a local suspension.

        None means all.
        """
        given = frozenset(suspension.authority for suspension in self.acts.suspensions)
        if self.snapshot is None:
            return given
        found = given | self.snapshot.suspended(self.now().instant)
        return found & {None, *self.snapshot.authorities_here} if found else found

    def local_suspensions(self) -> tuple[tuple[str | None, Instant], ...]:
        """Return the authorities (None: all) that are suspended by an act on this node, and until when.

        Include the suspensions of a snapshot that was chosen here: the control plane may have ended them since.
        """
        held = self.acts.suspensions
        if self.snapshot is not None and self.held_up_to is not None:
            held += self.snapshot.suspensions(self.now().instant)
        until: dict[str | None, Instant] = {}
        for each in held:
            until[each.authority] = max(each.end, until.get(each.authority, each.end))
        return tuple(until.items())

    def load(self, *, without: int | None = None) -> Snapshot:
        """Take the newest complete snapshot, except revision `without`. Raise SnapshotError if there is none."""
        token = self._store.current_token()
        self._was_there |= token is not None
        files, trouble = self._store.read_last_good(self._files, without=without)
        snapshot = self.take(files)
        self._compare_with_current()
        self.trouble = trouble
        # The snapshot that was passed over is tried again: its quarantine may be ended.
        self._token = token if trouble is None else None
        if trouble is not None:
            logs.emit(_LOG, logging.ERROR, "snapshot passed over", reason=trouble, using=files.revision)
        return snapshot

    def load_any(self) -> Snapshot:
        """Take the newest complete revision, even a quarantined one. Raise SnapshotError if there is none."""
        files = self._store.read_any()
        snapshot = self.take(files)
        self._compare_with_current()
        logs.emit(_LOG, logging.ERROR, "no other snapshot is complete", using=files.revision)
        return snapshot

    def lifted(self) -> str | None:
        """Return which bans of the current snapshot are not refused because an older one had to take its place.

        Return None if there is no such ban. Suspensions on this node are left out: they would lift a ban in any case.
        """
        if self.passed_over is None or self._files is None:
            return None
        instead = f"revision {self._files.revision} is in force instead of {self.passed_over}"
        if self._lifted is None:
            return f"{instead}, which cannot be read: its bans may not be refused"
        bans = self._lifted.at(self.now().instant)
        more = f" and {len(bans) - MOST_NAMED} more" if len(bans) > MOST_NAMED else ""
        return f"{instead}, and does not refuse all of {', '.join(bans[:MOST_NAMED])}{more}" if bans else None

    def _compare_with_current(self) -> None:
        """Compare the snapshot in use with the current one, if that was passed over."""
        self.passed_over = self._lifted = None
        current, files = self._store.current_revision(), self._files
        if files is None or current is None or current <= files.revision:
            return
        self._compare(current, lambda: self._store.read_quarantined(files), files)

    def _compare(self, revision: int, read: Callable[[], Files], files: Files) -> None:
        """Note that `files` took the place of a revision, whose files `read` returns."""
        self.passed_over = revision
        try:
            self._lifted = LiftedBans(self._published(read()), self._published(files))
        except (SnapshotError, OSError) as error:
            logs.emit(_LOG, logging.ERROR, "snapshot not compared", revision=revision, reason=error)

    def _published(self, files: Files) -> Snapshot:
        return Snapshot.open(files.manifest, files.names, files.ranges, files.rules, self._site)

    def poll(self, unstored: Unstored | None = None) -> Snapshot | None:
        """Return the snapshot to use from now on if one was published or local acts changed, else None.

        A snapshot that cannot be loaded is tried again after some polls, because the reason may pass. Log it once.
        `unstored` is a newer one that the disk did not take.
        """
        if self._write_back is not None:
            self._write_back.look()
        snapshot = self._poll_store(unstored) or self._poll_unstored(unstored) or self._poll_acts()
        self._note_remark(unstored)
        return snapshot

    def _poll_unstored(self, unstored: Unstored | None) -> Snapshot | None:
        files = None if unstored is None else unstored.files
        if files is None or files is self._offered:
            return None
        self._offered = files
        if self._is_in_use(files) or self._store.quarantine_reason(files.revision) is not None:
            return None
        try:
            snapshot = self.take(files)
        except (SnapshotError, OSError) as error:
            logs.emit(_LOG, logging.ERROR, "snapshot not loaded", reason=error)
            return None
        self.passed_over = self._lifted = None
        return snapshot

    def _is_in_use(self, files: Files) -> bool:
        return self._files is not None and self._files.manifest == files.manifest

    def _note_remark(self, unstored: Unstored | None) -> None:
        """Keep what is only in memory."""
        snapshot = unstored_text(unstored) if unstored is not None and self._is_in_use(unstored.files) else None
        acts = None if self._write_back is None else self._write_back.reason
        notes = [snapshot, None if acts is None else f"local acts are only in memory: {acts}"]
        self.remark = "; ".join(note for note in notes if note is not None) or None

    def _poll_store(self, unstored: Unstored | None) -> Snapshot | None:
        token = self._store.current_token()
        self._look_at_store(there=token is not None)
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
        self.passed_over = self._lifted = None
        self._offered = None if unstored is None else unstored.files
        return snapshot

    def _look_at_store(self, *, there: bool) -> None:
        """Keep the reason why the store cannot be read. Log it once, and log once when the store is readable again."""
        if there:
            if self.unreadable is not None:
                logs.emit(_LOG, logging.INFO, "snapshots can be read again")
            self._was_there, self.unreadable = True, None
        elif self._was_there and self.unreadable is None:
            try:
                current_in(self._store.directory)
            except SnapshotError as error:
                self.unreadable = str(error)
                logs.emit(_LOG, logging.ERROR, "snapshots cannot be read", reason=error)

    def _poll_acts(self) -> Snapshot | None:
        """Return the snapshot in use with the local acts of now if these have changed, else None."""
        if self._files is None or self._holding(self._now(self.anchor)) == self.acts:
            return None
        if self._waits:
            self._waits -= 1
            return None
        try:
            return self.take(self._files)
        except (SnapshotError, OSError) as error:
            self._waits = LOOKS_BETWEEN_TRIES
            logs.emit(_LOG, logging.ERROR, "local acts not in force", reason=error)
            return None

    def _holding(self, now: ClockReading) -> LocalActs:
        return LocalActs() if self._local is None else self._local.holding(now)

    def _now(self, anchor: Anchor) -> ClockReading:
        wall_s, boot_ms = self._clock.wall_s(), self._clock.boot_ns() // 1_000_000
        return ClockReading(anchor.instant(wall_s, boot_ms), boot_ms, self._boot)

    def take(self, files: Files) -> Snapshot:
        """Use these files from now on. On SnapshotError keep the ones in use."""
        anchor = self._anchor_of(files)
        now = self._now(anchor)
        acts = self._holding(now)
        laid = self._applied.to(files, acts, now.instant)
        sealed, snapshot = self._seal(laid)
        in_use = {descriptor for _, descriptor in sealed}
        for _, descriptor in self._sealed:
            if descriptor not in in_use:
                os.close(descriptor)
        # Drop the content as read, so that the files in use are in memory only once.
        names, ranges, rules = [content for content, _ in sealed[1:]]
        published = names if laid.names is files.names else files.names
        self._applied.keep(published, names)
        published_rules = rules if laid.rules is files.rules else files.rules
        self._files = Files(files.revision, files.manifest, published, ranges, published_rules)
        self._sealed, self.snapshot, self.anchor = sealed, snapshot, anchor
        if files.damaged:
            reason = "; ".join(files.damaged)
            logs.emit(_LOG, logging.ERROR, "snapshot is damaged, second copy in use", reason=reason)
        log_change(self.acts, acts)
        self.acts = acts
        return snapshot

    def _seal(self, files: Files) -> tuple[list[tuple[Buffer, int]], Snapshot]:
        """Return these files in sealed memory and the snapshot of them. Reuse files that are sealed already."""
        held = {id(content): (content, descriptor) for content, descriptor in self._sealed}
        sealed: list[tuple[Buffer, int]] = []
        fresh: list[int] = []
        try:
            for content in (files.manifest, files.names, files.ranges, files.rules):
                # A file that did not change is the very object that was mapped before.
                if id(content) not in held:
                    fresh.append(seal("dnsfilter-snapshot", content))
                    sealed.append((map_sealed(fresh[-1], keep=True), fresh[-1]))
                else:
                    sealed.append(held[id(content)])
            names, ranges, rules = [content for content, _ in sealed[1:]]
            return sealed, Snapshot.open(files.manifest, names, ranges, rules, self._site)
        except (OSError, SnapshotError):
            for descriptor in fresh:
                os.close(descriptor)
            raise

    def _anchor_of(self, files: Files) -> Anchor:
        made_s = parse_manifest(files.manifest).made_s
        self._believed.look(made_s, trusted=self.trust_clock)
        if made_s == self.anchor.made_s:
            return replace(self.anchor, reference=self._believed.reference)
        return Anchor(made_s, self._clock.boot_ns() // 1_000_000, self._believed.reference)

    def look_at_clock(self, heard: Reference | None = None) -> bool:
        """Judge the wall clock, once a second. Return whether workers need the new reference of `anchor`.

        `heard` is the newest time of a control plane on another machine.
        """
        moved = self._believed.look(self.anchor.made_s, heard, trusted=self.trust_clock)
        if moved:
            self.anchor = replace(self.anchor, reference=self._believed.reference)
        self._log_doubt()
        return moved

    def wall_s(self) -> Instant:
        """Return the wall clock, or the believed time if the wall clock is ahead of it."""
        return self._now(Anchor(0, 0, self._believed.reference)).instant

    def _log_doubt(self) -> None:
        """Log once that the wall clock is not believed, and once that it is again."""
        wall_s, boot_ms = self._clock.wall_s(), self._clock.boot_ns() // 1_000_000
        doubt, advice = "", "set the clock by NTP"
        if self.anchor.is_behind(wall_s):
            doubt = "clock is earlier than the policy and not trusted"
        elif self.anchor.is_ahead(wall_s, boot_ms):
            doubt = "clock has jumped ahead and is not trusted"
            advice = "synchronize it by NTP (chrony: rtcsync); if it is right without that, set trust_clock = true"
        if doubt and doubt != self._doubt:
            believed = instant_text(self.anchor.instant(wall_s, boot_ms))
            logs.emit(_LOG, logging.ERROR, doubt, clock=instant_text(wall_s), believed=believed, advice=advice)
        elif self._doubt and not doubt:
            logs.emit(_LOG, logging.INFO, "clock is trusted again", clock=instant_text(wall_s))
        self._doubt = doubt

    def set_aside(self, revision: int, reason: str) -> Snapshot | None:
        """Quarantine this revision and use the newest older one. If there is none, return None and change nothing.

        The quarantine is written to the store. If this process may not write there, it still does not load it again.
        """
        before = self._files
        try:
            snapshot = self.load(without=revision)
        except (SnapshotError, OSError) as error:
            logs.emit(_LOG, logging.ERROR, "snapshot not quarantined, no other can be used", reason=error)
            return None
        files = self._files
        if before is not None and files is not None and before.revision == revision != self.passed_over:
            self._compare(revision, lambda: before, files)  # it was only in memory, so `load` did not find it
        try:
            self._store.quarantine(revision, reason)
        except UnavailableError as error:
            logs.emit(_LOG, logging.WARNING, "quarantine not written", reason=error)
        return snapshot

    def reinstate(self, revision: int) -> Snapshot | None:
        """End the quarantine of this revision and use the newest snapshot. Return None if an older one stays in use."""
        try:
            self._store.unquarantine(revision)
        except UnavailableError as error:
            logs.emit(_LOG, logging.WARNING, "mark of quarantine not removed", revision=revision, reason=error)
        try:
            snapshot = self.load()
            unstored = self._offered
            if unstored is not None and unstored.revision == revision > snapshot.revision:
                snapshot = self.take(unstored)
                self.passed_over = self._lifted = None
        except (SnapshotError, OSError) as error:
            logs.emit(_LOG, logging.ERROR, "quarantine not ended", revision=revision, reason=error)
            return None
        return snapshot if snapshot.revision >= revision else None

    def now(self) -> ClockReading:
        """Return the time by the trusted clock."""
        return self._now(self.anchor)

    def age_s(self) -> int:
        """Return the seconds since the snapshot in use was made, by the trusted clock."""
        return self.now().instant - self.anchor.made_s

    def close(self) -> None:
        for _, descriptor in self._sealed:
            os.close(descriptor)
        self._sealed = []
