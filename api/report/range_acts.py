"""Acts on the ranges of an authority: they decide which clients a ban covers, as acts on the ban do."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import AuditRow, MatterRow
from dnsfilter.policy.intervals import Intervals

RANGE_FIELDS = ("authority", "funding", "audience")
"""Fields of a range that decide whether a ban covers it."""


def range_acts(session: Session, authority: str, times: Intervals) -> Iterator[AuditRow]:
    """Yield the acts on ranges that the authority had before or after them, made in these times, in order.

    A new label is left out.
    """
    if not times:
        return
    theirs = select(AuditRow).join(MatterRow, MatterRow.seq == AuditRow.seq).order_by(AuditRow.seq)
    theirs = theirs.where(MatterRow.authority == authority, AuditRow.act.startswith("range."))
    for act in session.scalars(theirs.where(AuditRow.time_s >= times[0][0], AuditRow.time_s < times[-1][1])):
        before, after = act.before or {}, act.after or {}
        is_own = authority in (before.get("authority"), after.get("authority"))
        is_change = any(before.get(name) != after.get(name) for name in RANGE_FIELDS)
        if is_own and is_change and any(start <= act.time_s < end for start, end in times):
            yield act
