"""The names of fleets in a policy file: record new ones, and report what differs from the record."""

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import select

from api.db.models import FleetNameRow, RangeRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Fault
from api.fleets import service as fleets
from dnsfilter.policy.fleets import FleetName


def record_fleet_names(unit: UnitOfWork, wanted: Iterable[FleetName], faults: list[Fault]) -> None:
    """Record the names that the database lacks. Add a fault for one that is recorded with another fleet or time."""
    known = {row.token: row for row in unit.session.scalars(select(FleetNameRow))}
    new: defaultdict[tuple[str, str], list[FleetName]] = defaultdict(list)
    for name in wanted:
        held, key = known.get(name.token), (name.site, str(name.prefix))
        if held is None:
            new[key].append(name)
        elif (held.site, held.prefix, held.start_s, held.end_s) != (*key, name.start, name.end):
            faults.append(Fault(subject(held), "is recorded with another fleet or time: copy it from an export"))
    for (site, prefix), names in new.items():
        row = unit.session.scalar(select(RangeRow).where(RangeRow.site == site, RangeRow.prefix == prefix))
        if row is not None:
            fleets.load(unit, row, names)


def keep_fleet_names(unit: UnitOfWork, wanted: Iterable[FleetName], faults: list[Fault]) -> None:
    """Report names that are valid now or later, and that a file lacks."""
    tokens = {name.token for name in wanted}
    live = (row for row in unit.session.scalars(select(FleetNameRow)) if row.end_s is None or row.end_s > unit.now_s)
    message = "is not in the file: add it, or end it first with dnsfilterctl fleet rotate or end"
    faults.extend(Fault(subject(row), message) for row in live if row.token not in tokens)
