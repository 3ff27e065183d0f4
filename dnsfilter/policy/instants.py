"""Read and write instants for people, in the local time of one zone. Pure: "now" is always an argument.

The parser reads every form that the printers write: people copy a time from an answer into the next command. It also
reads the times that people say: 08:00, tomorrow 08:00, friday 18:00. It is the only parser of times that people give.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

from dnsfilter.policy.bounds import FIRST_YEAR, LAST_YEAR
from dnsfilter.policy.calendar import is_span, local_day, local_instant, local_midnight, zone
from dnsfilter.policy.model import Instant
from dnsfilter.translatable import EnglishDay, Text

DEFAULT_ZONE = "Europe/Brussels"
"""The zone of a new authority, and of times that belong to no authority."""
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
EXAMPLES = "2026-09-30, 2026-09-30 17:00, 08:00, tomorrow 08:00, friday 18:00 or 2026-09-30T17:00:00+02:00"

_MONTH_NUMBERS = {name.lower(): number for number, name in enumerate(MONTHS, 1)}
_WRITTEN = re.compile(
    r"(?:(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)|"
    rf"(?P<said_day>\d\d?) (?P<said_month>{'|'.join(MONTHS)}) (?P<said_year>\d{{4}}))"
    r"(?:(?:t| | at )(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d{1,9})?)?"
    r"(?: ?(?:(?P<utc>z)|(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>[0-5]\d))?)| (?P<name>[a-z]{2,5}))?)?",
    re.ASCII | re.IGNORECASE,
)
_DAYS_AHEAD = {"yesterday": -1, "today": 0, "tomorrow": 1}
_WEEKDAYS = {name: number for number, day in enumerate(DAYS) for name in (day, day[:3])}
_SAID = re.compile(
    rf"(?P<day>{'|'.join((*_DAYS_AHEAD, *_WEEKDAYS))})?(?:(?:^| | at )(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d))?",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Written:
    """A day, a time of day, or both. The zone, if given, is an `offset` or a `name` such as "CET".

    Without a date in `day`, the day is `said`: "tomorrow", "friday", or "" for the next one with that time.
    """

    text: str
    day: date | None
    clock: time | None
    offset: timezone | None = None
    name: str | None = None
    said: str = ""

    @property
    def is_date(self) -> bool:
        """Return whether it is a day without a time."""
        return self.clock is None

    @property
    def is_relative(self) -> bool:
        """Return whether it depends on the time at which it is said."""
        return self.day is None

    @property
    def is_time_of_day(self) -> bool:
        """Return whether it names no day."""
        return self.day is None and not self.said


def parse_written(text: str) -> Written:
    """Parse a day, a time, or both, with or without a zone. Raise ValueError, which names the text and the forms."""
    match = _WRITTEN.fullmatch(text)
    if match is None:
        return _parse_said(text)
    try:
        local = datetime.combine(_day(match), _clock(match))
        offset = _offset(match)
    except ValueError as error:
        why = (
            Text("{text!r} is not a date: the calendar has no such day")
            if match["hour"] is None
            else Text("{text!r} is not a time: no clock shows it")
        )
        raise ValueError(why.filled(text=text)) from error
    if not FIRST_YEAR <= local.year <= LAST_YEAR:
        raise ValueError(
            Text(
                "{text!r} lies outside the years {first_year} to {last_year}",
                text=text,
                first_year=FIRST_YEAR,
                last_year=LAST_YEAR,
            )
        )
    name = match["name"]
    clock = None if match["hour"] is None else local.time()
    return Written(text, local.date(), clock, offset, None if name is None else name.upper())


def instant_of(written: Written, time_zone: str, now: Instant, *, second: bool = False, past: bool = False) -> Instant:
    """Return the instant; for a day, its midnight. Without a zone, use the local time of `time_zone`.

    What is said without a date is the next such time after `now`, or with `past` the last one before. A local time that
    occurs twice means the first one, or with `second` the second one, unless its zone's name decides.
    Raise ValueError if the zone's name does not fit the time, or if it can be two days.
    """
    if written.is_time_of_day and written.clock is not None:
        return _nearest(written.clock, time_zone, now, past=past)
    local = datetime.combine(day_of(written, time_zone, now, past=past), written.clock or time())
    if written.offset is not None:
        return int(local.replace(tzinfo=written.offset).timestamp())
    if written.name is None:
        return local_instant(local, time_zone, second=second)
    for known in (time_zone, DEFAULT_ZONE, "UTC"):
        for at in (local_instant(local, known), local_instant(local, known, second=True)):
            shown = local_time(at, known)
            if (shown.replace(tzinfo=None), shown.tzname()) == (local, written.name):
                return at
    shows = local_time(local_instant(local, time_zone), time_zone)
    raise ValueError(
        Text(
            "{text!r}: clocks of {time_zone} show {zone} then, not {name}: write {zone}, or an offset such as {offset}",
            text=written.text,
            time_zone=time_zone,
            zone=shows.tzname(),
            name=written.name,
            offset=shows.isoformat()[-6:],
        )
    )


def day_of(written: Written, time_zone: str, now: Instant, *, past: bool = False) -> date:
    """Return the day of a written time that names one. Raise ValueError for today's weekday: it can be two days."""
    if written.day is not None:
        return written.day
    today = local_day(now, time_zone)
    if written.said in _DAYS_AHEAD:
        return today + timedelta(days=_DAYS_AHEAD[written.said])
    ahead = (_WEEKDAYS[written.said] - today.weekday()) % 7
    if ahead == 0:
        clock = "" if written.clock is None else f" {written.clock:%H:%M}"
        other = today + timedelta(days=-7 if past else 7)
        raise ValueError(
            Text(
                "{text!r} can mean today or {day}: write today{clock} or {date}{clock}",
                text=written.text,
                day=day_words(other),
                clock=clock,
                date=other.isoformat(),
            )
        )
    return today + timedelta(days=ahead - 7 if past else ahead)


def local_time(at: Instant, time_zone: str) -> datetime:
    """Return the local time of the zone."""
    return datetime.fromtimestamp(at, zone(time_zone))


def is_midnight(at: Instant, time_zone: str) -> bool:
    """Return whether a day begins at that instant in the zone."""
    return local_midnight(local_day(at, time_zone), time_zone) == at


def at_words(at: Instant, time_zone: str = DEFAULT_ZONE) -> str:
    """Return day and time: "25 November 2026 11:00:05 CET"."""
    local = local_time(at, time_zone)
    return Text("{day} {clock} {zone}", day=day_words(local), clock=f"{local:%H:%M:%S}", zone=local.tzname())


def day_words(day: date) -> str:
    """Return a day: "25 November 2026"."""
    return EnglishDay(f"{day.day} {MONTHS[day.month - 1]} {day.year}", day)


def _parse_said(text: str) -> Written:
    match = _SAID.fullmatch(text)
    if match is None or not text:
        length = Text(" It is a length of time: only `for` takes one.") if is_span(text) else ""
        raise ValueError(
            Text(
                "{text!r} is not a date or time: write for example {examples}.{length}",
                text=text,
                examples=EXAMPLES,
                length=length,
            )
        )
    clock = None if match["hour"] is None else time(int(match["hour"]), int(match["minute"]))
    return Written(text, None, clock, said=(match["day"] or "").lower())


def _nearest(clock: time, time_zone: str, now: Instant, *, past: bool) -> Instant:
    """Return the next instant after `now` at which a clock shows that time, or the last one until `now`.

    In the repeated hour in autumn both occurrences count.
    """
    today = local_day(now, time_zone)
    days = (datetime.combine(today + timedelta(days=ahead), clock) for ahead in (-2, -1, 0, 1, 2))
    found = [local_instant(day, time_zone, second=second) for day in days for second in (False, True)]
    return max(at for at in found if at <= now) if past else min(at for at in found if at > now)


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
