"""Shapes of charts."""

import pytest

from api.report.pages.charts import NAMES_WIDTH, RIGHT, WIDTH, Band, Caption, Series, bars, times
from api.report.pages.content import Chart, Shape

CAPTION = Caption("one", "Queries of a service", "A bar")


def rectangles(chart: Chart) -> list[Shape]:
    """Return the bars, without those of the legend."""
    return [shape for shape in chart.shapes if shape.tip]


def test_a_bar_is_as_high_as_its_number_and_stands_on_the_one_before() -> None:
    series = [Series("refused", [40, 0], ["40", "0"]), Series("monitored", [20, 80], ["20", "80–83"])]
    chart = bars(CAPTION, ["Monday", "Tuesday"], series, str)
    first, second, third = rectangles(chart)
    assert [one.tip for one in (first, second, third)] == [
        "Monday: refused 40",
        "Monday: monitored 20",
        "Tuesday: monitored 80–83",
    ]
    heights = [float(one.attributes["height"]) for one in (first, second, third)]
    assert heights == [75.0, 37.5, 150.0]
    assert float(second.attributes["y"]) + heights[1] == float(first.attributes["y"])


def test_a_number_that_is_not_shown_is_a_small_bar_without_its_number() -> None:
    chart = bars(CAPTION, ["Monday"], [Series("refused", [None], ["<5"])], str)
    (bar,) = rectangles(chart)
    assert bar.tip == "Monday: refused <5"


@pytest.mark.parametrize(("most", "top"), [(0, "10"), (10, "10"), (11, "12"), (81, "100"), (1_390, "1600")])
def test_the_scale_ends_with_a_round_number(most: int, top: str) -> None:
    chart = bars(CAPTION, ["Monday"], [Series("refused", [most], [str(most)])], str)
    assert top in [text.text for text in chart.shapes]


def test_a_chart_without_intervals_is_empty() -> None:
    assert rectangles(bars(CAPTION, [], [Series("refused", [], [])], str)) == []


def test_a_short_time_stays_visible_inside_the_chart() -> None:
    band = Band("Mode", [(0.0, 0.5, 0, "enforce"), (0.9999, 1.0, 2, "off")])
    chart = times(CAPTION, [band], [(0.0, "1 Mar"), (1.0, "1 Sep")], ["enforce", "monitor", "off"])
    first, last = rectangles(chart)
    assert first.attributes["class"] == "full"
    assert float(last.attributes["width"]) >= 1.5
    assert float(last.attributes["x"]) + float(last.attributes["width"]) <= WIDTH


def test_rows_of_times_end_where_the_data_ends() -> None:
    chart = times(CAPTION, [Band("Mode", [])], [], [], reach=0.5)
    (ground,) = [one for one in chart.shapes if one.attributes.get("class") == "ground"]
    assert float(ground.attributes["width"]) * 2 == WIDTH - NAMES_WIDTH - RIGHT
