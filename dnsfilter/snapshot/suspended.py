"""Suspensions that a rules file lists. The rules have their effect already, but for unregistered clients."""

from collections.abc import Iterable

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import Instant, Suspension
from dnsfilter.snapshot.layout import SUSPENSION
from dnsfilter.snapshot.sections import Section


def suspension_records(suspensions: Iterable[Suspension], since: Instant) -> bytes:
    """The section of those that end after `since`, each once, by authority and start; empty where there are none."""
    kept = {(s.authority or "", s.start, s.end) for s in suspensions if s.end > max(since, s.start)}
    return b"".join(SUSPENSION.pack(start, end, slug.encode()) for slug, start, end in sorted(kept))


def read_suspensions(section: Section | None) -> tuple[Suspension, ...]:
    """What `suspension_records` wrote, without numbers and reasons; raises SnapshotError for what it never writes."""
    records = () if section is None else section.all_records(SUSPENSION)
    return tuple(_suspension(start, end, slug) for start, end, slug in records)


def _suspension(start: Instant, end: Instant, slug: bytes) -> Suspension:
    octets = slug.rstrip(b"\0")
    if start >= end or not octets.isascii():
        raise SnapshotError(f"read snapshot: a suspension from {start} to {end} is of nobody")
    return Suspension(octets.decode() or None, start, end)
