"""Prohibited lists: services behind a formal decision, in versions."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from api.db.base import Base


class ProhibitedListRow(Base):
    """A named list of services of one authority.

    Before its first version the list has only `draft`, the services to adopt. `category` is the category of the
    catalogue that it was made from.
    """

    __tablename__ = "prohibited_lists"
    __table_args__ = (UniqueConstraint("authority", "slug"), {"sqlite_autoincrement": True})

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    authority: Mapped[str] = mapped_column(ForeignKey("authorities.slug"))
    slug: Mapped[str] = mapped_column(String(63))
    title: Mapped[str] = mapped_column(String(200), default="")
    category: Mapped[str | None] = mapped_column(String(32))
    draft: Mapped[list[str]]
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
        found: dict[str, int] = {}
        for version in self.versions:
            found |= dict.fromkeys(version.adds, version.version)
            for service in version.removes:
                found.pop(service, None)
        return found


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
