"""The suspensions listed in a rules file. The rules include their effect, except for unregistered clients."""

from collections.abc import Iterable

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import Instant, Suspension
from dnsfilter.snapshot.layout import SUSPENSION
from dnsfilter.snapshot.sections import Section


def suspension_records(suspensions: Iterable[Suspension], since: Instant) -> bytes:
    """Return the section of those that end after `since`, each once, by authority and start; empty if none does."""
    kept = {(s.authority or "", s.start, s.end) for s in suspensions if s.end > max(since, s.start)}
    return b"".join(SUSPENSION.pack(start, end, slug.encode()) for slug, start, end in sorted(kept))


def read_suspensions(section: Section | None) -> tuple[Suspension, ...]:
    """Return the suspensions without numbers and reasons. Raise SnapshotError for records that are invalid."""
    records = () if section is None else section.all_records(SUSPENSION)
    return tuple(_suspension(start, end, slug) for start, end, slug in records)


def _suspension(start: Instant, end: Instant, slug: bytes) -> Suspension:
    text = slug.rstrip(b"\0")
    if start >= end or not text.isascii():
        raise SnapshotError(f"read snapshot: the suspension from {start} to {end} is invalid")
    return Suspension(text.decode() or None, start, end)
