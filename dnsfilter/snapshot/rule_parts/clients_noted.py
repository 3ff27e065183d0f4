"""Until when the clients of refused queries are noted, by class: the usage level `client` of the class's authority."""

from collections.abc import Iterable, Sequence

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import Authority, Instant, Usage
from dnsfilter.policy.rows import RangeClass
from dnsfilter.snapshot.layout import CLASS_CLIENT
from dnsfilter.snapshot.sections import Section

_NEVER: Instant = 0


def clients_noted(authorities: Iterable[Authority], classes: Sequence[RangeClass], since: Instant) -> bytes:
    """Return the section: for each class until when, without ends by `since`. It is empty if no class has any.

    An authority at level `none` has no ban counts, and notes nothing either.
    """
    ends = {
        each.slug: each.clients_until
        for each in authorities
        if each.clients_until is not None and each.clients_until > since and each.usage is not Usage.NONE
    }
    if not ends:
        return b""
    return b"".join(CLASS_CLIENT.pack(ends.get(each.authority, _NEVER)) for each in classes)


def read_clients_noted(section: Section | None, classes: int) -> Sequence[Instant]:
    """Return until when the clients of each class are noted. Raise SnapshotError if a class has no record."""
    if section is None:
        return (_NEVER,) * classes
    found = tuple(until for (until,) in section.all_records(CLASS_CLIENT))
    if len(found) != classes:
        raise SnapshotError(f"read snapshot: {section.what} has {len(found)} records instead of {classes}")
    return found
