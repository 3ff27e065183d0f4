"""Which lists of names of services were in force within a time."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from api.db.models import PublicationRow, VersionRow
from api.report.schemas import ListVersionRead, TierCountRead
from api.timestamps import optional_text, timestamp_text
from api.trace.service_lists_naming import Lists
from dnsfilter.policy.intervals import Interval
from dnsfilter.policy.model import Instant, WireName


@dataclass(frozen=True, slots=True)
class _Row:
    """A version of a service's row. `digest` is that of its list; empty if the row was removed."""

    revision: int
    digest: str


@dataclass(frozen=True, slots=True)
class _Change:
    """A publication after which the list of a service may differ from the one before."""

    number: int
    time_s: Instant
    revision: int
    catalogue: str


class ListVersions:
    """The lists of some services over time. The same queries read all of them."""

    def __init__(self, session: Session, services: Collection[str]) -> None:
        self._session, self._lists = session, Lists(session)
        self._catalogues = _catalogue_changes(session)
        self._rows = _rows(session, services)
        times = {service: list(self._in_force(service)) for service in services}
        self._times = times
        self._lists.read(digest for found in times.values() for digest, _, _ in found)

    def of(self, service: str, within: Interval) -> list[ListVersionRead]:
        """Return the lists of a service that were in force within a time, in order."""
        found: list[ListVersionRead] = []
        before: Mapping[int, frozenset[WireName]] | None = None
        for digest, since, until in self._times[service]:
            names = self._lists.names(digest)
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

    def _in_force(self, service: str) -> Iterator[tuple[str, Instant, Instant | None]]:
        """Yield the lists of a service, each with the time in which consecutive publications had it."""
        digest, since = "", 0
        for change in self._changes(service):
            found = self._digest(service, change)
            if found == digest:
                continue
            if digest:
                yield digest, since, change.time_s
            digest, since = found, change.time_s
        if digest:
            yield digest, since, None

    def _changes(self, service: str) -> list[_Change]:
        """Return the publications whose catalogue, or row of the service, differs from that of the one before."""
        found = {change.number: change for change in self._catalogues}
        for row in self._rows.get(service, ()):
            change = _first_since(self._session, row.revision)
            if change is not None:
                found[change.number] = change
        return [found[number] for number in sorted(found)]

    def _digest(self, service: str, at: _Change) -> str:
        """Return the digest of a service's list in a publication: that of its row, else the catalogue's; or empty."""
        own = [row.digest for row in self._rows.get(service, ()) if row.revision <= at.revision]
        return (own[-1] if own else "") or self._lists.packaged(at.catalogue, service)


def _rows(session: Session, services: Collection[str]) -> Mapping[str, Sequence[_Row]]:
    """Return the versions of the services' rows, in order. A service of the packaged catalogue may have none."""
    version = VersionRow
    statement = select(version.key, version.revision, version.body).order_by(version.revision)
    found = defaultdict[str, list[_Row]](list)
    for key, revision, body in session.execute(statement.where(version.kind == "service", version.key.in_(services))):
        found[key].append(_Row(revision, "" if body is None else str(body["digest"])))
    return found


def _catalogue_changes(session: Session) -> Sequence[_Change]:
    row = PublicationRow
    earlier = func.lag(row.catalogue).over(order_by=row.id).label("earlier")
    each = select(row.id, row.time_s, row.revision, row.catalogue, earlier).subquery()
    changed = or_(each.c.earlier.is_(None), each.c.earlier != each.c.catalogue)
    columns = (each.c.id, each.c.time_s, each.c.revision, each.c.catalogue)
    return [_Change(*found) for found in session.execute(select(*columns).where(changed).order_by(each.c.id))]


def _first_since(session: Session, revision: int) -> _Change | None:
    """Return the first publication of a revision or of a later one."""
    row = PublicationRow
    statement = select(row.id, row.time_s, row.revision, row.catalogue).where(row.revision >= revision)
    found = session.execute(statement.order_by(row.id).limit(1)).first()
    return None if found is None else _Change(*found)


def _difference(before: Mapping[int, frozenset[WireName]], after: Mapping[int, frozenset[WireName]]) -> tuple[int, int]:
    """Return how many names of a list are new, and how many of the earlier one are gone, tier by tier."""
    tiers = before.keys() | after.keys()
    none = frozenset[WireName]()
    added = sum(len(after.get(tier, none) - before.get(tier, none)) for tier in tiers)
    removed = sum(len(before.get(tier, none) - after.get(tier, none)) for tier in tiers)
    return added, removed
