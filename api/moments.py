"""Times as requests write them and answers show them, and ends in their four forms."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TypeVar

from api.errors import Invalid
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
from dnsfilter.policy.check import LAST_INSTANT, LAST_YEAR
from dnsfilter.policy.instants import Written, instant_of, parse_written
from dnsfilter.policy.model import Instant, WeeklyHours

Default = TypeVar("Default", Instant, None)

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_THROUGH, _UNTIL, _FROM = "through ", "until ", "from "
"""Lists print ends as "through 30 September 2026", and other ends and starts with the other words."""


def parse_date(text: str) -> date:
    """The date of "2026-09-30"; raises ValueError naming the input."""
    if not _DATE.fullmatch(text):
        raise ValueError(f"{text!r} is no date: write for example 2026-09-30")
    return parse_written(text).local.date()


def check_moment(text: str) -> None:
    """Raises ValueError where `parse_moment` can read the text in no zone."""
    _written_moment(text)


def check_instant(text: str) -> None:
    """Raises ValueError unless the text is RFC 3339 with a zone, as programs write it, or a date, which is UTC."""
    written = parse_written(text)
    if written.offset is None and not written.is_date:
        raise ValueError(f"{text!r} has no zone: write for example 2026-11-25T10:00:00Z")


def check_end(text: str) -> None:
    """Raises ValueError where `parse_end` can read the text in no zone."""
    _written_end(text)


def parse_moment(text: str, time_zone: str, *, second: bool = False) -> Instant:
    """The instant of a written time, in `time_zone` unless it says which; a date is its midnight. Raises ValueError.

    Of a local time that comes twice it is the first, or with `second`, for an end, the second.
    """
    return instant_of(_written_moment(text), time_zone, second=second)


def given_moment(
    text: str | None, default: Default, time_zone: str, place: str, *, second: bool = False
) -> Instant | Default:
    """As `parse_moment`, of a field that may be absent; raises Invalid, which names the place."""
    with _invalid_at(place):
        return default if text is None else parse_moment(text, time_zone, second=second)


def given_bound(text: str | None, time_zone: str, place: str) -> Instant | None:
    """As `parse_bound`, of a field that may be absent; raises Invalid, which names the place."""
    with _invalid_at(place):
        return None if text is None else parse_bound(text, time_zone)


def parse_end(
    start: Instant, end: str | None, until: str | None, span: str | None, time_zone: str, *, exact: bool = False
) -> Instant | None:
    """The exclusive end given as at most one of `end`, `until` and a span; raises ValueError.

    A date is its first instant as `end`, and its last day as `until`. A span of days or months reaches to a midnight;
    with `exact`, as in versions before, it keeps the time of the day.
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
    """The exclusive end of a written time; with `through` a date is the last day. Raises ValueError."""
    written = _written_end(text)
    if written.is_date and (through or text.startswith((_THROUGH, _UNTIL))):
        return after_day(written.local.date(), time_zone)
    return instant_of(written, time_zone, second=True)


def moment_text(at: Instant) -> str:
    """RFC 3339 in UTC: "2026-11-25T10:00:00Z"."""
    return instant_text(at)


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


@contextmanager
def _invalid_at(place: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise Invalid.at(place, str(error)) from error


def _written_moment(text: str) -> Written:
    return parse_written(text.removeprefix(_FROM))


def _written_end(text: str) -> Written:
    written = parse_written(text.removeprefix(_UNTIL).removeprefix(_THROUGH))
    if text.startswith(_THROUGH) and not written.is_date:
        raise ValueError(f'{text!r} has a time: write the last day alone, or the time without "through"')
    return written
