"""Convert rows of fleets to API answers and audit log entries."""

from collections.abc import Sequence

from api.db.base import Json
from api.db.models import FleetNameRow, RangeRow
from api.fleets.schemas import FleetNameRead, FleetRead
from api.ranges.service import shown as range_shown
from api.timestamps import optional_text, timestamp_text
from dnsfilter.policy.model import Audience, Funding, Instant


def read_fleet(row: RangeRow, names: Sequence[FleetNameRow], now: Instant, *, tokens: bool) -> FleetRead:
    """Return a fleet as the API shows it, with the tokens of its names or without."""
    return FleetRead(
        number=row.id,
        authority=row.authority,
        site=row.site,
        label=row.label,
        funding=Funding(row.funding),
        audience=Audience(row.audience),
        prefix=row.prefix,
        names=[_read_name(name, now, tokens=tokens) for name in names],
        revision=row.revision,
    )


def _read_name(row: FleetNameRow, now: Instant, *, tokens: bool) -> FleetNameRead:
    return FleetNameRead(
        number=row.number,
        token=row.token if tokens else None,
        start=timestamp_text(row.start_s),
        end=optional_text(row.end_s),
        in_force=row.start_s <= now and (row.end_s is None or now < row.end_s),
    )


def shown(row: RangeRow, names: Sequence[FleetNameRow]) -> Json:
    """Return a fleet as the audit log stores it: its names by their numbers, without the tokens."""
    return {**range_shown(row), "names": [shown_name(name) for name in names]}


def shown_name(row: FleetNameRow) -> Json:
    """Return a name of a fleet as the audit log stores it, without its token, which gives access."""
    return {"number": row.number, "start": timestamp_text(row.start_s), "end": optional_text(row.end_s)}
