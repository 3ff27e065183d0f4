"""Charts as SVG."""

import xml.etree.ElementTree as ET

import pytest

from api.report.pages.charts import NAMES_WIDTH, RIGHT, WIDTH, Band, Caption, Series, bars, times

SVG = Caption("one", "Queries <of> a service", "A bar & a table")


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)


def rectangles(chart: ET.Element) -> list[ET.Element]:
    """Return the bars, without those of the legend."""
    return [one for one in chart.iter("rect") if one.find("title") is not None]


def test_a_bar_is_as_high_as_its_number_and_stands_on_the_one_before() -> None:
    series = [Series("refused", [40, 0], ["40", "0"]), Series("monitored", [20, 80], ["20", "80–83"])]
    chart = parsed(bars(SVG, ["Monday", "Tuesday"], series, str))
    first, second, third = rectangles(chart)
    assert [one.findtext("title") for one in (first, second, third)] == [
        "Monday: refused 40",
        "Monday: monitored 20",
        "Tuesday: monitored 80–83",
    ]
    heights = [float(one.attrib["height"]) for one in (first, second, third)]
    assert heights == [75.0, 37.5, 150.0]
    assert float(second.attrib["y"]) + heights[1] == float(first.attrib["y"])


def test_a_number_that_is_not_shown_is_a_small_bar_without_its_number() -> None:
    chart = parsed(bars(SVG, ["Monday"], [Series("refused", [None], ["<5"])], str))
    (bar,) = rectangles(chart)
    assert bar.findtext("title") == "Monday: refused <5"


@pytest.mark.parametrize(("most", "top"), [(0, "10"), (10, "10"), (11, "12"), (81, "100"), (1_390, "1600")])
def test_the_scale_ends_with_a_round_number(most: int, top: str) -> None:
    chart = parsed(bars(SVG, ["Monday"], [Series("refused", [most], [str(most)])], str))
    assert top in [text.text for text in chart.iter("text")]


def test_texts_are_escaped_and_named_by_the_chart() -> None:
    chart = parsed(bars(SVG, ["<b>"], [Series('"&', [1], ["1"])], str))
    assert chart.findtext("title") == "Queries <of> a service"
    assert chart.findtext("desc") == "A bar & a table"
    assert chart.attrib["aria-labelledby"] == "one-title one-desc"


def test_a_chart_without_intervals_is_empty() -> None:
    assert rectangles(parsed(bars(SVG, [], [Series("refused", [], [])], str))) == []


def test_a_short_time_stays_visible_inside_the_chart() -> None:
    band = Band("Mode", [(0.0, 0.5, 0, "enforce"), (0.9999, 1.0, 2, "off")])
    chart = parsed(times(SVG, [band], [(0.0, "1 Mar"), (1.0, "1 Sep")], ["enforce", "monitor", "off"]))
    first, last = rectangles(chart)
    assert first.attrib["class"] == "full"
    assert float(last.attrib["width"]) >= 1.5
    assert float(last.attrib["x"]) + float(last.attrib["width"]) <= WIDTH


def test_rows_of_times_end_where_the_data_ends() -> None:
    chart = parsed(times(SVG, [Band("Mode", [])], [], [], reach=0.5))
    (ground,) = [one for one in chart.iter("rect") if one.attrib["class"] == "ground"]
    assert float(ground.attrib["width"]) * 2 == WIDTH - NAMES_WIDTH - RIGHT
