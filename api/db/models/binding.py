"""Bans that apply in another authority."""

from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base


class BindingRow(Base):
    """The record that a ban applies in another authority; `ended_s` is a withdrawal or an early end.

    `ended_reference` is that of the decision behind it, where there is one.
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
    revision: Mapped[int]
