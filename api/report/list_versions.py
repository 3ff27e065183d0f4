"""Which lists of a service were in force within a time."""

from collections.abc import Iterator, Mapping

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from api.db.models import PublicationRow, VersionRow
from api.report.schemas import ListVersionRead, TierCountRead
from api.timestamps import optional_text, timestamp_text
from api.trace.service_lists_naming import Lists, Placed
from dnsfilter.policy.intervals import Interval
from dnsfilter.policy.model import Instant, WireName


def list_versions(session: Session, service: str, within: Interval) -> list[ListVersionRead]:
    """Return the lists of a service that were in force within a time, in order."""
    lists = Lists(session)
    found: list[ListVersionRead] = []
    before: Mapping[int, frozenset[WireName]] | None = None
    for digest, since, until in _in_force(session, lists, service):
        names = lists.names(digest)
        if since < within[1] and (until is None or until > within[0]):
            added, removed = _difference(before, names) if before is not None else (None, None)
            found.append(
                ListVersionRead(
                    digest=digest,
                    since=timestamp_text(since),
                    until=optional_text(until),
                    tiers=[TierCountRead(tier=tier, names=len(names[tier])) for tier in sorted(names)],
                    added=added,
                    removed=removed,
                )
            )
        before = names
    return found


def _in_force(session: Session, lists: Lists, service: str) -> Iterator[tuple[str, Instant, Instant | None]]:
    """Yield the lists of a service, each with the time in which consecutive publications had it."""
    digest, since = "", 0
    for time_s, at in _changes(session, service):
        found = lists.digest(at, service)
        if found == digest:
            continue
        if digest:
            yield digest, since, time_s
        digest, since = found, time_s
    if digest:
        yield digest, since, None


def _changes(session: Session, service: str) -> Iterator[tuple[Instant, Placed]]:
    """Return the publications whose catalogue, or row of the service, differs from that of the publication before."""
    row, version = PublicationRow, VersionRow
    earlier = func.lag(row.catalogue).over(order_by=row.id).label("earlier")
    each = select(row.id, row.time_s, row.revision, row.catalogue, earlier).subquery()
    own = select(version.revision).where(version.kind == "service", version.key == service)
    firsts = [
        session.scalar(select(row.id).where(row.revision >= revision).order_by(row.id).limit(1))
        for revision in session.scalars(own).all()
    ]
    changed = or_(each.c.earlier.is_(None), each.c.earlier != each.c.catalogue, each.c.id.in_(firsts))
    for found in session.execute(select(each).where(changed).order_by(each.c.id)):
        yield found.time_s, Placed(found.id, found.revision, found.catalogue)


def _difference(before: Mapping[int, frozenset[WireName]], after: Mapping[int, frozenset[WireName]]) -> tuple[int, int]:
    """Return how many names of a list are new, and how many of the earlier one are gone, tier by tier."""
    tiers = before.keys() | after.keys()
    none = frozenset[WireName]()
    added = sum(len(after.get(tier, none) - before.get(tier, none)) for tier in tiers)
    removed = sum(len(before.get(tier, none) - after.get(tier, none)) for tier in tiers)
    return added, removed
