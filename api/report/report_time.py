"""The days and the time of a report, in the zone of its authority. Pure."""

from dataclasses import dataclass
from datetime import date

from api.errors import Invalid
from api.report.query_numbers import Counted, interval_of, intervals
from api.report.schemas import Interval
from api.usage.release import last_shown_day
from api.usage.state import MAX_DAYS
from dnsfilter.policy.calendar import after_day, local_day, local_midnight
from dnsfilter.policy.intervals import Interval as Within
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import Instant
from dnsfilter.translatable import Text


@dataclass(frozen=True, slots=True)
class ReportDays:
    """The days of a report, and the interval of its counts; None for one that gives a readable number of rows."""

    first: date
    last: date
    interval: Interval | None

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise Invalid.at(
                "query.to", Text("{last} is before {first}: give a later day", last=self.last, first=self.first)
            )
        if (self.last - self.first).days >= MAX_DAYS:
            raise Invalid.at(
                "query.to", Text("a report covers at most {most} days: give an earlier day", most=MAX_DAYS)
            )


@dataclass(frozen=True, slots=True)
class ReportTime:
    """The time of a report: `within` ends at the instant of reading if `end` is later.

    Queries are counted through the day `last_counted`, in the intervals `counted`.
    """

    days: ReportDays
    within: Within
    end: Instant
    interval: Interval
    last_counted: date
    counted: Counted

    @classmethod
    def of(cls, asked: ReportDays, zone: str, now_s: Instant) -> "ReportTime":
        """Return the time of these days in a zone. Raise `Invalid` for days to come."""
        if asked.last > (today := local_day(now_s, zone)):
            raise Invalid.at(
                "query.to",
                Text(
                    "{last} has not begun in {zone}: give {today} or an earlier day",
                    last=asked.last,
                    zone=zone,
                    today=today,
                ),
            )
        end = after_day(asked.last, zone)
        interval = asked.interval or interval_of(asked.first, asked.last)
        last_counted = min(asked.last, last_shown_day(now_s, zone))
        return cls(
            asked,
            # The second of the reading is complete: an act in it has had effect.
            (local_midnight(asked.first, zone), min(end, now_s + 1)),
            end,
            interval,
            last_counted,
            Counted(tuple(intervals(asked.first, last_counted, interval))),
        )

    def contains(self, at: Instant) -> bool:
        """Return whether an instant is in the time."""
        return self.within[0] <= at < self.within[1]

    def touches(self, start: Instant, end: Instant | None) -> bool:
        """Return whether `[start, end)` overlaps the time."""
        return start < self.within[1] and until(end) > self.within[0]
