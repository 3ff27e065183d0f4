"""Format instants in words, in a language and a time zone. An end at midnight is shown as the day before. Pure."""

from datetime import date
from functools import lru_cache

from babel.dates import format_date

from api.locale.translations import LOCALES, translations
from dnsfilter.policy.calendar import last_day, local_day
from dnsfilter.policy.instants import is_midnight, local_time
from dnsfilter.policy.model import Instant


def at_words(at: Instant, time_zone: str, language: str) -> str:
    """Return "on 1 October 2026", with the time unless that is a local midnight."""
    _ = translations(language).gettext
    return _("on {date}").format(date=date_words(at, time_zone, language))


def start_words(start: Instant, time_zone: str, language: str) -> str:
    """Return "from 1 October 2026", with the time unless that is a local midnight."""
    _ = translations(language).gettext
    return _("from {date}").format(date=date_words(start, time_zone, language))


def end_words(end: Instant, time_zone: str, language: str) -> str:
    """Format an exclusive end.

    Return "through 30 September 2026" at a local midnight, else "until 1 October 2026 at 09:00 CEST".
    """
    _ = translations(language).gettext
    if is_midnight(end, time_zone):
        return _("through {date}").format(date=day_words(last_day(end, time_zone), language))
    return _("until {date}").format(date=date_words(end, time_zone, language))


def date_words(at: Instant, time_zone: str, language: str) -> str:
    """Return "1 October 2026", with the time unless that is a local midnight."""
    day = day_words(local_day(at, time_zone), language)
    if is_midnight(at, time_zone):
        return day
    _ = translations(language).gettext
    return _("{date} at {time}").format(date=day, time=f"{local_time(at, time_zone):%H:%M %Z}")


@lru_cache(1000)
def day_words(day: date, language: str) -> str:
    """Return "1 October 2026"."""
    words = format_date(day, "long", locale=LOCALES[language])
    # The CLDR data for French lacks the ordinal that the first of a month needs.
    return words.replace("1 ", "1er ", 1) if language == "fr" and day.day == 1 else words
