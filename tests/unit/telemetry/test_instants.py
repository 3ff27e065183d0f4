"""Instants as people read them."""

from collections.abc import Callable
from datetime import UTC, date
from zoneinfo import ZoneInfo

from dnsfilter.telemetry.instants import at_words, day_words


def test_an_instant_is_told_by_the_clock_of_a_zone_or_of_this_machine(zone_here: Callable[[str], None]) -> None:
    at = 1_795_649_612
    assert at_words(at, UTC) == "25 November 2026 23:33:32 UTC"
    assert at_words(at, ZoneInfo("Europe/Brussels")) == "26 November 2026 00:33:32 CET"
    zone_here("America/New_York")
    assert at_words(at) == "25 November 2026 18:33:32 EST"
    zone_here("Asia/Tokyo")
    assert at_words(at) == "26 November 2026 08:33:32 JST"


def test_a_day_has_its_month_in_letters() -> None:
    assert day_words(date(2026, 5, 1)) == "1 May 2026"
