"""Texts, dates and numbers of a page in its language. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Literal

from babel.dates import format_skeleton, format_timedelta, get_day_names
from babel.numbers import format_decimal

from api.locale.date_phrases import day_words
from api.locale.translations import LOCALES, translations
from api.report.pages.vocabulary import ACTS, FAMILIES, WORDS
from api.report.pages.words import DOMAIN as REPORTS
from api.usage.release import Figure
from dnsfilter.policy.calendar import last_day, local_day, parse_instant
from dnsfilter.policy.instants import is_midnight, local_time
from dnsfilter.policy.model import Instant
from dnsfilter.translatable import EnglishDay, Text

DOMAIN = "console"


def N_(english: str) -> str:
    """Mark a text that a template translates, and return it as it is."""
    return english


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a language. Instants are texts of the API (RFC 3339); each is shown in a time zone."""

    language: str

    def translate(self, english: str, **values: object) -> str:
        """Return a text of the console, with `{…}` filled in."""
        said = translations(self.language, DOMAIN).gettext(english)
        return said.format(**values) if values else said

    def said(self, text: str) -> str:
        """Return a text of the API in the language, if it has a template. Return other texts as they are."""
        if not isinstance(text, Text):
            return text
        values = {name: self._value(value) for name, value in text.values.items()}
        return self.translate(text.template, **values)

    def _value(self, value: object) -> object:
        match value:
            case Text():
                return self.said(value)
            case EnglishDay(day=day) | (date() as day):
                return day_words(day, self.language)
            case StrEnum():
                word = self.policy(value.value)
                return word if word != value.value else self.translate(word.replace("_", " "))
        return value

    def count(self, one: str, many: str, number: int, **values: object) -> str:
        """Return a text with a number, which replaces `{n}`, in singular or plural, with the other `{…}` filled in."""
        said = translations(self.language, DOMAIN).ngettext(one, many, number)
        return said.format(n=self.number(number), **values)

    def policy(self, word: str) -> str:
        """Return a word of the policy, as reports have it. Unknown ones are returned as they are."""
        return translations(self.language, REPORTS).gettext(WORDS.get(word) or word)

    def act(self, name: str) -> str:
        """Return what an act has done, or what a family of acts is about. Unknown ones are returned as they are."""
        return translations(self.language, REPORTS).gettext(ACTS.get(name) or FAMILIES.get(name) or name)

    def number(self, number: int) -> str:
        """Return a number with the separators of the language."""
        return str(format_decimal(number, locale=self._locale))

    def name(self, names: Mapping[str, str]) -> str:
        """Return the name of an authority in the language, or else its first name."""
        return names.get(self.language) or next(iter(names.values()))

    def day(self, instant: str, zone: str) -> str:
        """Return the day of an instant: "1 October 2026"."""
        return day_words(local_day(parse_instant(instant), zone), self.language)

    def date(self, day: str) -> str:
        """Return a date of the API (RFC 3339 full-date): "1 October 2026"."""
        return day_words(date.fromisoformat(day), self.language)

    def at(self, instant: str, zone: str) -> str:
        """Return an instant: "1 October 2026, 14:05", or the day alone at midnight."""
        at = parse_instant(instant)
        if is_midnight(at, zone):
            return self.day(instant, zone)
        return f"{self.day(instant, zone)}, {local_time(at, zone):%H:%M}"

    def through(self, end: str, zone: str) -> str:
        """Return the last day of a period that ends at a midnight, or its end with the time."""
        at = parse_instant(end)
        return day_words(last_day(at, zone), self.language) if is_midnight(at, zone) else self.at(end, zone)

    def figure(self, figure: Figure) -> str:
        """Return a number of queries: "1,200", "<5", "8–11" or "≥ 8"."""
        if figure.queries is not None:
            return self.number(figure.queries)
        if figure.below is not None:
            return f"<{figure.below}"
        least = self.number(figure.at_least or 0)
        return f"≥ {least}" if figure.at_most is None else f"{least}–{self.number(figure.at_most)}"

    def short_day(self, day: str) -> str:
        """Return a date of the API as "1 Oct", for a chart."""
        return str(format_skeleton("MMMd", date.fromisoformat(day), locale=self._locale))

    def length(self, seconds: int) -> str:
        """Return a length of time in its largest unit: "3 hours"."""
        return str(format_timedelta(timedelta(seconds=seconds), locale=self._locale))

    def minutes_until(self, end: str, now: Instant) -> int:
        """Return the minutes from `now` until an instant, with one that has begun."""
        return max(1, -((now - parse_instant(end)) // 60))

    def weekdays(self, width: Literal["wide", "abbreviated"] = "wide") -> Sequence[str]:
        """Return the names of the days of a week, from Monday on."""
        names = get_day_names(width, "stand-alone", locale=self._locale)
        return [names[day] for day in range(7)]

    @property
    def _locale(self) -> str:
        return LOCALES[self.language]
