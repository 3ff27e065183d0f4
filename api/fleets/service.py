"""Acts on fleets: add, rotate, end. Each name begins at once, and ends at an instant that nodes know in advance."""

import secrets
from collections.abc import Sequence

from api.authorities.state import demand_open
from api.bindings import repository as bindings
from api.db.base import Json
from api.db.models import AuthorityRow, FleetNameRow, RangeRow
from api.db.sites import get_site
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict
from api.fleets import repository
from api.fleets.reading import shown
from api.fleets.schemas import FleetWrite
from api.ranges import repository as ranges
from api.ranges import service as range_acts
from dnsfilter.policy.bounds import MAX_FLEET_NAMES
from dnsfilter.policy.fleets import MAX_NUMBER, TOKEN_BYTES, FleetName, default_number, fleet_prefix, fleet_token
from dnsfilter.policy.model import DAY_S, Instant, Range
from dnsfilter.translatable import Text


def add(unit: UnitOfWork, owner: AuthorityRow, body: FleetWrite) -> RangeRow:
    """Add a fleet with its first name.

    Raise `NotFound` if the site is unknown, and `Conflict` if the authority is closed or has a fleet with that label.
    """
    get_site(unit.session, body.site)
    demand_open(owner, unit.now_s)
    if repository.labelled(unit.session, owner.slug, body.site, body.label) is not None:
        message = Text('{authority} has a fleet "{label}" already: give another label')
        raise Conflict(message.filled(authority=owner.slug, label=body.label))
    wanted = _wanted(unit, owner.slug, body)
    row = range_acts.new_row(unit, wanted)
    unit.session.add(row)
    _new_name(unit, row)
    unit.session.flush()
    unit.record("fleet.add", subject(row), None, _shown(unit, row), *_concerned(unit, row))
    return row


def rotate(unit: UnitOfWork, row: RangeRow, overlap_s: int) -> None:
    """Give a fleet a new name. Those of before end after `overlap_s`, or earlier if that was decided.

    Raise `Conflict` if the authority is closed, or if too many names are valid.
    """
    demand_open(unit.session.get_one(AuthorityRow, row.authority), unit.now_s)
    before, live = _shown(unit, row), _live(unit, row)
    if overlap_s and len(live) >= MAX_FLEET_NAMES:
        message = Text('fleet "{label}" has {count} valid names: rotate with an overlap of 0')
        raise Conflict(message.filled(label=row.label, count=len(live)))
    for name in ranges.fleet_names(unit.session, row):
        if name not in live and name.end_s is not None and name.end_s <= unit.now_s - DAY_S:
            # Its history is in the audit log and in versions.
            unit.session.delete(name)
    _end(unit, live, unit.now_s + overlap_s)
    _new_name(unit, row)
    _changed(unit, row, "fleet.rotate", before)


def end(unit: UnitOfWork, row: RangeRow) -> None:
    """End all names of a fleet now. Raise `Conflict` if none is valid."""
    before, live = _shown(unit, row), _live(unit, row)
    if not live:
        raise Conflict(Text('fleet "{label}" has no valid name: it has ended already', label=row.label))
    _end(unit, live, unit.now_s)
    _changed(unit, row, "fleet.end", before)


def load(unit: UnitOfWork, row: RangeRow, names: Sequence[FleetName]) -> None:
    """Record names of a policy file for a fleet, with their times as written."""
    before = _shown(unit, row)
    for name in names:
        _add_name(unit, row, name.token, name.start, name.end)
    _changed(unit, row, "fleet.load", before)


def _wanted(unit: UnitOfWork, authority: str, body: FleetWrite) -> Range:
    """Return the range of a new fleet, with the next number that is free."""
    number = default_number(body.site, authority, body.label)
    while ranges.find(unit.session, body.site, fleet_prefix(number)) is not None:
        number = number % MAX_NUMBER + 1
    return Range(fleet_prefix(number), authority, body.funding, body.audience, body.label, body.site)


def _new_name(unit: UnitOfWork, row: RangeRow) -> None:
    random = secrets.token_bytes(TOKEN_BYTES)
    _add_name(unit, row, fleet_token(row.authority, row.funding, row.audience, random), unit.now_s, None)


def _add_name(unit: UnitOfWork, row: RangeRow, token: str, start: Instant, end: Instant | None) -> None:
    unit.session.add(
        FleetNameRow(
            site=row.site,
            prefix=row.prefix,
            token=token,
            start_s=start,
            end_s=end,
            recorded_by=unit.actor.account,
            revision=unit.new_revision(),
        )
    )


def _live(unit: UnitOfWork, row: RangeRow) -> Sequence[FleetNameRow]:
    names = ranges.fleet_names(unit.session, row)
    return [name for name in names if name.end_s is None or name.end_s > unit.now_s]


def _end(unit: UnitOfWork, names: Sequence[FleetNameRow], at: Instant) -> None:
    for name in names:
        # A name that began in this second ends in the next one.
        ends = max(at, name.start_s + 1)
        if name.end_s is None or name.end_s > ends:
            name.end_s, name.revision = ends, unit.new_revision()


def _changed(unit: UnitOfWork, row: RangeRow, act: str, before: Json) -> None:
    row.revision = unit.new_revision()
    unit.session.flush()
    unit.record(act, subject(row), before, _shown(unit, row), *_concerned(unit, row))


def _shown(unit: UnitOfWork, row: RangeRow) -> Json:
    return shown(row, ranges.fleet_names(unit.session, row))


def _concerned(unit: UnitOfWork, row: RangeRow) -> tuple[str, ...]:
    return row.authority, *bindings.binders(unit.session, unit.now_s).get(row.authority, ())
