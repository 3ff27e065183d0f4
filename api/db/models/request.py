"""Acts that wait for a second person."""

from typing import Any

from sqlalchemy import JSON, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base, Json


class RequestRow(Base):
    """An API request whose act waits for an approver of `authority`, and the outcome.

    `operation`, `path`, `query`, `media_type` and `body` are the request as it was sent. `acts` are the first acts that
    it led to, of `act_count`; `lifts` is what it would no longer refuse. It has no effect after `lapses_s`.
    `requested_by` and `decided_by` are accounts.
    """

    __tablename__ = "requests"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    authority: Mapped[str] = mapped_column(ForeignKey("authorities.slug"), index=True)
    object: Mapped[str] = mapped_column(String(300), index=True)
    operation: Mapped[str] = mapped_column(String(63))
    path: Mapped[dict[str, str]] = mapped_column(JSON)
    query: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(String(100))
    body: Mapped[str] = mapped_column(Text, deferred=True)
    acts: Mapped[list[Json]] = mapped_column(JSON)
    act_count: Mapped[int]
    lifts: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(String(1000))
    requested_s: Mapped[int]
    requested_by: Mapped[int]
    lapses_s: Mapped[int | None]
    approved_s: Mapped[int | None]
    rejected_s: Mapped[int | None]
    withdrawn_s: Mapped[int | None]
    decided_by: Mapped[int | None]
    note: Mapped[str] = mapped_column(String(1000), default="")
    revision: Mapped[int]
