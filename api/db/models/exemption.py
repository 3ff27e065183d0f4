"""Exemptions: named ranges in which a ban does not apply."""

from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base
from api.db.period import SqlPeriod, period_of, sql_period
from dnsfilter.policy.model import Period


class ExemptionRow(Base):
    """A request for an exemption, and its outcome. `hours` are texts in `time_zone`, as people wrote them.

    `requested_by` and `decided_by` are accounts, 0 is the installation itself. `superseded_by` are the exemptions that
    continue it, or some of its ranges, after a merger.
    """

    __tablename__ = "exemptions"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    ban: Mapped[int] = mapped_column(ForeignKey("bans.number"), index=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.slug"))
    ranges: Mapped[list[str]]
    start_s: Mapped[int]
    end_s: Mapped[int]
    hours: Mapped[list[str]]
    time_zone: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(1000))
    requested_s: Mapped[int]
    requested_by: Mapped[int]
    approved_s: Mapped[int | None]
    rejected_s: Mapped[int | None]
    revoked_s: Mapped[int | None]
    decided_by: Mapped[int | None]
    note: Mapped[str] = mapped_column(String(1000), default="")
    superseded_by: Mapped[list[int]] = mapped_column(default=list)
    revision: Mapped[int]

    @property
    def period(self) -> Period:
        """Return when the exemption has effect, apart from weekly hours."""
        return period_of(self.start_s, self.end_s, self.revoked_s, self.approved_s)

    @classmethod
    def sql_period(cls) -> SqlPeriod:
        """Return `period` as SQL."""
        return sql_period(cls.start_s, cls.end_s, cls.revoked_s, cls.approved_s)


class ConcernRow(Base):
    """An exemption that also concerns `authority`, because it names ranges of it."""

    __tablename__ = "concerns"

    authority: Mapped[str] = mapped_column(ForeignKey("authorities.slug"), primary_key=True)
    exemption: Mapped[int] = mapped_column(ForeignKey("exemptions.number"), primary_key=True, autoincrement=False)
