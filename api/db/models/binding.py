"""Bans that apply in another authority."""

from sqlalchemy import ColumnElement, ForeignKey, Integer, String, case, or_
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base
from api.db.period import SqlPeriod, period_of, sql_period
from dnsfilter.policy.model import Ground, Period, bound_since


class BindingRow(Base):
    """A ban that applies in another authority. `ended_s` is a withdrawal or an early end.

    `ended_reference` refers to the formal decision behind that end, if there is one. `superseded_by` are the bindings
    that replace it after a merger. `link` is the link of a prohibited list that made it, if one did. If
    `new_names_at_once`, pending names of the service are refused there at once.
    """

    __tablename__ = "bindings"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    ban: Mapped[int] = mapped_column(ForeignKey("bans.number"), index=True)
    authority: Mapped[str] = mapped_column(ForeignKey("authorities.slug"), index=True)
    ground: Mapped[str] = mapped_column(String(16))
    instrument: Mapped[str] = mapped_column(String(500))
    date: Mapped[str] = mapped_column(String(10))
    start_s: Mapped[int]
    end_s: Mapped[int | None]
    recorded_s: Mapped[int]
    accepted_s: Mapped[int | None]
    ended_s: Mapped[int | None]
    ended_by: Mapped[str] = mapped_column(String(16), default="")
    ended_reason: Mapped[str] = mapped_column(String(1000), default="")
    ended_reference: Mapped[str] = mapped_column(String(500), default="")
    superseded_by: Mapped[list[int]] = mapped_column(default=list)
    link: Mapped[int | None] = mapped_column(index=True)
    new_names_at_once: Mapped[bool] = mapped_column(default=False)
    revision: Mapped[int]

    @property
    def is_agreed(self) -> bool:
        """Return whether the ground is a law, or an accepted agreement."""
        return self.ground == Ground.LAW or self.accepted_s is not None

    @classmethod
    def sql_is_agreed(cls) -> ColumnElement[bool]:
        """Return `is_agreed` as SQL."""
        return or_(cls.ground == str(Ground.LAW), cls.accepted_s.is_not(None))

    @property
    def period(self) -> Period:
        """Return when the ban applies in the other authority."""
        since = bound_since(Ground(self.ground), self.recorded_s, self.accepted_s)
        return period_of(self.start_s, self.end_s, self.ended_s, since)

    @classmethod
    def sql_period(cls) -> SqlPeriod:
        """Return `period` as SQL."""
        recorded, accepted = cls.recorded_s, cls.accepted_s
        is_law = cls.ground == str(Ground.LAW)
        since = case((is_law, recorded), (accepted > recorded, accepted), (accepted <= recorded, recorded))
        return sql_period(cls.start_s, cls.end_s, cls.ended_s, since)
