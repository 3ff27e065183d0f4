"""Numbers, dates and durations of reports."""

import pytest

from api.report.pages.words import Words
from api.report.schemas import (
    CountsRead,
    FigureRead,
    Interval,
    Language,
    NamedAccountRead,
    NamedAuthorityRead,
    RecordRead,
    ReportKind,
    ReportRead,
)
from api.usage.state import RESULTS
from dnsfilter.policy.calendar import parse_instant
from dnsfilter.policy.model import Usage

MADE = ReportRead(
    kind=ReportKind.BAN,
    authority="ghent",
    time_zone="Europe/Brussels",
    first="2026-03-01",
    last="2026-09-01",
    start="2026-02-28T23:00:00Z",
    end="2026-09-01T22:00:00Z",
    until="2026-09-01T22:00:00Z",
    counted_through="2026-09-01",
    interval=Interval.WEEK,
    record=RecordRead(installation="", revision=1, seq=1, hash="", time=None),
    authorities=[NamedAuthorityRead(slug="ghent", names={"nl": "Stad Gent", "fr": "Ville de Gand"}, languages=["nl"])],
    accounts=[NamedAccountRead(number=8, name="ict-ghent")],
    usage=Usage.AUTHORITY,
    prohibited_list=None,
    category=None,
    prohibited_lists=[],
    listed=[],
    left_out=[],
    list_acts=[],
    total=CountsRead(**{result: FigureRead(queries=0) for result in RESULTS}),
    bans=[],
    suspensions=[],
    range_acts=[],
    bypass=[],
    bypass_total={},
)


def words(language: str) -> Words:
    return Words(MADE, Language(language))


@pytest.mark.parametrize(
    ("language", "number", "day", "short", "label"),
    [
        ("nl", "12.345", "1 oktober 2026", "01/10/2026", "1 okt"),
        ("fr", "12\u202f345", "1er octobre 2026", "01/10/2026", "1 oct."),
        ("de", "12.345", "1. Oktober 2026", "01.10.2026", "1. Okt."),
        ("en", "12,345", "1 October 2026", "01/10/2026", "1 Oct"),
    ],
)
def test_numbers_and_dates_have_the_form_of_the_language(
    language: str, number: str, day: str, short: str, label: str
) -> None:
    found = words(language)
    assert (found.integer(12_345), found.day("2026-10-01")) == (number, day)
    assert (found.short_day("2026-10-01"), found.short_label("2026-10-01")) == (short, label)


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (FigureRead(queries=0), "0"),
        (FigureRead(queries=None, below=5), "<5"),
        (FigureRead(queries=None, at_least=1_234), "≥ 1,234"),
        (FigureRead(queries=None, at_least=1_234, at_most=1_237), "1,234–1,237"),
    ],
)
def test_a_number_that_is_not_shown_says_so(figure: FigureRead, expected: str) -> None:
    assert words("en").figure(figure) == expected


def test_a_start_and_an_end_at_midnight_are_days() -> None:
    found = words("nl")
    assert (found.start("2026-02-28T23:00:00Z"), found.end("2026-09-30T22:00:00Z")) == ("01/03/2026", "30/09/2026")
    assert (found.start("2026-03-01T08:30:00Z"), found.end("2026-09-30T10:00:00Z")) == (
        "01/03/2026 09:30",
        "30/09/2026 12:00",
    )
    assert found.end(None) == "zonder einddatum"


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([("2026-02-28T23:00:00Z", "2026-09-01T22:00:00Z")], "185 d 0 h 0 min"),
        ([("2026-03-28T23:00:00Z", "2026-03-29T03:30:00Z")], "4 h 30 min"),
        ([("2026-06-01T00:00:00Z", "2026-06-01T08:00:00Z"), ("2026-06-02T00:00:00Z", "2026-06-03T16:30:00Z")],
         "2 d 0 h 30 min"),
        ([], "0 min"),
    ],
)  # fmt: skip
def test_a_change_of_the_clock_adds_no_hour_to_days(spans: list[tuple[str, str]], expected: str) -> None:
    assert words("en").length((parse_instant(start), parse_instant(end)) for start, end in spans) == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("nl", ["1 d 0 u 5 min", "8 u 0 min", "30 min", "< 1 min"]),
        ("fr", ["1 j 0 h 5 min", "8 h 0 min", "30 min", "< 1 min"]),
        ("de", ["1 T 0 Std. 5 Min.", "8 Std. 0 Min.", "30 Min.", "< 1 Min."]),
        ("en", ["1 d 0 h 5 min", "8 h 0 min", "30 min", "< 1 min"]),
    ],
)
def test_a_duration_has_no_zero_units_at_its_start(language: str, expected: list[str]) -> None:
    seconds = (86_400 + 300, 8 * 3600, 1800, 40)
    assert [words(language).length([(0, each)]) for each in seconds] == expected


def test_an_authority_has_the_name_in_the_language_or_in_its_own() -> None:
    assert [words(language).authority("ghent") for language in ("nl", "fr", "de")] == [
        "Stad Gent",
        "Ville de Gand",
        "Stad Gent",
    ]
    assert (words("nl").authority("unknown"), words("nl").authority(None)) == ("unknown", "alle overheden")


def test_an_account_without_a_name_is_a_number() -> None:
    assert words("fr").account(8) == "ict-ghent (compte 8)"
    assert (words("fr").account(7), words("fr").account(0), words("fr").account(None)) == (
        "compte 7",
        "l'installation",
        "",
    )


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("nl", "ma–vr 09:00–12:00"),
        ("fr", "lun.–ven. 09:00–12:00"),
        ("de", "Mo.–Fr. 09:00–12:00"),
        ("en", "Mon–Fri 09:00–12:00"),
    ],
)
def test_weekly_hours_have_the_days_of_the_language(language: str, expected: str) -> None:
    assert words(language).hours("Mon-Fri 09:00-12:00") == expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("nl", "ban/ghent/tiktok", "verbod op tiktok (Stad Gent)"),
        ("fr", "ban/ghent/tiktok", "interdiction visant tiktok (Ville de Gand)"),
        ("de", "exemption/3", "Ausnahme 3"),
        ("nl", "binding/2", "gelding 2"),
        ("fr", "request/5", "demande 5"),
        ("nl", "suspension/1", "opschorting 1"),
        ("fr", "node/office-1", "nœud office-1"),
    ],
)
def test_the_object_of_an_act_is_in_words(language: str, text: str, expected: str) -> None:
    assert words(language).object(text) == expected
