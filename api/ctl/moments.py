"""Instants as people read them: in the authority's time zone, and a midnight's end as the last whole day. Pure."""

import re
from datetime import UTC, datetime, time, timedelta

from api.ctl.decisions import Term
from dnsfilter.policy.calendar import last_day, local_day, local_instant, local_midnight, zone
from dnsfilter.policy.model import Instant

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def parse_instant(text: str) -> Instant:
    """The instant of the API's RFC 3339 text."""
    return int(datetime.fromisoformat(text).timestamp())


def next_local(clock: str, now: Instant, time_zone: str) -> Instant:
    """When a clock there shows "23:00" next, for a second time too in the autumn hour; raises ValueError."""
    if not _CLOCK.fullmatch(clock):
        raise ValueError(f"{clock!r} is no time of a day: write for example 23:00")
    today, shown = local_day(now, time_zone), time.fromisoformat(clock)
    days = (datetime.combine(today + timedelta(days=ahead), shown) for ahead in (0, 1, 2))
    found = (local_instant(day, time_zone, second=second) for day in days for second in (False, True))
    return next(at for at in found if at > now)


def usable_zone(name: str) -> str:
    """`name` if this machine knows that time zone, else UTC: what is shown always says which."""
    try:
        zone(name)
    except ValueError:
        return "UTC"
    return name


def at_words(text: str, time_zone: str) -> str:
    """Day and time: "25 November 2026 11:00:05 CET"."""
    local = datetime.fromtimestamp(parse_instant(text), zone(time_zone))
    return f"{_day_words(local)} {local:%H:%M:%S} {local.tzname()}"


def soon_words(text: str, now: str, time_zone: str) -> str:
    """An instant ahead, from `now`: "today 09:00 CET", "tomorrow 09:00 CET", else with its date."""
    at = parse_instant(text)
    days = (local_day(at, time_zone) - local_day(parse_instant(now), time_zone)).days
    if days not in (0, 1):
        return _start(text, time_zone)
    return f"{'tomorrow' if days else 'today'} {_clock_words(datetime.fromtimestamp(at, zone(time_zone)))}"


def start_words(text: str, time_zone: str) -> str:
    """A beginning: "from 1 October 2026", with the time unless it is a local midnight."""
    return f"from {_start(text, time_zone)}"


def end_words(text: str, time_zone: str) -> str:
    """An exclusive end: "through 30 September 2026" at a local midnight, else "until 1 October 2026 09:00 CEST"."""
    at = parse_instant(text)
    if _is_midnight(at, time_zone):
        day = last_day(at, time_zone)
        return f"through {_day_words(datetime(day.year, day.month, day.day, tzinfo=UTC))}"
    return f"until {_start(text, time_zone)}"


def period_words(start: str, end: str | None, time_zone: str) -> str:
    """Beginning and end of a period."""
    reach = "without an end" if end is None else end_words(end, time_zone)
    return f"{start_words(start, time_zone)} {reach}"


def reach_words(terms: list[Term], time_zone: str) -> str:
    """How far a ban's terms reach, for a list: the furthest end, or that there is none."""
    if not terms:
        return "no term"
    endless = next((term for term in terms if _effective_end(term) is None), None)
    if endless is not None:
        return f"no end{_review(endless, time_zone)}"
    ends = [end for term in terms if (end := _effective_end(term)) is not None]
    return end_words(max(ends, key=parse_instant), time_zone)


def term_words(term: Term, time_zone: str) -> str:
    """A term as decided, with its review and its early end."""
    words = period_words(term.start, term.end, time_zone) + _review(term, time_zone)
    if term.ended is None:
        return words
    return f"{words}; ended early, {end_words(term.ended, time_zone)}: {term.ended_reason}"


def _effective_end(term: Term) -> str | None:
    return term.end if term.ended is None else term.ended


def _review(term: Term, time_zone: str) -> str:
    return "" if term.review_by is None else f", review by {_start(term.review_by, time_zone)}"


def _start(text: str, time_zone: str) -> str:
    at = parse_instant(text)
    local = datetime.fromtimestamp(at, zone(time_zone))
    if _is_midnight(at, time_zone):
        return _day_words(local)
    return f"{_day_words(local)} {_clock_words(local)}"


def _clock_words(local: datetime) -> str:
    seconds = f":{local:%S}" if local.second else ""
    return f"{local:%H:%M}{seconds} {local.tzname()}"


def _is_midnight(at: Instant, time_zone: str) -> bool:
    return local_midnight(local_day(at, time_zone), time_zone) == at


def _day_words(day: datetime) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
