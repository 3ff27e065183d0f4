"""Show instants in the authority's time zone, and an end at local midnight as the last day.

A time zone of None is the default zone. The API accepts every form that is printed here.
"""

from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from api.bans.schemas import TermRead
from dnsfilter.policy import instants
from dnsfilter.policy.calendar import parse_instant, zone
from dnsfilter.policy.instants import DEFAULT_ZONE, day_words, is_midnight, local_time
from dnsfilter.policy.model import Instant

End = TypeVar("End", bound=str | None, covariant=True)


def usable_zone(name: str) -> str:
    """Return `name` if this machine knows that time zone, else UTC. Every time shown names its zone."""
    try:
        zone(name)
    except ValueError:
        return "UTC"
    return name


def at_words(text: str, time_zone: str | None = None) -> str:
    """Return day and time: "25 November 2026 11:00:05 CET"."""
    return instants.at_words(parse_instant(text), time_zone or DEFAULT_ZONE)


def soon_words(text: str, now: str | None, time_zone: str | None) -> str:
    """Return a future instant. With `now` it also says today or tomorrow: "28 November 2026 09:00 CET (today)"."""
    words = _start(text, time_zone)
    if now is None:
        return words
    day, today = (_local(parse_instant(at), time_zone).date() for at in (text, now))
    suffixes = {today: " (today)", today + timedelta(days=1): " (tomorrow)"}
    return words + suffixes.get(day, "")


def start_words(text: str, time_zone: str | None) -> str:
    """Return a start: "from 1 October 2026", with the time unless it is a local midnight."""
    return f"from {_start(text, time_zone)}"


def end_words(text: str, time_zone: str | None) -> str:
    """Return an end: "through 30 September 2026" at a local midnight, else "until 1 October 2026 09:00 CEST"."""
    at = parse_instant(text)
    if is_midnight(at, time_zone or DEFAULT_ZONE):
        return f"through {day_words(_local(at - 1, time_zone))}"
    return f"until {_start(text, time_zone)}"


def period_words(start: str, end: str | None, time_zone: str | None) -> str:
    """Return start and end of a period."""
    reach = "without an end" if end is None else end_words(end, time_zone)
    return f"{start_words(start, time_zone)} {reach}"


class Ending(Protocol[End]):
    """Anything with a planned end, and an earlier one if an act ended it."""

    @property
    def end(self) -> End: ...

    @property
    def ended(self) -> str | None: ...


def effective_end(item: Ending[End]) -> End | str:
    """Return when it ends or ended, or None if it has no end."""
    return item.end if item.ended is None else item.ended


def reach_words(terms: list[TermRead], time_zone: str | None) -> str:
    """Return the latest end of a ban's terms for a list, or that there is none."""
    if not terms:
        return "no term"
    endless = next((term for term in terms if effective_end(term) is None), None)
    if endless is not None:
        return f"no end{_review(endless, time_zone)}"
    ends = [end for term in terms if (end := effective_end(term)) is not None]
    return end_words(max(ends, key=parse_instant), time_zone)


def term_words(term: TermRead, time_zone: str | None) -> str:
    """Return a term with its review and its early end."""
    words = period_words(term.start, term.end, time_zone) + _review(term, time_zone)
    if term.ended is None:
        return words
    return f"{words}; ended early, {end_words(term.ended, time_zone)}: {term.ended_reason}"


def _review(term: TermRead, time_zone: str | None) -> str:
    return "" if term.review_by is None else f", review by {_start(term.review_by, time_zone)}"


def _start(text: str, time_zone: str | None) -> str:
    at = parse_instant(text)
    local = _local(at, time_zone)
    if is_midnight(at, time_zone or DEFAULT_ZONE):
        return day_words(local)
    return f"{day_words(local)} {_clock_words(local)}"


def _clock_words(local: datetime) -> str:
    seconds = f":{local:%S}" if local.second else ""
    return f"{local:%H:%M}{seconds} {local.tzname()}"


def _local(at: Instant, time_zone: str | None) -> datetime:
    return local_time(at, time_zone or DEFAULT_ZONE)
