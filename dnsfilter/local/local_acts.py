"""What acts on this node change in its answers now: suspensions and names, and a snapshot with both applied."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from dnsfilter.local import local_names, local_suspensions
from dnsfilter.local.local_names import LocalNames
from dnsfilter.local.local_suspensions import LocalSuspensions
from dnsfilter.local.timed_acts import ClockReading
from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.model import Instant, Suspension, WireName
from dnsfilter.policy.single_names import LocalName, NameVerdict
from dnsfilter.snapshot.contents import Files
from dnsfilter.snapshot.manifest import FileRef
from dnsfilter.snapshot.name_overlay import overlay_allowed, overlay_bans, overlay_refused_names
from dnsfilter.snapshot.overlay import overlay_manifest, overlay_rules
from dnsfilter.snapshot.sections import Buffer
from dnsfilter.telemetry import logs
from dnsfilter.wire.names import name_text

_LOG = logging.getLogger("dnsfilter.node")


@dataclass(frozen=True, slots=True)
class LocalActs:
    """The local suspensions and names that are in force, without published ones."""

    suspensions: tuple[Suspension, ...] = ()
    names: tuple[LocalName, ...] = ()


class ActsHere:
    """The acts in the files of a node's own directory. Calls are cheap while the files do not change."""

    def __init__(self, node_dir: Path, *, read_only: bool = False) -> None:
        """Initialize. With `read_only`, corrections hold in memory only: another process makes them in the files."""
        self._suspensions = LocalSuspensions(node_dir / local_suspensions.FILE_NAME, read_only=read_only)
        self._names = LocalNames(node_dir / local_names.FILE_NAME, read_only=read_only)

    def holding(self, now: ClockReading) -> LocalActs:
        """Return what is in force. A file that cannot be read has nothing, and is logged once."""
        return LocalActs(self._suspensions.holding(now), self._names.holding(now))


class Applied:
    """Applies acts to snapshots. It keeps the names file with the refused names, which may be large."""

    def __init__(self) -> None:
        self._published: Buffer = b""
        self._wanted: frozenset[WireName] = frozenset()
        self._names: FileRef | None = None
        self._laid: Buffer = b""

    def to(self, files: Files, acts: LocalActs, at: Instant) -> Files:
        """Return the files with these acts applied. Return `files` itself if they change nothing.

        Raise SnapshotError for a damaged file, or if there is no room for a name.
        """
        names, reference = self._with_refused(files.names, acts.names)
        rules = overlay_bans(overlay_allowed(files.rules, acts.names, at), names, acts.names, at)
        rules = overlay_rules(rules, acts.suspensions, at)
        if rules is files.rules and names is files.names:
            return files
        return replace(files, manifest=overlay_manifest(files.manifest, rules, reference), names=names, rules=rules)

    def keep(self, published: Buffer, laid: Buffer) -> None:
        """Note that these objects now have the names file as published, and with the refused names."""
        self._published, self._laid = published, laid

    def _with_refused(self, published: Buffer, names: Iterable[LocalName]) -> tuple[Buffer, FileRef | None]:
        wanted = frozenset(each.name for each in names if each.verdict is NameVerdict.REFUSE)
        if published is not self._published or wanted != self._wanted:
            made = overlay_refused_names(published, names)
            self._published, self._wanted = published, wanted
            self._names = None if made is None else FileRef(made.digest, len(made.data))
            self._laid = published if made is None else made.data
        return self._laid, self._names


def apply_acts(files: Files, acts: LocalActs, at: Instant) -> Files:
    """Return the files with these acts applied, once."""
    return Applied().to(files, acts, at)


def log_change(before: LocalActs, after: LocalActs) -> None:
    """Log which acts have come into force, and how many are left after an end."""
    for new in after.suspensions:
        if new not in before.suspensions:
            who, until = new.authority or "all", instant_text(new.end)
            logs.emit(_LOG, logging.WARNING, "local suspension in force", authority=who, until=until)
    if len(after.suspensions) < len(before.suspensions):
        logs.emit(_LOG, logging.WARNING, "local suspension ended", left=len(after.suspensions))
    for name in after.names:
        if name not in before.names:
            what, until = f"{name.verdict} {name_text(name.name)}", instant_text(name.end)
            logs.emit(_LOG, logging.WARNING, "local name in force", authority=name.authority, act=what, until=until)
    if len(after.names) < len(before.names):
        logs.emit(_LOG, logging.WARNING, "local name ended", left=len(after.names))
