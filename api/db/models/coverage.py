"""Coverage: when each range last asked, and how many queries it sent in each hour. No row identifies a client."""

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base

_AUTHORITY = "authorities.slug"
_COMPACT = {"sqlite_with_rowid": False}
"""SQLite then stores the columns of the key once."""


class CoverageRow(Base):
    """A range that has asked: the end of the last interval in which a node counted queries of it."""

    __tablename__ = "coverage"
    __table_args__ = (_COMPACT,)

    authority: Mapped[str] = mapped_column(ForeignKey(_AUTHORITY), primary_key=True)
    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    prefix: Mapped[str] = mapped_column(String(43), primary_key=True)
    last_asked_s: Mapped[int]


class CoverageDayRow(Base):
    """The queries of a range in each of the 24 hours from `day_s`, a midnight of UTC."""

    __tablename__ = "coverage_days"
    __table_args__ = (Index("ix_coverage_days_day_s", "day_s"), _COMPACT)

    authority: Mapped[str] = mapped_column(ForeignKey(_AUTHORITY), primary_key=True)
    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    prefix: Mapped[str] = mapped_column(String(43), primary_key=True)
    day_s: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hours: Mapped[list[int]]
