"""Find a fleet by its label, and whether its devices can ask."""

from collections.abc import Sequence

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from api.db.fleet_rows import is_fleet_row
from api.db.models import FleetNameRow, RangeRow
from api.errors import Invalid, did_you_mean
from api.http.pagination import within
from dnsfilter.policy.model import Instant
from dnsfilter.translatable import Text


def fleet_named(session: Session, site: str, fleet: str, visible: frozenset[str] | None) -> RangeRow:
    """Return the fleet given as `LABEL` or `AUTHORITY/LABEL`; only of the authorities `visible`, unless it is None.

    Raise `Invalid` if no fleet or several have the label.
    """
    found = _labelled(session, site, fleet, visible)
    if len(found) == 1:
        return found[0]
    if found:
        known = " or ".join(sorted(f"{row.authority}/{row.label}" for row in found))
        raise Invalid.at("query.fleet", Text("several authorities have this fleet: write {known}", known=known))
    seen = session.scalars(_fleets(site, visible)).all()
    hint = did_you_mean(fleet, [row.label for row in seen]) or Text(" See dnsfilterctl fleet list AUTHORITY.")
    none = Text('you see no fleet "{fleet}" at site {site}.{hint}', fleet=fleet, site=site, hint=hint)
    raise Invalid.at("query.fleet", none)


def has_name(session: Session, fleet: RangeRow, at: Instant) -> bool:
    """Return whether devices can ask by a name of the fleet at `at`."""
    held = select(FleetNameRow.number).where(FleetNameRow.prefix == fleet.prefix, FleetNameRow.site == fleet.site)
    held = held.where(FleetNameRow.start_s <= at, or_(FleetNameRow.end_s.is_(None), FleetNameRow.end_s > at))
    return session.scalar(held.limit(1)) is not None


def _fleets(site: str, visible: frozenset[str] | None) -> Select[RangeRow]:
    return select(RangeRow).where(RangeRow.site == site, *is_fleet_row(), *within(RangeRow.authority, visible))


def _labelled(session: Session, site: str, fleet: str, visible: frozenset[str] | None) -> Sequence[RangeRow]:
    fleets = _fleets(site, visible)
    found = session.scalars(fleets.where(RangeRow.label == fleet)).all()
    if found:
        return found
    authority, _, label = fleet.partition("/")
    return session.scalars(fleets.where(RangeRow.label == label, RangeRow.authority == authority)).all()
