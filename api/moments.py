"""Instants as text and back: RFC 3339 with a zone, or a plain date that means local midnight in a time zone."""

import re
from datetime import UTC, date, datetime

from dnsfilter.policy.calendar import (
    after_day,
    end_after,
    end_of_span,
    hours_text,
    last_day,
    local_day,
    local_midnight,
    parse_hours,
    parse_span,
)
from dnsfilter.policy.check import FIRST_YEAR, LAST_YEAR
from dnsfilter.policy.model import Instant, WeeklyHours

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})")


def parse_date(text: str) -> date:
    """The date of "2026-09-30"; raises ValueError naming the input."""
    if not _DATE.fullmatch(text):
        raise ValueError(f"{text!r} is no date: write for example 2026-09-30")
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no date: the calendar has no such day") from error
    _in_bounds(day.year, text)
    return day


def parse_moment(text: str, time_zone: str) -> Instant:
    """The instant of an RFC 3339 time with a zone, or of a date's local midnight; raises ValueError."""
    if _DATE.fullmatch(text):
        return local_midnight(parse_date(text), time_zone)
    if not _RFC3339.fullmatch(text):
        example = "2026-09-30 or 2026-09-30T17:00:00+02:00"
        raise ValueError(f"{text!r} is neither a date nor an RFC 3339 time with a zone: write for example {example}")
    try:
        at = datetime.fromisoformat(re.sub(r"\.\d+", "", text.upper()))
    except ValueError as error:
        raise ValueError(f"{text!r} is no time: no calendar and clock show it") from error
    _in_bounds(at.year, text)
    return int(at.timestamp())


def parse_end(start: Instant, end: str | None, until: str | None, span: str | None, time_zone: str) -> Instant | None:
    """The exclusive end given as at most one of an instant, a last day, and a span; raises ValueError."""
    if sum(value is not None for value in (end, until, span)) > 1:
        raise ValueError("give only one of end, until and for")
    if end is not None:
        return parse_moment(end, time_zone)
    if until is not None:
        return after_day(parse_date(until), time_zone)
    if span is None:
        return None
    day, length = local_day(start, time_zone), parse_span(span)
    try:
        if local_midnight(day, time_zone) == start:
            return end_of_span(day, length, time_zone)
        return end_after(start, length, time_zone)
    except ValueError as error:
        raise ValueError(f"{span!r} is longer than the calendar") from error


def moment_text(at: Instant) -> str:
    """RFC 3339 in UTC: "2026-11-25T10:00:00Z"."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def optional_text(at: Instant | None) -> str | None:
    """`moment_text`, or None."""
    return None if at is None else moment_text(at)


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


def _in_bounds(year: int, text: str) -> None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(f"{text!r} lies outside the years {FIRST_YEAR} to {LAST_YEAR}")
