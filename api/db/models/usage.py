"""Usage: how many queries of an authority each ban refused, monitored or exempted; coverage: all queries of a range.

No row has a client's address.
"""

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base

_AUTHORITY = "authorities.slug"
_COMPACT = {"sqlite_with_rowid": False}
"""SQLite then stores the columns of the key once."""


class UsageDayRow(Base):
    """Queries of one day (ISO 8601) in the authority's time zone, including those of its ranges.

    `ban_authority` is the authority whose ban decided, on this `ground`.
    """

    __tablename__ = "usage_days"
    __table_args__ = (Index("ix_usage_days_ban_authority", "ban_authority", "service", "day"), _COMPACT)

    authority: Mapped[str] = mapped_column(ForeignKey(_AUTHORITY), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    service: Mapped[str] = mapped_column(String(253), primary_key=True)
    ban_authority: Mapped[str] = mapped_column(String(63), primary_key=True)
    ground: Mapped[str] = mapped_column(String(16), primary_key=True)
    result: Mapped[str] = mapped_column(String(16), primary_key=True)
    queries: Mapped[int]


class UsageHourRow(Base):
    """Queries of one range in the hour from `hour_s`. They are part of the authority's day too."""

    __tablename__ = "usage_hours"
    __table_args__ = (
        Index("ix_usage_hours_hour_s", "hour_s"),
        Index(
            "ix_usage_hours_range",
            *("authority", "site", "prefix", "service", "ban_authority", "ground", "result", "hour_s", "queries"),
        ),
        _COMPACT,
    )

    authority: Mapped[str] = mapped_column(ForeignKey(_AUTHORITY), primary_key=True)
    hour_s: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    prefix: Mapped[str] = mapped_column(String(43), primary_key=True)
    service: Mapped[str] = mapped_column(String(253), primary_key=True)
    ban_authority: Mapped[str] = mapped_column(String(63), primary_key=True)
    ground: Mapped[str] = mapped_column(String(16), primary_key=True)
    result: Mapped[str] = mapped_column(String(16), primary_key=True)
    queries: Mapped[int]


class BypassDayRow(Base):
    """Attempts of one day to bypass the resolver."""

    __tablename__ = "bypass_days"
    __table_args__ = (_COMPACT,)

    authority: Mapped[str] = mapped_column(ForeignKey(_AUTHORITY), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    queries: Mapped[int]


class PendingDayRow(Base):
    """Queries of one day for a pending name of a service: bans only monitor it until an instant."""

    __tablename__ = "pending_days"
    __table_args__ = (Index("ix_pending_days_service", "service", "day"), _COMPACT)

    authority: Mapped[str] = mapped_column(ForeignKey(_AUTHORITY), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    service: Mapped[str] = mapped_column(String(253), primary_key=True)
    name: Mapped[str] = mapped_column(String(253), primary_key=True)
    queries: Mapped[int]


class UsageClientRow(Base):
    """Refused queries of one client in the minute from `minute_s`, under a pseudonym that its node keeps for a day."""

    __tablename__ = "usage_clients"
    __table_args__ = (Index("ix_usage_clients_minute_s", "minute_s"), _COMPACT)

    authority: Mapped[str] = mapped_column(ForeignKey(_AUTHORITY), primary_key=True)
    minute_s: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    service: Mapped[str] = mapped_column(String(253), primary_key=True)
    ban_authority: Mapped[str] = mapped_column(String(63), primary_key=True)
    ground: Mapped[str] = mapped_column(String(16), primary_key=True)
    client: Mapped[str] = mapped_column(String(16), primary_key=True)
    queries: Mapped[int]


class UsageStreamRow(Base):
    """The last batch of a node's stream that was counted. A node begins another stream at each start.

    `items` is how many of the batch's counts are stored so far; 0 if all are.
    """

    __tablename__ = "usage_streams"

    node: Mapped[int] = mapped_column(ForeignKey("nodes.number", ondelete="CASCADE"), primary_key=True)
    stream: Mapped[str] = mapped_column(String(32), primary_key=True)
    sequence: Mapped[int]
    taken_s: Mapped[int]
    items: Mapped[int] = mapped_column(default=0)


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
