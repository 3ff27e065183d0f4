"""Numbers, dates, durations, names and accounts in the words of one language. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from babel.dates import format_date, format_skeleton, get_day_names
from babel.numbers import format_decimal

from api.locale.date_phrases import day_words
from api.locale.translations import FALLBACK, LOCALES, translations
from api.report.pages.vocabulary import ACTS, WORDS
from api.report.schemas import FigureRead, Language, ReportedListRead, ReportRead, SpanRead
from dnsfilter.policy.calendar import DAY_NAMES, last_day, local_day, parse_instant
from dnsfilter.policy.instants import is_midnight, local_time
from dnsfilter.policy.intervals import Interval, union
from dnsfilter.policy.model import DAY_S, Instant

DOMAIN = "reports"
INSTALLATION_ACCOUNT = 0
_DAY = re.compile("|".join(DAY_NAMES))


@dataclass(frozen=True)
class Words:
    """The words of a report in a language."""

    made: ReportRead
    language: Language

    def text(self, english: str, **values: str | int) -> str:
        """Return a text of the report, with `{…}` filled in if there are values."""
        said = translations(self.language, DOMAIN).gettext(english)
        return said.format(**values) if values else said

    def word(self, word: str) -> str:
        """Return a word of the policy, or an act; unknown ones as they are."""
        english = WORDS.get(word) or ACTS.get(word)
        return word if english is None else self.text(english)

    def words(self, texts: Iterable[str]) -> str:
        """Return words of the policy as a list."""
        return ", ".join(map(self.word, texts))

    def integer(self, number: int) -> str:
        """Return a number with the separators of the language."""
        return format_decimal(number, locale=self._locale)

    def figure(self, figure: FigureRead) -> str:
        """Return a number of queries."""
        if figure.queries is not None:
            return self.integer(figure.queries)
        if figure.below is not None:
            return f"<{figure.below}"
        least = self.integer(figure.at_least or 0)
        return f"≥ {least}" if figure.at_most is None else f"{least}–{self.integer(figure.at_most)}"

    def day(self, day: str) -> str:
        """Return "1 October 2026" for a date."""
        return day_words(date.fromisoformat(day), self.language)

    def days(self, first: str, last: str) -> str:
        """Return the days of an interval, short."""
        one, other = self.short_day(first), self.short_day(last)
        return one if first == last else f"{one} – {other}"

    def short_day(self, day: str) -> str:
        """Return "01/10/2026", in the order of the language."""
        found = date.fromisoformat(day)
        return format_date(found, "dd.MM.yyyy" if self.language == "de" else "dd/MM/yyyy", locale=self._locale)

    def short_label(self, day: str) -> str:
        """Return "1 Oct", for a chart."""
        return format_skeleton("MMMd", date.fromisoformat(day), locale=self._locale)

    def short_month(self, day: str) -> str:
        """Return "Oct 2026", for a chart."""
        return format_skeleton("yMMM", date.fromisoformat(day), locale=self._locale)

    def at(self, timestamp: str | None) -> str:
        """Return "01/10/2026 09:00" in the authority's time zone."""
        if timestamp is None:
            return ""
        at = parse_instant(timestamp)
        day = self.short_day(local_day(at, self._zone).isoformat())
        return f"{day} {local_time(at, self._zone):%H:%M}"

    def start(self, timestamp: str) -> str:
        """Return a start: the day alone if it is a midnight."""
        at = parse_instant(timestamp)
        return (
            self.short_day(local_day(at, self._zone).isoformat()) if is_midnight(at, self._zone) else self.at(timestamp)
        )

    def end(self, timestamp: str | None) -> str:
        """Return an exclusive end: the last day if it is a midnight."""
        if timestamp is None:
            return self.text("without an end date")
        at = parse_instant(timestamp)
        if is_midnight(at, self._zone):
            return self.short_day(last_day(at, self._zone).isoformat())
        return self.at(timestamp)

    def length(self, spans: Iterable[Interval]) -> str:
        """Return how long spans last together. From a day on, a change of the clock does not count."""
        left = sum((self._length(start, end) for start, end in spans), timedelta())
        hours, rest = divmod(left.seconds, 3600)
        _ = self.text
        minutes = "< 1" if timedelta() < left < timedelta(minutes=1) else rest // 60
        if left.days:
            return _("{days} d {hours} h {minutes} min", days=self.integer(left.days), hours=hours, minutes=minutes)
        return (
            _("{hours} h {minutes} min", hours=hours, minutes=minutes) if hours else _("{minutes} min", minutes=minutes)
        )

    def spans(self, spans: Iterable[SpanRead]) -> str:
        """Return how long spans of a report last together. An instant in several of them counts once."""
        return self.length(union((parse_instant(one.start), parse_instant(one.end)) for one in spans))

    def authority(self, slug: str | None) -> str:
        """Return the name of an authority."""
        if slug is None:
            return self.text("all authorities")
        found = next((one for one in self.made.authorities if one.slug == slug), None)
        if found is None:
            return slug
        return found.names.get(self.language) or next(
            (found.names[tag] for tag in found.languages if tag in found.names), slug
        )

    def service(self, slug: str) -> str:
        """Return the name of a service, if the report has it."""
        return self._services.get(slug, slug)

    def list_named(self, reference: str | None) -> ReportedListRead | None:
        """Return a prohibited list that the report names."""
        return next((one for one in self.made.prohibited_lists if one.reference == reference), None)

    def listed(self, reference: str) -> str:
        """Return "Prohibited apps (Ghent)" for `ghent/prohibited-apps`: the title of the list, or else its slug."""
        slug, _, name = reference.partition("/")
        found = self.list_named(reference)
        return f"{(found.title if found is not None else '') or name} ({self.authority(slug)})"

    def ban(self, reference: str) -> str:
        """Return "TikTok (Ghent)" for `ghent/tiktok`."""
        slug, _, service = reference.partition("/")
        return f"{self.service(service)} ({self.authority(slug)})"

    def object(self, text: str) -> str:
        """Return the object of an act in words: "binding 2" for `binding/2`."""
        kind, _, name = text.partition("/")
        phrase = {
            "ban": self.text("ban on {name}"),
            "binding": self.text("binding {name}"),
            "exemption": self.text("exemption {name}"),
            "list": self.text("prohibited list {name}"),
            "node": self.text("node {name}"),
            "request": self.text("request {name}"),
            "suspension": self.text("suspension {name}"),
        }[kind]
        named = {"ban": self.ban, "list": self.listed}.get(kind)
        return phrase.format(name=name if named is None else named(name))

    def hours(self, text: str) -> str:
        """Return "Mon-Fri 09:00-12:00" with the names of days in the language."""
        names = get_day_names("abbreviated", locale=self._locale)
        return _DAY.sub(lambda found: str(names[DAY_NAMES.index(found[0])]), text).replace("-", "–")

    def account(self, number: int | None) -> str:
        """Return an account, with its name if the report has it."""
        if number is None:
            return ""
        if number == INSTALLATION_ACCOUNT:
            return self.text("the installation")
        name = self._names.get(number)
        if name is None:
            return self.text("account {number}", number=number)
        return self.text("{name} (account {number})", name=name, number=number)

    def _length(self, start: Instant, end: Instant) -> timedelta:
        if end - start < DAY_S:
            return timedelta(seconds=end - start)
        local = (local_time(at, self._zone).replace(tzinfo=None) for at in (end, start))
        return next(local) - next(local)

    @cached_property
    def _names(self) -> Mapping[int, str]:
        return {one.number: one.name for one in self.made.accounts}

    @cached_property
    def _services(self) -> Mapping[str, str]:
        made = self.made
        found = {one.service: one.service_name for one in (*made.left_out, *made.listed)}
        return found | {ban.service: ban.service_name for ban in made.bans}

    @property
    def _locale(self) -> str:
        return LOCALES[self.language]

    @property
    def _zone(self) -> str:
        return self.made.time_zone


def default_language(made: ReportRead) -> Language:
    """Return the first of the authority's languages that reports have, else English."""
    own = next(one.languages for one in made.authorities if one.slug == made.authority)
    known = set(Language)
    tags = (tag.partition("-")[0].lower() for tag in own)
    return Language(next((tag for tag in tags if tag in known), FALLBACK))
