"""Suspensions of an authority, or of all."""

from sqlalchemy import ForeignKey, Integer, String, case
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base
from api.db.period import SqlPeriod, period_of, sql_period
from dnsfilter.policy.model import Period


class SuspensionRow(Base):
    """A time in which nothing is refused for `authority` (None: for all). `ended_s` is an earlier end, set by an act.

    `recorded_by` and `ended_by` are accounts, 0 is the installation itself.
    """

    __tablename__ = "suspensions"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    authority: Mapped[str | None] = mapped_column(ForeignKey("authorities.slug"), index=True)
    start_s: Mapped[int]
    end_s: Mapped[int] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(String(1000))
    recorded_by: Mapped[int]
    ended_s: Mapped[int | None]
    ended_by: Mapped[int | None]
    ended_reason: Mapped[str] = mapped_column(String(1000), default="")
    revision: Mapped[int]

    @property
    def period(self) -> Period:
        """Return when nothing is refused. If an act ended it in the second of its start, it lasts for that second."""
        decided = Period(self.start_s, self.end_s, self.start_s)
        ended = None if self.ended_s is None else decided.end_by_act(self.ended_s, self.ended_s)
        return period_of(self.start_s, self.end_s, ended, self.start_s)

    @classmethod
    def sql_period(cls) -> SqlPeriod:
        """Return `period` as SQL."""
        start, ended = cls.start_s, cls.ended_s
        by_act = case((ended > start, ended), (ended == start, start + 1), (ended < start, start))
        return sql_period(start, cls.end_s, by_act, start)
