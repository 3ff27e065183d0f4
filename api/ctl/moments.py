"""Instants as people read them: in the authority's time zone, and a midnight's end as the last whole day.

What is about no authority is told in this machine's zone, which is None here.
"""

import re
from datetime import datetime, time, timedelta, tzinfo

from api.ctl.decisions import Term
from dnsfilter.policy.calendar import local_day, local_instant, local_midnight, zone
from dnsfilter.policy.model import Instant
from dnsfilter.telemetry import instants
from dnsfilter.telemetry.instants import day_words, local_time

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def parse_instant(text: str) -> Instant:
    """The instant of the API's RFC 3339 text."""
    return int(datetime.fromisoformat(text).timestamp())


def next_local(clock: str, now: Instant, time_zone: str | None) -> Instant:
    """When a clock there shows "23:00" next, for a second time too in the autumn hour; raises ValueError."""
    if not _CLOCK.fullmatch(clock):
        raise ValueError(f"{clock!r} is no time of a day: write for example 23:00")
    today, shown = _local(now, time_zone).date(), time.fromisoformat(clock)
    days = (datetime.combine(today + timedelta(days=ahead), shown) for ahead in (0, 1, 2))
    found = (_instant(day, time_zone, second=second) for day in days for second in (False, True))
    return next(at for at in found if at > now)


def usable_zone(name: str) -> str:
    """`name` if this machine knows that time zone, else UTC: what is shown always says which."""
    try:
        zone(name)
    except ValueError:
        return "UTC"
    return name


def at_words(text: str, time_zone: str | None = None) -> str:
    """Day and time: "25 November 2026 11:00:05 CET"."""
    return instants.at_words(parse_instant(text), _zone(time_zone))


def soon_words(text: str, now: str, time_zone: str | None) -> str:
    """An instant ahead, from `now`: "today 09:00 CET", "tomorrow 09:00 CET", else with its date."""
    local = _local(parse_instant(text), time_zone)
    days = (local.date() - _local(parse_instant(now), time_zone).date()).days
    return f"{'tomorrow' if days else 'today'} {_clock_words(local)}" if days in (0, 1) else _start(text, time_zone)


def start_words(text: str, time_zone: str | None) -> str:
    """A beginning: "from 1 October 2026", with the time unless it is a local midnight."""
    return f"from {_start(text, time_zone)}"


def end_words(text: str, time_zone: str | None) -> str:
    """An exclusive end: "through 30 September 2026" at a local midnight, else "until 1 October 2026 09:00 CEST"."""
    at = parse_instant(text)
    if _is_midnight(at, time_zone):
        return f"through {day_words(_local(at - 1, time_zone))}"
    return f"until {_start(text, time_zone)}"


def period_words(start: str, end: str | None, time_zone: str | None) -> str:
    """Beginning and end of a period."""
    reach = "without an end" if end is None else end_words(end, time_zone)
    return f"{start_words(start, time_zone)} {reach}"


def reach_words(terms: list[Term], time_zone: str | None) -> str:
    """How far a ban's terms reach, for a list: the furthest end, or that there is none."""
    if not terms:
        return "no term"
    endless = next((term for term in terms if _effective_end(term) is None), None)
    if endless is not None:
        return f"no end{_review(endless, time_zone)}"
    ends = [end for term in terms if (end := _effective_end(term)) is not None]
    return end_words(max(ends, key=parse_instant), time_zone)


def term_words(term: Term, time_zone: str | None) -> str:
    """A term as decided, with its review and its early end."""
    words = period_words(term.start, term.end, time_zone) + _review(term, time_zone)
    if term.ended is None:
        return words
    return f"{words}; ended early, {end_words(term.ended, time_zone)}: {term.ended_reason}"


def _effective_end(term: Term) -> str | None:
    return term.end if term.ended is None else term.ended


def _review(term: Term, time_zone: str | None) -> str:
    return "" if term.review_by is None else f", review by {_start(term.review_by, time_zone)}"


def _start(text: str, time_zone: str | None) -> str:
    at = parse_instant(text)
    local = _local(at, time_zone)
    if _is_midnight(at, time_zone):
        return day_words(local)
    return f"{day_words(local)} {_clock_words(local)}"


def _clock_words(local: datetime) -> str:
    seconds = f":{local:%S}" if local.second else ""
    return f"{local:%H:%M}{seconds} {local.tzname()}"


def _zone(time_zone: str | None) -> tzinfo | None:
    return None if time_zone is None else zone(time_zone)


def _local(at: Instant, time_zone: str | None) -> datetime:
    return local_time(at, _zone(time_zone))


def _instant(local: datetime, time_zone: str | None, *, second: bool) -> Instant:
    if time_zone is None:
        return int(local.replace(fold=int(second)).timestamp())
    return local_instant(local, time_zone, second=second)


def _is_midnight(at: Instant, time_zone: str | None) -> bool:
    if time_zone is None:
        return f"{_local(at, None):%H%M%S}" == "000000"
    return local_midnight(local_day(at, time_zone), time_zone) == at
