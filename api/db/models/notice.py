"""Notices: mail to authorities, and its delivery."""

from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base, Json


class NoticeRow(Base):
    """One notice to an authority's contact (None: the installation's). `key` is its unique subject.

    `facts` are the data of its text. `next_try_s` is None after it was sent or abandoned.
    """

    __tablename__ = "notices"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    authority: Mapped[str | None] = mapped_column(ForeignKey("authorities.slug"), index=True)
    facts: Mapped[Json]
    made_s: Mapped[int]
    next_try_s: Mapped[int | None] = mapped_column(index=True)
    tries: Mapped[int] = mapped_column(Integer)
    sent_s: Mapped[int | None]
    failure: Mapped[str] = mapped_column(String(200), default="")
