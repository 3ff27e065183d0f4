"""Captures of a range's queries. What was captured is not here: it stays on the nodes."""

from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base


class CaptureRow(Base):
    """Nodes of `site` record the queries of the range from `start_s` until `end_s`.

    `ended_s` is an earlier end, and `deleted_s` when the file was deleted before its time. Both are set by an act.
    """

    __tablename__ = "captures"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    authority: Mapped[str] = mapped_column(ForeignKey("authorities.slug"), index=True)
    site: Mapped[str] = mapped_column(String(63))
    prefix: Mapped[str] = mapped_column(String(43))
    start_s: Mapped[int]
    end_s: Mapped[int] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(String(1000))
    recorded_by: Mapped[int]
    ended_s: Mapped[int | None]
    ended_by: Mapped[int | None]
    ended_reason: Mapped[str] = mapped_column(String(1000), default="")
    deleted_s: Mapped[int | None]
