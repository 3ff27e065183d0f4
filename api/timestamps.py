"""Times as requests write them and answers show them. An end has four forms."""

import re
from datetime import date
from typing import TypeVar

from api.errors import invalid_at
from dnsfilter.policy.bounds import LAST_INSTANT, LAST_YEAR
from dnsfilter.policy.calendar import (
    after_day,
    end_after,
    end_of_last_day,
    hours_text,
    instant_text,
    last_day,
    parse_hours,
    parse_span,
)
from dnsfilter.policy.instants import Written, instant_of, parse_written
from dnsfilter.policy.model import Instant, WeeklyHours

Default = TypeVar("Default", Instant, None)

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_THROUGH, _UNTIL, _FROM = "through ", "until ", "from "
"""Lists print "through 30 September 2026" for a last day, and "until" or "from" for other times."""


def parse_date(text: str) -> date:
    """The date of "2026-09-30"; raises ValueError naming the input."""
    if not _DATE.fullmatch(text):
        raise ValueError(f"{text!r} is no date: write for example 2026-09-30")
    return parse_written(text).local.date()


def written_timestamp(text: str) -> Written:
    """Read what `parse_timestamp` takes, as far as that needs no zone. Raise ValueError."""
    return parse_written(text.removeprefix(_FROM))


def written_end(text: str) -> Written:
    """Read what `parse_bound` takes, as far as that needs no zone. Raise ValueError."""
    written = parse_written(text.removeprefix(_UNTIL).removeprefix(_THROUGH))
    if text.startswith(_THROUGH) and not written.is_date:
        raise ValueError(f'{text!r} has a time: write the last day alone, or the time without "through"')
    return written


def check_instant(text: str) -> None:
    """Raise ValueError unless the text is an RFC 3339 time with a zone, or a date, which is read as UTC."""
    written = parse_written(text)
    if written.offset is None and not written.is_date:
        raise ValueError(f"{text!r} has no zone: write for example 2026-11-25T10:00:00Z")


def parse_timestamp(text: str, time_zone: str, *, second: bool = False) -> Instant:
    """Return the instant of a written time, in `time_zone` unless it names one; of a date, its midnight.

    A local time that comes twice means the first one; with `second`, for an end, the second. Raise ValueError.
    """
    return instant_of(written_timestamp(text), time_zone, second=second)


def given_timestamp(
    text: str | None, default: Default, time_zone: str, place: str, *, second: bool = False
) -> Instant | Default:
    """Return `parse_timestamp` of a field, or `default` if it is absent. Raise Invalid at `place`."""
    with invalid_at(place):
        return default if text is None else parse_timestamp(text, time_zone, second=second)


def given_bound(text: str | None, time_zone: str, place: str) -> Instant | None:
    """Return `parse_bound` of a field, or None if it is absent. Raise Invalid at `place`."""
    with invalid_at(place):
        return None if text is None else parse_bound(text, time_zone)


def parse_end(
    start: Instant, end: str | None, until: str | None, span: str | None, time_zone: str, *, exact: bool = False
) -> Instant | None:
    """Return the exclusive end, given as at most one of `end`, `until` and a span. Raise ValueError.

    A date means its first instant as `end`, and the last day as `until`. A span of days or months ends at a midnight;
    with `exact`, as earlier versions read it, it keeps the time of the day.
    """
    if sum(value is not None for value in (end, until, span)) > 1:
        raise ValueError("give only one of end, until and for")
    if end is not None:
        return parse_bound(end, time_zone, through=False)
    if until is not None:
        return parse_bound(until, time_zone)
    if span is None:
        return None
    length = parse_span(span)
    try:
        found = (end_after if exact else end_of_last_day)(start, length, time_zone)
    except (ValueError, OverflowError):
        found = LAST_INSTANT + 1
    if found > LAST_INSTANT:
        raise ValueError(f"{span!r} ends after the year {LAST_YEAR}")
    return found


def parse_bound(text: str, time_zone: str, *, through: bool = True) -> Instant:
    """Return the exclusive end of a written time; with `through` a date is the last day. Raise ValueError."""
    written = written_end(text)
    if written.is_date and (through or text.startswith((_THROUGH, _UNTIL))):
        return after_day(written.local.date(), time_zone)
    return instant_of(written, time_zone, second=True)


def timestamp_text(at: Instant) -> str:
    """RFC 3339 in UTC: "2026-11-25T10:00:00Z"."""
    return instant_text(at)


def optional_text(at: Instant | None) -> str | None:
    """`timestamp_text`, or None."""
    return None if at is None else timestamp_text(at)


def through(end: Instant | None, time_zone: str) -> str | None:
    """The last day of something that ends at a local midnight, for people; None where it ends at another time."""
    if end is None:
        return None
    day = last_day(end, time_zone)
    return day.isoformat() if after_day(day, time_zone) == end else None


def parse_zoned_hours(text: str, time_zone: str) -> WeeklyHours:
    """Weekly hours in `time_zone`, or in one that the text ends in ("Mon 09:00-12:00 UTC"); raises ValueError."""
    hours, blank, last = text.strip().rpartition(" ")
    if blank and last[:1].isalpha():
        return parse_hours(hours, last)
    return parse_hours(text, time_zone)


def zoned_hours_text(hours: WeeklyHours, time_zone: str) -> str:
    """What `parse_zoned_hours` reads, without the zone where it is `time_zone`."""
    text = hours_text(hours)
    return text if hours.time_zone == time_zone else f"{text} {hours.time_zone}"
