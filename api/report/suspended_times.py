"""When nothing was refused in a report's time, for the authority of the report and for those that its bans bind."""

from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from api.db.models import SuspensionRow
from api.report.gaps import Suspended
from api.report.report_time import ReportTime
from api.report.schemas import SuspensionSpanRead
from api.report.suspended_nodes import local_acts, suspended_on, suspended_on_all
from api.suspensions.state import finish
from api.timestamps import timestamp_text
from dnsfilter.policy.intervals import intersection, union


class SuspendedTimes:
    """The suspensions of authorities in a time. Each authority is read once."""

    def __init__(self, session: Session, owner: str, time: ReportTime) -> None:
        self._session, self._time = session, time
        self._rows: dict[str, Sequence[SuspensionRow]] = {}
        self.local_acts = local_acts(session, owner, time.within)
        self.of_owner = self._suspended(owner)

    def spans(self, authority: str) -> list[SuspensionSpanRead]:
        """Return the suspensions of an authority and of all, cut at the ends of the time."""
        first, last = self._time.within
        return [
            SuspensionSpanRead(
                number=row.number,
                authority=row.authority,
                start=timestamp_text(max(row.start_s, first)),
                end=timestamp_text(min(finish(row), last)),
                reason=row.reason,
                account=row.recorded_by,
            )
            for row in self._of(authority)
        ]

    def _of(self, authority: str) -> Sequence[SuspensionRow]:
        if authority not in self._rows:
            first, last = self._time.within
            whose = or_(SuspensionRow.authority == authority, SuspensionRow.authority.is_(None))
            within = SuspensionRow.start_s < last, SuspensionRow.end_s > first
            rows = self._session.scalars(select(SuspensionRow).where(whose, *within).order_by(SuspensionRow.number))
            self._rows[authority] = [row for row in rows if self._time.touches(row.start_s, finish(row))]
        return self._rows[authority]

    def _suspended(self, owner: str) -> Suspended:
        within = self._time.within
        by_act = intersection(union((row.start_s, finish(row)) for row in self._of(owner)), (within,))
        on = suspended_on(self.local_acts, within)
        return Suspended(by_act, suspended_on_all(self._session, owner, on, within), on)
