"""Instants in words, in four languages: in a time zone, and a midnight's end as the last whole day. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from dnsfilter.policy.calendar import last_day, local_day
from dnsfilter.policy.instants import MONTHS, is_midnight, local_time
from dnsfilter.policy.model import Instant

_DUTCH = (
    "januari", "februari", "maart", "april", "mei", "juni",
    "juli", "augustus", "september", "oktober", "november", "december",
)  # fmt: skip
_FRENCH = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip
_GERMAN = (
    "Januar", "Februar", "März", "April", "Mai", "Juni",
    "Juli", "August", "September", "Oktober", "November", "Dezember",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Words:
    """How a language says a day, a day with a time, a last day and an end. `first` is what follows a month's 1."""

    months: tuple[str, ...]
    day: str
    timed: str
    on: str
    through: str
    until: str
    first: str = ""


_WORDS: Mapping[str, _Words] = {
    "nl": _Words(_DUTCH, "{day} {month} {year}", "{date} om {time}", "op {}", "tot en met {}", "tot {}"),
    "fr": _Words(
        _FRENCH, "{day} {month} {year}", "{date} à {time}", "le {}", "jusqu'au {} inclus", "jusqu'au {}", "er"
    ),
    "de": _Words(_GERMAN, "{day}. {month} {year}", "{date} um {time}", "am {}", "bis einschließlich {}", "bis zum {}"),
    "en": _Words(MONTHS, "{day} {month} {year}", "{date} at {time}", "on {}", "through {}", "until {}"),
}


def at_words(at: Instant, time_zone: str, language: str) -> str:
    """When something happens: "on 1 October 2026", with the time unless that is a local midnight."""
    return _WORDS[language].on.format(_moment(at, time_zone, language))


def end_words(end: Instant, time_zone: str, language: str) -> str:
    """An exclusive end: "through 30 September 2026" at a local midnight, else "until 1 October 2026 at 09:00 CEST"."""
    words = _WORDS[language]
    if is_midnight(end, time_zone):
        return words.through.format(_day(last_day(end, time_zone), words))
    return words.until.format(_moment(end, time_zone, language))


def _moment(at: Instant, time_zone: str, language: str) -> str:
    words = _WORDS[language]
    day = _day(local_day(at, time_zone), words)
    if is_midnight(at, time_zone):
        return day
    return words.timed.format(date=day, time=f"{local_time(at, time_zone):%H:%M %Z}")


def _day(day: date, words: _Words) -> str:
    number = f"{day.day}{words.first if day.day == 1 else ''}"
    return words.day.format(day=number, month=words.months[day.month - 1], year=day.year)
