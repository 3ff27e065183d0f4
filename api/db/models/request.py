"""Requests to set a ban's mode that wait for a second person."""

from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base


class RequestRow(Base):
    """A request to set a ban's mode, until `until_s` if it is off for a time, and the outcome of the request.

    `was` is the ban's mode at the time of the request, set at `was_set_s`. `requested_by` and `decided_by` are
    accounts.
    """

    __tablename__ = "requests"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    ban: Mapped[int] = mapped_column(ForeignKey("bans.number"), index=True)
    mode: Mapped[str] = mapped_column(String(16))
    until_s: Mapped[int | None]
    reason: Mapped[str] = mapped_column(String(1000))
    was: Mapped[str] = mapped_column(String(16))
    was_set_s: Mapped[int | None]
    requested_s: Mapped[int]
    requested_by: Mapped[int]
    approved_s: Mapped[int | None]
    rejected_s: Mapped[int | None]
    withdrawn_s: Mapped[int | None]
    decided_by: Mapped[int | None]
    note: Mapped[str] = mapped_column(String(1000), default="")
    revision: Mapped[int]
