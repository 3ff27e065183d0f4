"""The emergency switch."""

from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base


class SuspensionRow(Base):
    """Nothing is refused for `authority` (None: for all) over some minutes; `ended_s` is an earlier end by an act.

    `recorded_by` and `ended_by` are accounts; 0 is the installation itself.
    """

    __tablename__ = "suspensions"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    authority: Mapped[str | None] = mapped_column(ForeignKey("authorities.slug"), index=True)
    start_s: Mapped[int]
    end_s: Mapped[int] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(String(1000))
    recorded_by: Mapped[int]
    ended_s: Mapped[int | None]
    ended_by: Mapped[int | None]
    ended_reason: Mapped[str] = mapped_column(String(1000), default="")
    revision: Mapped[int]
