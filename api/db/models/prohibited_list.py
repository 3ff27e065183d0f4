"""Prohibited lists: services behind a formal decision, in versions."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from api.db.base import Base
from api.db.period import SqlPeriod, period_of, sql_period
from dnsfilter.policy.model import Period
from dnsfilter.policy.prohibited_lists import service_versions


class ProhibitedListRow(Base):
    """A named list of services of one authority.

    Before its first version the list has only `draft`, the services to adopt. `category` is the category of the
    catalogue that it was made from, `declined` services of it that the authority does not want.
    `formerly` are references of lists of merged authorities that it continues.
    """

    __tablename__ = "prohibited_lists"
    __table_args__ = (UniqueConstraint("authority", "slug"), {"sqlite_autoincrement": True})

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    authority: Mapped[str] = mapped_column(ForeignKey("authorities.slug"))
    slug: Mapped[str] = mapped_column(String(63))
    title: Mapped[str] = mapped_column(String(200), default="")
    category: Mapped[str | None] = mapped_column(String(32))
    draft: Mapped[list[str]]
    declined: Mapped[list[str]]
    formerly: Mapped[list[str]]
    revision: Mapped[int]

    # Every reader of a list needs its versions, to know its services.
    versions: Mapped[list["ListVersionRow"]] = relationship(
        lazy="selectin", order_by="ListVersionRow.version", cascade="all, delete-orphan", passive_deletes=False
    )

    @property
    def reference(self) -> str:
        """Return the name by which bans and commands refer to the list: `ghent/prohibited-technologies`."""
        return f"{self.authority}/{self.slug}"

    @property
    def service_versions(self) -> Mapping[str, int]:
        """Return the services on an adopted list, each with the version that added it."""
        return service_versions((version.adds, version.removes) for version in self.versions)


class ListVersionRow(Base):
    """One version of a list: the services that a formal decision adds or takes off, and the terms of their bans.

    `terms` and `scope` are those that the decision gave to the bans that it added. The bans may have changed since.
    """

    __tablename__ = "list_versions"
    __table_args__ = (UniqueConstraint("list_number", "version"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    list_number: Mapped[int] = mapped_column(ForeignKey("prohibited_lists.number"))
    version: Mapped[int]
    recorded_s: Mapped[int]
    decision: Mapped[dict[str, Any]]
    adds: Mapped[list[str]]
    removes: Mapped[list[str]]
    terms: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    scope: Mapped[dict[str, Any]]


class ListLinkRow(Base):
    """What a list means for another authority: its bans bind that one by law or by agreement, or are proposed to it.

    `ended_s` is when an act ends the link: `ended_by` is a withdrawal or an end. `new_names_at_once` is that of its
    bindings.
    """

    __tablename__ = "list_links"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    list_number: Mapped[int] = mapped_column(ForeignKey("prohibited_lists.number"), index=True)
    authority: Mapped[str] = mapped_column(ForeignKey("authorities.slug"), index=True)
    ground: Mapped[str] = mapped_column(String(16))
    instrument: Mapped[str] = mapped_column(String(500))
    date: Mapped[str] = mapped_column(String(10))
    start_s: Mapped[int]
    end_s: Mapped[int | None]
    recorded_s: Mapped[int]
    ended_s: Mapped[int | None]
    ended_by: Mapped[str] = mapped_column(String(16), default="")
    ended_reason: Mapped[str] = mapped_column(String(1000), default="")
    ended_reference: Mapped[str] = mapped_column(String(500), default="")
    new_names_at_once: Mapped[bool] = mapped_column(default=False)
    revision: Mapped[int]

    @property
    def period(self) -> Period:
        """Return when additions to the list reach the authority."""
        return period_of(self.start_s, self.end_s, self.ended_s, self.recorded_s)

    @classmethod
    def sql_period(cls) -> SqlPeriod:
        """Return `period` as SQL."""
        return sql_period(cls.start_s, cls.end_s, cls.ended_s, cls.recorded_s)
