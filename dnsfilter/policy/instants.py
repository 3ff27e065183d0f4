"""Read and write instants for people, in the local time of one zone. Pure.

The parser reads every form that the printers write: people copy a time from an answer into the next command.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

from dnsfilter.policy.bounds import FIRST_YEAR, LAST_YEAR
from dnsfilter.policy.calendar import local_day, local_instant, local_midnight, zone
from dnsfilter.policy.model import Instant

DEFAULT_ZONE = "Europe/Brussels"
"""The zone of a new authority, and of times that belong to no authority."""
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
EXAMPLES = "2026-09-30, 2026-09-30 17:00 or 2026-09-30T17:00:00+02:00"

_MONTH_NUMBERS = {name.lower(): number for number, name in enumerate(MONTHS, 1)}
_WRITTEN = re.compile(
    r"(?:(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)|"
    rf"(?P<said_day>\d\d?) (?P<said_month>{'|'.join(MONTHS)}) (?P<said_year>\d{{4}}))"
    r"(?:(?:t| | at )(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d{1,9})?)?"
    r"(?: ?(?:(?P<utc>z)|(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>[0-5]\d))?)| (?P<name>[a-z]{2,5}))?)?",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Written:
    """A date, or a date and a time. The zone, if given, is an `offset` or a `name` such as "CET"."""

    text: str
    local: datetime
    is_date: bool
    offset: timezone | None
    name: str | None


def parse_written(text: str) -> Written:
    """Parse a date, or a date and a time, with or without a zone. Raise ValueError, which names the text."""
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a date or time: write for example {EXAMPLES}")
    try:
        local = datetime.combine(_day(match), _clock(match))
        offset = _offset(match)
    except ValueError as error:
        why = (
            "is not a date: the calendar has no such day"
            if match["hour"] is None
            else "is not a time: no clock shows it"
        )
        raise ValueError(f"{text!r} {why}") from error
    if not FIRST_YEAR <= local.year <= LAST_YEAR:
        raise ValueError(f"{text!r} lies outside the years {FIRST_YEAR} to {LAST_YEAR}")
    name = match["name"]
    return Written(text, local, match["hour"] is None, offset, None if name is None else name.upper())


def instant_of(written: Written, time_zone: str, *, second: bool = False) -> Instant:
    """Return the instant; for a date, its midnight. Without a zone, use the local time of `time_zone`.

    A local time that occurs twice means the first one, or with `second` the second one, unless its zone's name decides.
    Raise ValueError if the zone's name does not fit the time.
    """
    if written.offset is not None:
        return int(written.local.replace(tzinfo=written.offset).timestamp())
    if written.name is None:
        return local_instant(written.local, time_zone, second=second)
    for known in (time_zone, DEFAULT_ZONE, "UTC"):
        for at in (local_instant(written.local, known), local_instant(written.local, known, second=True)):
            shown = local_time(at, known)
            if (shown.replace(tzinfo=None), shown.tzname()) == (written.local, written.name):
                return at
    shows = local_time(local_instant(written.local, time_zone), time_zone)
    raise ValueError(
        f"{written.text!r}: clocks of {time_zone} show {shows.tzname()} then, not {written.name}: "
        f"write {shows.tzname()}, or an offset such as {shows.isoformat()[-6:]}"
    )


def local_time(at: Instant, time_zone: str) -> datetime:
    """Return the local time of the zone."""
    return datetime.fromtimestamp(at, zone(time_zone))


def is_midnight(at: Instant, time_zone: str) -> bool:
    """Return whether a day begins at that instant in the zone."""
    return local_midnight(local_day(at, time_zone), time_zone) == at


def at_words(at: Instant, time_zone: str = DEFAULT_ZONE) -> str:
    """Return day and time: "25 November 2026 11:00:05 CET"."""
    local = local_time(at, time_zone)
    return f"{day_words(local)} {local:%H:%M:%S} {local.tzname()}"


def day_words(day: date) -> str:
    """Return a day: "25 November 2026"."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _day(match: re.Match[str]) -> date:
    if match["year"] is not None:
        return date(int(match["year"]), int(match["month"]), int(match["day"]))
    return date(int(match["said_year"]), _MONTH_NUMBERS[match["said_month"].lower()], int(match["said_day"]))


def _clock(match: re.Match[str]) -> time:
    return time(int(match["hour"] or 0), int(match["minute"] or 0), int(match["second"] or 0))


def _offset(match: re.Match[str]) -> timezone | None:
    if match["utc"] is not None:
        return UTC
    if match["sign"] is None:
        return None
    ahead = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"] or 0))
    return timezone(ahead if match["sign"] == "+" else -ahead)
