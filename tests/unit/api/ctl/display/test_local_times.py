"""Instants in words: local, and an end at midnight as the last day."""

from collections.abc import Callable

import pytest

from api.bans.schemas import FormalRead, TermRead
from api.ctl.display.local_times import (
    at_words,
    end_words,
    period_words,
    reach_words,
    soon_words,
    start_words,
    term_words,
    usable_zone,
)

BRUSSELS = "Europe/Brussels"
NO_DECISION = FormalRead(organ="", reference="", date="", legal_basis="", advice="", link="", follows=None)


def _term(start: str, end: str | None, **changes: str | None) -> TermRead:
    fields = {
        "through": None,
        "review_by": None,
        "ended": None,
        "ended_reason": "",
        "ended_decision": None,
        "recorded": start,
    }
    return TermRead.model_validate({"start": start, "end": end, "decision": NO_DECISION, **fields, **changes})


@pytest.mark.parametrize(
    ("end", "zone", "words"),
    [
        ("2026-09-30T22:00:00Z", BRUSSELS, "through 30 September 2026"),
        ("2026-12-31T23:00:00Z", BRUSSELS, "through 31 December 2026"),
        ("2026-10-01T00:00:00+02:00", BRUSSELS, "through 30 September 2026"),
        ("2026-09-30T22:00:00Z", "UTC", "until 30 September 2026 22:00 UTC"),
        ("2026-09-30T22:00:01Z", BRUSSELS, "until 1 October 2026 00:00:01 CEST"),
        ("2026-10-25T23:00:00Z", BRUSSELS, "through 25 October 2026"),
        ("2026-10-25T22:00:00Z", BRUSSELS, "until 25 October 2026 23:00 CET"),
    ],
)
def test_an_end_at_a_local_midnight_is_the_last_day(end: str, zone: str, words: str) -> None:
    assert end_words(end, zone) == words


def test_starts_and_times_are_local() -> None:
    assert start_words("2026-03-31T22:00:00Z", BRUSSELS) == "from 1 April 2026"
    assert start_words("2026-03-31T22:30:00Z", BRUSSELS) == "from 1 April 2026 00:30 CEST"
    assert at_words("2026-11-25T10:00:05Z", BRUSSELS) == "25 November 2026 11:00:05 CET"
    assert period_words("2026-03-31T22:00:00Z", None, BRUSSELS) == "from 1 April 2026 without an end"


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ([], "no term"),
        ([_term("2026-03-31T22:00:00Z", "2026-09-30T22:00:00Z")], "through 30 September 2026"),
        (
            [
                _term("2026-09-30T22:00:00Z", "2027-03-31T22:00:00Z"),
                _term("2026-03-31T22:00:00Z", "2026-09-30T22:00:00Z"),
            ],
            "through 31 March 2027",
        ),
        (
            [_term("2026-03-31T22:00:00Z", None, review_by="2026-12-31T23:00:00Z")],
            "no end, review by 1 January 2027",
        ),
        (
            [_term("2026-03-31T22:00:00Z", None, ended="2026-05-01T10:00:00Z")],
            "until 1 May 2026 12:00 CEST",
        ),
    ],
)
def test_list_shows_the_latest_end_of_the_terms(terms: list[TermRead], words: str) -> None:
    assert reach_words(terms, BRUSSELS) == words


def test_term_ended_early_shows_both_ends_and_the_reason() -> None:
    ended = _term("2026-03-31T22:00:00Z", "2026-09-30T22:00:00Z", ended="2026-04-30T22:00:00Z", ended_reason="annulled")
    assert (
        term_words(ended, BRUSSELS)
        == "from 1 April 2026 through 30 September 2026; ended early, through 30 April 2026: annulled"
    )


@pytest.mark.parametrize(
    ("zone", "usable"), [(BRUSSELS, BRUSSELS), ("Mars/Olympus", "UTC"), ("../etc/passwd", "UTC"), ("", "UTC")]
)
def test_unknown_time_zone_becomes_utc(zone: str, usable: str) -> None:
    assert usable_zone(zone) == usable


def test_times_without_an_authority_are_in_the_default_zone(
    zone_here: Callable[[str], None],
) -> None:
    zone_here("Asia/Tokyo")
    assert at_words("2026-11-25T23:33:32Z") == "26 November 2026 00:33:32 CET"
    assert end_words("2026-09-30T22:00:00Z", None) == "through 30 September 2026"
    assert end_words("2026-09-30T22:00:01Z", None) == "until 1 October 2026 00:00:01 CEST"


def test_future_instant_says_today_or_tomorrow_only_with_now() -> None:
    now = "2026-09-21T21:00:00Z"
    assert soon_words("2026-09-21T21:30:00Z", now, BRUSSELS) == "21 September 2026 23:30 CEST (today)"
    assert soon_words("2026-09-21T22:30:00Z", now, BRUSSELS) == "22 September 2026 00:30 CEST (tomorrow)"
    assert soon_words("2026-09-23T22:30:00Z", now, BRUSSELS) == "24 September 2026 00:30 CEST"
    assert soon_words("2026-09-21T21:30:00Z", None, BRUSSELS) == "21 September 2026 23:30 CEST"
