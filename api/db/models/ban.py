"""Bans and their terms."""

from typing import Any

from sqlalchemy import ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from api.db.base import Base
from api.db.period import SqlPeriod, period_of, sql_period
from dnsfilter.policy.model import Mode, OnList, Period


class BanRow(Base):
    """An authority's decision on one service. Numbers are never reused.

    `mode_set_s` is when `mode` was last set, by the account `mode_set_by`, for `mode_reason`. From `off_until_s` on,
    the mode is `returns_to`: see `mode_setting_at` in `api.bans.state`. If a ban is off without an end, `returns_to` is
    the earlier mode. `superseded_by` is the successor's ban that continues this one after a merger. The ban comes from
    version `list_version` of the list with the reference `prohibited_list`, if it has one.
    """

    __tablename__ = "bans"
    __table_args__ = (UniqueConstraint("authority", "service"), {"sqlite_autoincrement": True})

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    authority: Mapped[str] = mapped_column(ForeignKey("authorities.slug"))
    service: Mapped[str] = mapped_column(String(253), index=True)
    mode: Mapped[str] = mapped_column(String(16))
    mode_reason: Mapped[str] = mapped_column(String(1000), default="")
    mode_set_s: Mapped[int | None]
    mode_set_by: Mapped[int | None]
    off_until_s: Mapped[int | None]
    returns_to: Mapped[str | None] = mapped_column(String(16))
    superseded_by: Mapped[int | None]
    prohibited_list: Mapped[str | None] = mapped_column(String(127), index=True)
    list_version: Mapped[int | None]
    reply: Mapped[str] = mapped_column(String(16))
    addresses: Mapped[list[str]]
    tiers: Mapped[list[int]]
    funding: Mapped[list[str]]
    audience: Mapped[list[str]]
    provisional: Mapped[bool]
    decision: Mapped[dict[str, Any]]
    revision: Mapped[int]

    # Every reader of a ban needs its terms, to know its state.
    terms: Mapped[list["TermRow"]] = relationship(
        lazy="selectin", order_by="TermRow.id", cascade="all, delete-orphan", passive_deletes=False
    )

    @property
    def on_list(self) -> OnList | None:
        """Return the version of a prohibited list that the ban comes from; None if it comes from none."""
        if self.prohibited_list is None or self.list_version is None:
            return None
        return OnList(self.prohibited_list, self.list_version)

    @property
    def lasting_mode(self) -> Mode:
        """Return the mode that stays until an act. For a ban that is off with an end, that is the returning mode."""
        return Mode(self.mode if self.off_until_s is None or self.returns_to is None else self.returns_to)

    @property
    def decided_terms(self) -> list["TermRow"]:
        """Return the terms, without those that an act ended before they started. These stay stored without effect."""
        return [term for term in self.terms if not term.period.is_void]


class TermRow(Base):
    """One period of a ban as decided. `ended_s` is an earlier end, set by an act.

    `merged_from` is the merged authority whose ban this term continues. With None, the ban's own authority decided it.
    """

    __tablename__ = "terms"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    ban: Mapped[int] = mapped_column(ForeignKey("bans.number"), index=True)
    start_s: Mapped[int]
    end_s: Mapped[int | None]
    review_by_s: Mapped[int | None]
    recorded_s: Mapped[int]
    decision: Mapped[dict[str, Any]]
    ended_s: Mapped[int | None]
    ended_reason: Mapped[str] = mapped_column(String(1000), default="")
    ended_decision: Mapped[dict[str, Any]] = mapped_column(default=dict)
    merged_from: Mapped[str | None] = mapped_column(String(63))

    @property
    def period(self) -> Period:
        """Return when the term has effect."""
        return period_of(self.start_s, self.end_s, self.ended_s, self.recorded_s)

    @classmethod
    def sql_period(cls) -> SqlPeriod:
        """Return `period` as SQL."""
        return sql_period(cls.start_s, cls.end_s, cls.ended_s, cls.recorded_s)
