"""Local acts on a node, for when there is no control plane: suspend, use an older snapshot, end a quarantine.

Only root and the user that the node runs as may do this. Each act is in the journal before it has effect. An act that
cannot be written there is not done, except a suspension and its end: if the disk is full, both are kept in memory.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from dnsfilter.config.node_config import Config
from dnsfilter.errors import ConfigError, Problem, SnapshotError, UnavailableError
from dnsfilter.local.drain_request import request_drain
from dnsfilter.local.flush import WantedFlush, request_flush
from dnsfilter.local.journal import REASON_CHARS, Act, Entry, Journal
from dnsfilter.local.local_suspensions import FILE_NAME, Given, change_given, load_given, path_in_use
from dnsfilter.local.node_access import NodeAccess, check_authority, check_reason
from dnsfilter.local.private_files import Owner, acting_as, owner_below, owner_of
from dnsfilter.local.timed_acts import MAX_GIVEN, ClockReading
from dnsfilter.local.unwritten_acts import UnwrittenActs, is_of_disk
from dnsfilter.policy.bounds import MAX_SUSPENSION_S
from dnsfilter.policy.calendar import parse_duration
from dnsfilter.policy.model import Instant, Suspension
from dnsfilter.snapshot.contents import Files
from dnsfilter.snapshot.rulebook import RuleTable
from dnsfilter.snapshot.stored.store import SnapshotStore

Change: TypeAlias = Callable[[tuple[Given, ...]], tuple[Given, ...]]


@dataclass(frozen=True, slots=True)
class KeptSnapshot:
    """A snapshot on this node. The node decides by the one that is `in_use`.

    `complete`: every file is here and intact. `copy_in_use`: the node decides by the second copy of a damaged file.
    `trouble` is the reason why its manifest cannot be read, `quarantined` the reason why it must not be used. `size` is
    in bytes.
    """

    revision: int
    made_s: Instant | None
    size: int
    in_use: bool
    complete: bool
    signed: bool
    quarantined: str | None
    trouble: str = ""
    copy_in_use: bool = False


@dataclass(frozen=True, slots=True)
class PublishedSuspension:
    """A suspension in a snapshot. The control plane made it, and may have ended it with a later revision."""

    revision: int
    suspension: Suspension


class LocalNode(NodeAccess):
    """The node of this configuration, for local acts of the caller."""

    def __init__(self, config: Config, store: SnapshotStore, *, by_policy_file: bool) -> None:
        super().__init__(config, store)
        self._by_policy_file = by_policy_file
        self._path = config.node_dir / FILE_NAME
        self.in_memory: str | None = None
        """The reason why the last act is in memory only. None if it is on disk."""

    def suspend(self, authority: str | None, duration: str, reason: str) -> Suspension:
        """Suspend that authority (None: all) on this node, from now on for `duration`.

        This replaces a suspension of the same authority. Raise ConfigError for a wrong argument, UnavailableError if
        the caller may not do this or it fails.
        """
        for_s = _duration_s(duration)
        check_reason(reason)
        if authority is not None:
            with self._as_reader():
                check_authority(authority, self._files(), "; leave out AUTHORITY to suspend all")
        with self._as_owner():
            now = self._now(self._files())
            until = now.instant + for_s

            def add(held: tuple[Given, ...]) -> tuple[Given, ...]:
                others = _others(held, authority)
                if len(others) >= MAX_GIVEN:
                    raise UnavailableError(
                        f"suspend: {MAX_GIVEN} authorities are already suspended on this node: leave out AUTHORITY to "
                        "suspend all"
                    )
                return (*others, Given(authority, now, for_s, reason))

            self._change(now, add, partial(_add_act, now, self._uid, Act.SUSPEND, reason, authority, until))
        return Suspension(authority, now.instant, until, reason)

    def end_suspension(self, authority: str | None, reason: str) -> None:
        """End the local suspension of that authority (None: of all).

        Raise UnavailableError if there is none, if the caller may not do this, or if it fails.
        """
        check_reason(reason, needed=False)
        with self._as_owner():
            files = self._files()
            now = self._now(files)

            def end(held: tuple[Given, ...]) -> tuple[Given, ...]:
                others = _others(held, authority)
                if len(others) == len(held):
                    names = ", ".join(sorted(_name(given.authority) for given in held))
                    left = f"; suspended here: {names}" if names else ""
                    for each in _published(files, now.instant):
                        if each.suspension.authority == authority:
                            left += f"; revision {each.revision} has one, which only a later revision ends"
                    raise UnavailableError(
                        f"end suspension: no suspension of {_name(authority)} was made on this node{left}"
                    )
                return others

            self._change(now, end, partial(_add_act, now, self._uid, Act.END_SUSPENSION, reason, authority, None))

    def suspensions(self) -> tuple[Suspension, ...]:
        """Return the local suspensions in force. Raise UnavailableError if the caller cannot read them."""
        with self._as_reader():
            now = self._now(self._files())
            found = [given.holds(now) for given in load_given(path_in_use(self._path))]
        return tuple(suspension for suspension in found if suspension is not None)

    def published(self) -> tuple[PublishedSuspension, ...]:
        """Return the suspensions in force in the snapshot in use."""
        with self._as_reader():
            files = self._files()
            return _published(files, self._now(files).instant)

    def snapshots(self) -> tuple[KeptSnapshot, ...]:
        """Return the snapshots on this node, newest first."""
        with self._as_reader():
            files = self._files()
            used = {} if files is None else {files.revision: files}
            return tuple(self._kept_snapshot(revision, used.get(revision)) for revision in self._store.revisions())

    def use_revision(self, revision: int, reason: str) -> str:
        """Decide by a revision that is on this node. Return a message for the caller. Raise as `suspend` does."""
        check_reason(reason)
        with self._as_reader():
            self._check_usable(revision)
            if revision == self._store.current_revision():
                return f"revision {revision} is already in use on this node"
        keeper = self._store_owner(revision)
        with self._as_owner():
            now = self._now(self._files())
            self._journal().add(now.instant, self._uid, Act.USE_REVISION, reason, revision=revision)
        with acting_as(keeper):
            self._store.use(revision)
        return f"revision {revision} is in use on this node until {self._end_of_choice()}"

    def unquarantine(self, revision: int, reason: str) -> str:
        """End the quarantine of a revision. Return a message for the caller. Raise as `suspend` does."""
        check_reason(reason)
        with self._as_reader():
            self._check_here(revision)
            if self._store.quarantine_reason(revision) is None:
                return f"revision {revision} is not quarantined on this node"
        keeper = self._store_owner(revision)
        with self._as_owner():
            now = self._now(self._files())
            self._journal().add(now.instant, self._uid, Act.UNQUARANTINE, reason, revision=revision)
        with acting_as(keeper):
            self._store.unquarantine(revision)
        if revision == self._store.current_revision():
            return f"revision {revision} is no longer quarantined; the node uses it within seconds"
        return f"revision {revision} is no longer quarantined; to use it: dnsfilter snapshot use {revision}"

    def flush_cache(self, wanted: WantedFlush) -> None:
        """Have the running node forget cached answers. Raise UnavailableError if none takes the request."""
        with self._as_owner():
            now = self._now(self._files())
            self._journal().add(now.instant, self._uid, Act.FLUSH_CACHE, str(wanted)[:REASON_CHARS])
            request_flush(self._config.node_dir, wanted)

    def drain(self, for_s: int) -> None:
        """Withdraw the running node, which ends after `for_s` seconds. Raise as `suspend` does.

        Like a stop of its unit, this changes no decision, so it is not in the journal.
        """
        with self._as_owner():
            request_drain(self._config.node_dir, for_s)

    def _check_here(self, revision: int) -> None:
        here = self._store.revisions()
        if revision not in here:
            known = ", ".join(map(str, here)) or "none"
            raise ConfigError(
                (Problem("REVISION", f"revision {revision} is not on this node; choose one of: {known}"),)
            )

    def _check_usable(self, revision: int) -> None:
        self._check_here(revision)
        quarantined = self._store.quarantine_reason(revision)
        if quarantined is not None:
            what = f"use revision {revision}: it is quarantined: {quarantined or 'no reason given'}"
            raise UnavailableError(f"{what}; to try it again: dnsfilter snapshot unquarantine {revision}")
        try:
            self._store.check(revision)
        except SnapshotError as error:
            raise UnavailableError(f"use revision {revision}: {error}") from error

    def _end_of_choice(self) -> str:
        if self._by_policy_file:
            return "the policy file is read again, at a reload or restart"
        if self._config.control_plane.url is not None:
            return "a higher revision is pulled from the control plane"
        return "a newer revision is published, by the next act or when the control plane restarts"

    def _store_owner(self, revision: int) -> Owner:
        """Return the owner of the store, who may differ from the node's user.

        Raise UnavailableError if the caller is neither that user nor root.
        """
        directory = self._store.directory
        state_dir = self._config.state_dir
        owner = owner_below(state_dir, directory) if directory.is_relative_to(state_dir) else owner_of(directory)
        if owner is None:
            raise UnavailableError(f"change revision {revision}: {directory} does not exist")
        if os.geteuid() not in (0, owner.uid):
            raise UnavailableError(
                f"change revision {revision}: {directory} belongs to user {owner.uid}: run this as root"
            )
        return owner

    def _kept_snapshot(self, revision: int, used: Files | None) -> KeptSnapshot:
        quarantined = self._store.quarantine_reason(revision)
        try:
            manifest = self._store.manifest(revision)
        except SnapshotError as error:
            return KeptSnapshot(revision, None, 0, False, False, False, quarantined, str(error))
        size = sum(file.size for file in (manifest.names, manifest.ranges, manifest.rules))
        signed = bool(manifest.signature)
        copied = used is not None and bool(used.damaged)
        complete = self._store.is_complete(manifest) and not copied
        made_s, in_use = manifest.made_s, used is not None
        return KeptSnapshot(revision, made_s, size, in_use, complete, signed, quarantined, copy_in_use=copied)

    def _change(self, now: ClockReading, change: Change, record: Callable[[Journal], Entry]) -> None:
        """Change the suspensions, once the journal has the act. If the disk takes neither, do both in memory.

        Raise UnavailableError if that fails too.
        """
        on_disk: list[Entry] = []

        def recorded(held: tuple[Given, ...], journal: Callable[[], Journal]) -> tuple[Given, ...]:
            changed = change(held)
            if not on_disk:
                on_disk.append(record(journal()))
            return changed

        unwritten = UnwrittenActs(self._config.node_dir)
        if not unwritten.is_there():
            try:
                change_given(self._path, now, lambda held: recorded(held, self._journal))
                return
            except UnavailableError as error:
                if not is_of_disk(error):
                    raise
                self.in_memory = str(error)
        else:
            self.in_memory = "earlier acts are not on disk yet"
        unwritten.journal()  # makes the directory for both files
        change_given(unwritten.suspensions, now, lambda held: recorded(held, unwritten.journal), base=self._path)


def _add_act(
    now: ClockReading,
    uid: int,
    act: Act,
    reason: str,
    authority: str | None,
    until: Instant | None,
    journal: Journal,
) -> Entry:
    return journal.add(now.instant, uid, act, reason, authority=authority, until=until)


def _others(held: tuple[Given, ...], authority: str | None) -> tuple[Given, ...]:
    return tuple(given for given in held if given.authority != authority)


def _published(files: Files | None, at: Instant) -> tuple[PublishedSuspension, ...]:
    held = () if files is None else RuleTable(files.rules).suspensions
    revision = 0 if files is None else files.revision
    return tuple(PublishedSuspension(revision, each) for each in held if each.period.holds(at))


def _duration_s(text: str) -> int:
    try:
        duration_s = parse_duration(text)
    except ValueError as error:
        raise ConfigError((Problem("--for", str(error)),)) from error
    if duration_s > MAX_SUSPENSION_S:
        raise ConfigError((Problem("--for", f"{text!r} is longer than {MAX_SUSPENSION_S // 3600} hours; choose less"),))
    return duration_s


def _name(authority: str | None) -> str:
    return "all" if authority is None else authority
