"""Which ranges are fleets."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement

from api.db.models import RangeRow
from dnsfilter.policy.fleets import FLEET_LENGTH, FLEET_TEXT


def is_fleet_row() -> Sequence[ColumnElement[bool]]:
    """Return the conditions under which a range is a fleet, for a query on ranges.

    Prefixes are written in one form, and only fleets may lie in their block.
    """
    return RangeRow.prefix.startswith(FLEET_TEXT), RangeRow.prefix.endswith(FLEET_LENGTH)
