"""Convert dates, spans and weekly hours in a time zone to instants. Pure: "today" is always an argument.

When summer time begins, a local time that does not exist means the end of the gap. When it ends, a local time that
occurs twice means its first occurrence as a start, and its second as an end. Every end is exclusive.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dnsfilter.policy.model import Instant, WeeklyHours
from dnsfilter.translatable import Text

DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUTES_PER_DAY = 1440

# Names with a lower-case first letter are files of the system ("localtime", "posix/…", "right/…"), not zones.
_ZONE_NAME = re.compile(r"[A-Z][A-Za-z0-9_+-]{0,40}(?:/[A-Za-z0-9_+-]{1,40}){0,3}")
_SPAN = re.compile(r"(\d{1,4}) ?(days?|d|weeks?|months?|years?)", re.ASCII)
_DURATION = re.compile(
    r"(?:(\d{1,4}) ?(?:hours?|h))? ?(?:(\d{1,4}) ?(?:minutes?|mins?|m))? ?(?:(\d{1,5}) ?(?:seconds?|secs?|s))?",
    re.ASCII,
)
_MINUTES_OR_MONTHS = re.compile(r"\d{1,4} ?m", re.ASCII)
_HOURS = re.compile(r"(?:([A-Za-z,-]{3,40}) +)?(\d\d?)(?::(\d\d))?h? ?- ?(\d\d?)(?::(\d\d)|h)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time as people specify it. Months and days are calendar ones, seconds are exact."""

    months: int = 0
    days: int = 0
    seconds: int = 0


def zone(time_zone: str) -> ZoneInfo:
    """Return the zone with that IANA name. Raise ValueError, which names it, if there is none."""
    if not _ZONE_NAME.fullmatch(time_zone):
        raise ValueError(Text("unknown time zone {time_zone!r}", time_zone=time_zone))
    try:
        return ZoneInfo(time_zone)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(Text("unknown time zone {time_zone!r}", time_zone=time_zone)) from error


def instant_text(at: Instant) -> str:
    """Return an instant as RFC 3339 text in UTC, in seconds."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def parse_instant(text: str) -> Instant:
    """Return the instant of an RFC 3339 time with a zone. Raise ValueError if the text is invalid."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(Text("{text!r} has no zone", text=text))
    return int(at.timestamp())


def local_day(at: Instant, time_zone: str) -> date:
    """Return the local date in the zone at that instant."""
    return datetime.fromtimestamp(at, zone(time_zone)).date()


def start_of_hour(at: Instant, time_zone: str) -> Instant:
    """Return the start of the local hour in the zone. In zones with half hours it is not a full hour of UTC."""
    offset = _offset(at, zone(time_zone)) or timedelta()
    return at - (at + int(offset.total_seconds())) % 3600


def local_instant(local: datetime, time_zone: str, *, second: bool = False) -> Instant:
    """Return the instant of a naive local time: the first of two, or the end of a gap.

    With `second`, return the second of two.
    """
    return _instant(local.replace(tzinfo=None, microsecond=0), zone(time_zone), fold=int(second))


def local_midnight(day: date, time_zone: str) -> Instant:
    """Return the first instant of `day` in the zone."""
    return local_instant(datetime.combine(day, time()), time_zone)


def after_day(day: date, time_zone: str) -> Instant:
    """Return the midnight that ends `day`: "until 30 September" is 1 October 00:00."""
    return local_midnight(day + timedelta(days=1), time_zone)


def last_day(end: Instant, time_zone: str) -> date:
    """Return the last day with an instant before `end`: the inverse of `after_day`, to show an end to people."""
    return local_day(end - 1, time_zone)


def add_months(day: date, months: int) -> date:
    """Return the same day `months` later, or the last day of a shorter month. ValueError after year 9999."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, _days_in_month(year, month + 1)))


def parse_span(text: str) -> Span:
    """Return the `Span` of "6 months", "1 year", "2 weeks", "30 days", "72 h", "1h30m" or "4 minutes".

    ValueError names an invalid text. "6m" is one: it can mean months or minutes.
    """
    said = text.strip().lower()
    if _MINUTES_OR_MONTHS.fullmatch(said):
        number = said.removesuffix("m").strip()
        raise ValueError(
            Text(
                '{text!r} can mean minutes or months: write "{number} minutes" or "{number} months"',
                text=text,
                number=number,
            )
        )
    seconds = _exact_s(said)
    if seconds:
        return Span(seconds=seconds)
    match = _SPAN.fullmatch(said)
    if match is None or int(match[1]) == 0:
        forms = '"4 minutes", "72 hours", "30 days" or "6 months"'
        raise ValueError(Text("{text!r} is not a span of time: write for example {forms}", text=text, forms=forms))
    count = int(match[1])
    match match[2][0]:
        case "d":
            return Span(days=count)
        case "w":
            return Span(days=7 * count)
        case "y":
            return Span(months=12 * count)
        case _:
            return Span(months=count)


def is_span(text: str) -> bool:
    """Return whether a text is a length of time."""
    try:
        parse_span(text)
    except ValueError:
        return False
    return True


def parse_duration(text: str) -> int:
    """Return the seconds of "30m", "1h30m", "4h" or "30 minutes". ValueError names an invalid text.

    A duration has no months, so "m" means minutes.
    """
    duration_s = _exact_s(text.strip().lower())
    if not duration_s:
        raise ValueError(
            Text('{text!r} is not a duration: write for example "30m", "1h30m" or "30 minutes"', text=text)
        )
    return duration_s


def _exact_s(said: str) -> int:
    """Return the seconds of hours, minutes and seconds; 0 for another text."""
    match = _DURATION.fullmatch(said)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match is not None else (0, 0, 0)
    return 3600 * hours + 60 * minutes + seconds


def end_of_span(start_day: date, span: Span, time_zone: str) -> Instant:
    """Return the exclusive end of `span` from the first instant of `start_day`: a midnight, plus its seconds."""
    return local_midnight(_add(start_day, span), time_zone) + span.seconds


def end_after(start: Instant, span: Span, time_zone: str) -> Instant:
    """Return the exclusive end of `span` from `start`: the same local time after months and days, plus seconds."""
    if not span.months and not span.days:
        return start + span.seconds
    local = datetime.fromtimestamp(start, zone(time_zone))
    return local_instant(datetime.combine(_add(local.date(), span), local.time()), time_zone) + span.seconds


def end_of_last_day(start: Instant, span: Span, time_zone: str) -> Instant:
    """Return the exclusive end of `span` from `start`: exact if the span has no days, else the next midnight.

    Rounding up gives at least the months or days that were asked for.
    """
    end = end_after(start, span, time_zone)
    if not span.months and not span.days:
        return end
    return after_day(last_day(end, time_zone), time_zone)


def weekly_windows(hours: WeeklyHours, start: Instant, end: Instant) -> Iterator[tuple[Instant, Instant]]:
    """Yield the windows of `hours` within `[start, end)`, clipped, in order, disjoint and not empty.

    An end at 02:00, if 02:00 to 03:00 occurs twice, is the first 02:00: no minute of that hour belongs to the window.
    """
    if start >= end:
        return
    tz = zone(hours.time_zone)
    day = datetime.fromtimestamp(start, tz).date() - timedelta(days=1)
    last = datetime.fromtimestamp(end, tz).date()
    reached = start
    while day <= last:
        if day.weekday() in hours.days:
            midnight = datetime.combine(day, time())
            # A clock set back across midnight would make two days' windows overlap. The later window then starts later.
            opens = max(reached, _instant(midnight + timedelta(minutes=hours.start_minute), tz, fold=0))
            closes = min(end, _closing(midnight + timedelta(minutes=hours.end_minute), tz))
            if opens < closes:
                yield opens, closes
                reached = closes
        day += timedelta(days=1)


def parse_hours(text: str, time_zone: str) -> WeeklyHours:
    """Return `WeeklyHours` of "Mon-Fri 09:00-12:00", "Mon,Wed,Fri-Sun 00:00-24:00" or, for every day, "12-14h".

    ValueError names an invalid text.
    """
    match = _HOURS.fullmatch(text.strip().replace("–", "-"))
    if match is None:
        forms = '"Mon-Fri 09:00-12:00", or "12-14h" for every day'
        raise ValueError(
            Text("{text!r} is not valid as weekly hours: write for example {forms}", text=text, forms=forms)
        )
    zone(time_zone)
    start, end = _minute(match[2], match[3], text), _minute(match[4], match[5], text)
    if start >= end:
        raise ValueError(
            Text("the hours {text!r} end before they start: write hours across midnight as two entries", text=text)
        )
    return WeeklyHours(_parse_days(match[1] or f"{DAY_NAMES[0]}-{DAY_NAMES[-1]}", text), start, end, time_zone)


def hours_text(hours: WeeklyHours) -> str:
    """Return hours as text that `parse_hours` reads: "Mon-Fri 09:00-12:00"."""
    runs: list[list[int]] = []
    for day in sorted(hours.days):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    days = ",".join(DAY_NAMES[run[0]] + (f"-{DAY_NAMES[run[-1]]}" if len(run) > 1 else "") for run in runs)
    return f"{days} {_clock(hours.start_minute)}-{_clock(hours.end_minute)}"


def _instant(local: datetime, tz: ZoneInfo, fold: int) -> Instant:
    """Return the instant of a naive local time: of two the first (`fold` 0) or second (1); in a gap, its end."""
    at = int(local.replace(tzinfo=tz, fold=fold).timestamp())
    if datetime.fromtimestamp(at, tz).replace(tzinfo=None) == local:
        return at
    # In a gap, fold 1 gives an instant before the change and fold 0 one after it (PEP 495).
    before = int(local.replace(tzinfo=tz, fold=1).timestamp())
    after = int(local.replace(tzinfo=tz, fold=0).timestamp())
    offset = _offset(after, tz)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(middle, tz) == offset:
            after = middle
        else:
            before = middle
    return after


def _closing(local: datetime, tz: ZoneInfo) -> Instant:
    """Return the exclusive end at a naive local time: after the second occurrence of the second before it."""
    last_second = _instant(local - timedelta(seconds=1), tz, fold=1)
    in_gap = datetime.fromtimestamp(last_second, tz).replace(tzinfo=None) >= local
    return last_second if in_gap else last_second + 1


def _offset(at: Instant, tz: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(at, tz).utcoffset()


def _add(day: date, span: Span) -> date:
    return add_months(day, span.months) + timedelta(days=span.days)


def _days_in_month(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _parse_days(days: str, text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in days.split(","):
        first, dash, last = part.partition("-")
        numbers = [_day(first, text), _day(last, text) if dash else _day(first, text)]
        found.update((numbers[0] + step) % 7 for step in range((numbers[1] - numbers[0]) % 7 + 1))
    return frozenset(found)


def _day(name: str, text: str) -> int:
    if name.title() not in DAY_NAMES:
        raise ValueError(
            Text("{name!r} in {text!r} is not a day: write Mon, Tue, Wed, Thu, Fri, Sat or Sun", name=name, text=text)
        )
    return DAY_NAMES.index(name.title())


def _minute(hour: str, minute: str | None, text: str) -> int:
    minutes = 60 * int(hour) + int(minute or 0)
    if int(minute or 0) > 59 or minutes > MINUTES_PER_DAY:
        raise ValueError(
            Text(
                "{hour}:{minute} in {text!r} is not a time of day (00:00 to 24:00)",
                hour=hour,
                minute=minute or "00",
                text=text,
            )
        )
    return minutes


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
