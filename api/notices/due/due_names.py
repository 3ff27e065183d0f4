"""Notices about allowed names that end or are due for review. Those about refused names are notices about bans."""

from collections.abc import Iterator

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from api.db.models import AllowedNameRow
from api.notices.due.due_bans import BEFORE_END_S
from api.notices.kinds import Due, Hour, Kind, threshold


def due_names(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield notices before the end or the review of allowed names, to their authorities."""
    row, last = AllowedNameRow, hour.now + BEFORE_END_S[-1]
    period = row.sql_period()
    near = or_(*(and_(at > hour.now, at <= last) for at in (period.end, row.review_by_s)))
    for found in session.scalars(select(row).where(period.holds(hour.now), near).order_by(row.number)):
        end, review = found.period.end, found.review_by_s
        for kind, fact, at in (
            (Kind.ALLOWED_NAME_ENDING, "until_s", end),
            (Kind.ALLOWED_NAME_REVIEW, "review_s", None if end is not None else review),
        ):
            reached = None if at is None else threshold(at, found.recorded_s, hour.now, BEFORE_END_S)
            if at is not None and reached is not None:
                key = f"{kind}/{found.number}/{at}"
                later_keys = tuple(f"{key}/{length}" for length in reached[1])
                facts = {"name": f"{found.authority}/{found.name}", fact: at}
                yield Due(f"{key}/{reached[0]}", kind, found.authority, facts, later_keys)
