"""The week of an exemption: as words, as a table, and as a chart with the same hours."""

import pytest

from api.console.exemptions.week_chart import hours_words, week_chart, week_rows
from api.console.frame.page_words import Words

ZONE = "Europe/Brussels"
HOURS = ("Mon-Fri 09:00-12:00", "Mon 13:00-24:00")


@pytest.mark.parametrize(
    ("language", "hours", "said"),
    [
        ("en", (), "at all hours"),
        ("en", HOURS, "Mon–Fri 09:00–12:00; Mon 13:00–24:00"),
        ("en", ("Mon,Wed 08:00-09:30",), "Mon, Wed 08:00–09:30"),
        ("en", ("Sat-Sun 08:00-09:00 UTC",), "Sat, Sun 08:00–09:00 UTC"),
        ("nl", ("Mon-Wed 08:00-09:00",), "ma–wo 08:00–09:00"),
    ],
)
def test_hours_are_said_in_the_language(language: str, hours: tuple[str, ...], said: str) -> None:
    assert hours_words(Words(language), hours, ZONE) == said


def test_the_table_has_each_day_with_its_hours() -> None:
    rows = dict(week_rows(Words("en"), HOURS, ZONE))
    assert next(iter(rows)) == "Monday"
    assert (rows["Monday"], rows["Friday"], rows["Sunday"]) == (
        "09:00–12:00, 13:00–24:00",
        "09:00–12:00",
        "not on this day",
    )


def test_the_chart_has_a_row_for_each_day_and_its_windows() -> None:
    shapes = week_chart(Words("en"), HOURS, ZONE).shapes
    assert sum(shape.attributes.get("class") == "ground" for shape in shapes) == 7
    tips = [shape.tip for shape in shapes if shape.tip]
    assert tips[:2] == ["Monday 09:00–12:00", "Monday 13:00–24:00"]
    assert len(tips) == 6
    always = week_chart(Words("en"), (), ZONE).shapes
    assert [shape.tip for shape in always if shape.tip][6] == "Sunday 00:00–24:00"
