"""Names that an authority allows. Those that it refuses are bans."""

from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base
from api.db.period import SqlPeriod, period_of, sql_period
from dnsfilter.policy.model import Period


class AllowedNameRow(Base):
    """A name that `authority` frees from its own bans, with all below it unless `exact`. Numbers are never reused.

    `name` is A-labels without a trailing dot. `ended_s` is an earlier end, set by an act. `recorded_by` and `ended_by`
    are accounts, 0 is the installation itself. `superseded_by` is the row that continues it after a merger.
    """

    __tablename__ = "allowed_names"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    authority: Mapped[str] = mapped_column(ForeignKey("authorities.slug"), index=True)
    name: Mapped[str] = mapped_column(String(253))
    exact: Mapped[bool]
    start_s: Mapped[int]
    end_s: Mapped[int | None]
    review_by_s: Mapped[int | None]
    recorded_s: Mapped[int]
    recorded_by: Mapped[int]
    reason: Mapped[str] = mapped_column(String(1000))
    ended_s: Mapped[int | None]
    ended_by: Mapped[int | None]
    ended_reason: Mapped[str] = mapped_column(String(1000), default="")
    superseded_by: Mapped[int | None]
    revision: Mapped[int]

    @property
    def period(self) -> Period:
        """Return when the name is free."""
        return period_of(self.start_s, self.end_s, self.ended_s, self.recorded_s)

    @classmethod
    def sql_period(cls) -> SqlPeriod:
        """Return `period` as SQL."""
        return sql_period(cls.start_s, cls.end_s, cls.ended_s, cls.recorded_s)
