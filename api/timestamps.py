"""Parse the times of requests and write the times of answers. An end has four forms."""

import re
from datetime import date
from typing import TypeVar

from api.errors import invalid_at
from dnsfilter.policy.bounds import LAST_INSTANT, LAST_YEAR
from dnsfilter.policy.calendar import (
    after_day,
    end_of_last_day,
    hours_text,
    instant_text,
    last_day,
    parse_hours,
    parse_span,
)
from dnsfilter.policy.instants import Written, day_of, instant_of, parse_written
from dnsfilter.policy.model import Instant, WeeklyHours
from dnsfilter.translatable import Text

Default = TypeVar("Default", Instant, None)

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_THROUGH, _UNTIL, _FROM = "through ", "until ", "from "
"""Lists print "through 30 September 2026" for a last day, and "until" or "from" for other times."""


def parse_date(text: str) -> date:
    """Return the date of "2026-09-30". Raise ValueError that repeats the input."""
    if not _DATE.fullmatch(text):
        raise ValueError(Text("{text!r} is not a date: write for example 2026-09-30", text=text))
    day = parse_written(text).day
    assert day is not None
    return day


def written_timestamp(text: str) -> Written:
    """Read the text for `parse_timestamp`, as far as that needs no zone. Raise ValueError."""
    return parse_written(text.removeprefix(_FROM))


def written_end(text: str) -> Written:
    """Read the text for `parse_bound`, as far as that needs no zone. Raise ValueError."""
    written = parse_written(text.removeprefix(_UNTIL).removeprefix(_THROUGH))
    if text.startswith(_THROUGH) and not written.is_date:
        raise ValueError(
            Text('{text!r} has a time: write the last day alone, or the time without "through"', text=text)
        )
    return written


def check_instant(text: str) -> None:
    """Raise ValueError unless the text is an RFC 3339 time with a zone, or a date, which is read as UTC."""
    written = parse_written(text)
    if written.is_relative or (written.offset is None and not written.is_date):
        raise ValueError(Text("{text!r} has no zone: write for example 2026-11-25T10:00:00Z", text=text))


def stored_instant(text: str) -> Instant:
    """Return the instant of a text that `check_instant` accepts, or that this program wrote. Raise ValueError."""
    check_instant(text)
    return instant_of(parse_written(text), "UTC", 0)


def parse_timestamp(text: str, time_zone: str, now: Instant, *, second: bool = False, past: bool = False) -> Instant:
    """Return the instant of a written time, in `time_zone` unless it names a zone. A date means its midnight.

    A time without a date is the next one after `now`, or with `past` the last one. An ambiguous local time means the
    first instant, with `second` (for an end) the second. Raise ValueError.
    """
    return instant_of(written_timestamp(text), time_zone, now, second=second, past=past)


def given_timestamp(
    text: str | None,
    default: Default,
    time_zone: str,
    now: Instant,
    location: str,
    *,
    second: bool = False,
    past: bool = False,
) -> Instant | Default:
    """Return `parse_timestamp` of a field, or `default` if it is absent. Raise Invalid at `location`."""
    with invalid_at(location):
        return default if text is None else parse_timestamp(text, time_zone, now, second=second, past=past)


def given_bound(text: str | None, time_zone: str, now: Instant, location: str, *, past: bool = False) -> Instant | None:
    """Return `parse_bound` of a field, or None if it is absent. Raise Invalid at `location`."""
    with invalid_at(location):
        return None if text is None else parse_bound(text, time_zone, now, past=past)


def parse_end(
    start: Instant,
    end: str | None,
    until: str | None,
    span: str | None,
    time_zone: str,
    now: Instant,
) -> Instant | None:
    """Return the exclusive end, given as at most one of `end`, `until` and a span. Raise ValueError.

    A time of day means the next one after the start and after `now`. A date means its first instant as `end`, and the
    last day as `until`. A span of days or months ends at midnight.
    """
    if sum(value is not None for value in (end, until, span)) > 1:
        raise ValueError(Text("give only one of end, until and for"))
    if end is not None:
        return parse_bound(end, time_zone, now, start=start, through=False)
    if until is not None:
        return parse_bound(until, time_zone, now, start=start)
    if span is None:
        return None
    length = parse_span(span)
    try:
        found = end_of_last_day(start, length, time_zone)
    except (ValueError, OverflowError):
        found = LAST_INSTANT + 1
    if found > LAST_INSTANT:
        raise ValueError(Text("{span!r} ends after the year {last_year}", span=span, last_year=LAST_YEAR))
    return found


def parse_bound(
    text: str,
    time_zone: str,
    now: Instant,
    *,
    start: Instant | None = None,
    through: bool = True,
    past: bool = False,
) -> Instant:
    """Return the exclusive end of a written time; with `through` a date is the last day. Raise ValueError.

    A time of day is the next one after `start` and after `now`, or with `past` the last one before `now`.
    """
    written = written_end(text)
    if written.is_date and (through or text.startswith((_THROUGH, _UNTIL))):
        return after_day(day_of(written, time_zone, now, past=past), time_zone)
    if written.is_time_of_day and start is not None:
        now = max(start, now)
    return instant_of(written, time_zone, now, second=True, past=past)


def timestamp_text(at: Instant) -> str:
    """Return an instant as RFC 3339 in UTC: "2026-11-25T10:00:00Z"."""
    return instant_text(at)


def optional_text(at: Instant | None) -> str | None:
    """Return `timestamp_text`, or None for None."""
    return None if at is None else timestamp_text(at)


def through(end: Instant | None, time_zone: str) -> str | None:
    """Return the last day, for people, of a period that ends at a local midnight. Return None for another end."""
    if end is None:
        return None
    day = last_day(end, time_zone)
    return day.isoformat() if after_day(day, time_zone) == end else None


def parse_zoned_hours(text: str, time_zone: str) -> WeeklyHours:
    """Return weekly hours in `time_zone`, or in the zone at its end ("Mon 09:00-12:00 UTC"). Raise ValueError."""
    hours, blank, last = text.strip().rpartition(" ")
    if blank and last[:1].isalpha():
        return parse_hours(hours, last)
    return parse_hours(text, time_zone)


def zoned_hours_text(hours: WeeklyHours, time_zone: str) -> str:
    """Return the text that `parse_zoned_hours` reads, without the zone if that is `time_zone`."""
    text = hours_text(hours)
    return text if hours.time_zone == time_zone else f"{text} {hours.time_zone}"
