"""The page of a report: its structure, that it needs nothing from elsewhere, and that texts stay texts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from api.report.pages.html_page import html_page
from api.report.pages.words import Words
from api.report.schemas import Language, ReportRead
from tests.support.reported_authorities import ODD_REASON

pytestmark = pytest.mark.heavy
VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass
class Element:
    """An element with its attributes and its text."""

    name: str
    attributes: dict[str, str | None]
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def all(self, name: str) -> Iterator["Element"]:
        """Yield the elements of that name, or all for `*`."""
        for child in self.children:
            if name in (child.name, "*"):
                yield child
            yield from child.all(name)


class Reader(HTMLParser):
    """Read a page whose elements are all closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open = [Element("", {})]
        self.feed(page)
        self.close()
        assert [element.name for element in self.open] == [""], "each element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().name == tag

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data


def read(made: ReportRead, language: Language = Language.DUTCH) -> Element:
    return Reader(html_page(made, language)).open[0]


@pytest.fixture(params=["ghent", "brussels"])
def made(request: pytest.FixtureRequest) -> ReportRead:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, ReportRead)
    return found


@pytest.mark.parametrize("language", Language)
def test_a_page_is_in_its_language_with_one_title(made: ReportRead, language: Language) -> None:
    page = read(made, language)
    (html,) = page.all("html")
    (heading,) = page.all("h1")
    title = next(page.all("title"))
    assert html.attributes["lang"] == language
    assert title.text.startswith(heading.text)


def test_headings_never_skip_a_level(made: ReportRead) -> None:
    levels = [int(level) for level in re.findall(r"<h(\d)[ >]", html_page(made, Language.DUTCH))]
    assert levels[0] == 1
    assert all(following <= level + 1 for level, following in pairwise(levels))
    assert max(levels) == (3 if made.kind == "study" else 2)


def test_a_page_loads_nothing_and_runs_nothing(made: ReportRead) -> None:
    text = html_page(made, Language.DUTCH)
    page = read(made)
    for name in ("script", "link", "img", "iframe", "object", "embed", "base", "form", "a", "use", "image"):
        assert list(page.all(name)) == [], name
    attributes = {name for element in page.all("*") for name in element.attributes}
    assert not {name for name in attributes if name.startswith("on") or name in ("src", "href")}
    assert re.findall(r"url\(([^)]*)\)", text) == re.findall(r"url\((#\w+)\)", text)
    assert "@import" not in text
    (policy,) = [one for one in page.all("meta") if one.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert str(policy.attributes["content"]).startswith("default-src 'none'")


def test_every_chart_has_a_title_a_description_and_a_table_after_it(made: ReportRead) -> None:
    page = read(made)
    charts = [chart for chart in page.all("svg") if chart.attributes.get("role") == "img"]
    assert len(charts) == 2 * len(made.bans) + 1
    seen = set()
    for chart in charts:
        title, described = next(chart.all("title")), next(chart.all("desc"))
        assert title.text
        assert described.text
        names = str(chart.attributes["aria-labelledby"]).split()
        assert names == [title.attributes["id"], described.attributes["id"]]
        seen |= set(names)
    assert len(seen) == 2 * len(charts), "ids are unique"
    (main,) = page.all("main")
    names = [element.name for element in main.children]
    for index, element in enumerate(main.children):
        if element.name == "svg":
            section = names[index + 1 :]
            assert "table" in section[: section.index("h2") if "h2" in section else None]


def test_every_table_has_a_caption_and_headers_with_scopes(made: ReportRead) -> None:
    for table in read(made).all("table"):
        assert next(table.all("caption")).text
        (head,) = table.all("thead")
        columns = list(head.all("th"))
        assert {column.attributes["scope"] for column in columns} == {"col"}
        for body in (*table.all("tbody"), *table.all("tfoot")):
            for row in body.all("tr"):
                assert [cell.name for cell in row.children] == ["th", *["td"] * (len(columns) - 1)]
                assert row.children[0].attributes["scope"] == "row"


def test_texts_of_acts_stay_texts(ghent: ReportRead) -> None:
    page = read(ghent)
    assert list(page.all("b")) == []
    assert ODD_REASON in [cell.text for cell in page.all("td")]


def test_texts_of_charts_and_headings_stay_texts(ghent: ReportRead) -> None:
    name = '"Tik" & <b>Tok</b>'
    page = read(
        ghent.model_copy(update={"bans": [ban.model_copy(update={"service_name": name}) for ban in ghent.bans]})
    )
    assert list(page.all("b")) == []
    assert next(page.all("h1")).text.endswith(name)
    assert f"Vragen naar {name}" in " ".join(title.text for chart in page.all("svg") for title in chart.all("title"))


def test_the_numbers_of_the_chart_are_in_the_table(ghent: ReportRead) -> None:
    page = read(ghent, Language.ENGLISH)
    (table,) = [one for one in page.all("table") if next(one.all("caption")).text == "Queries by calendar week"]
    (body,) = table.all("tbody")
    rows = [[cell.text for cell in row.children] for row in body.all("tr")]
    for row, bucket in zip(rows, ghent.bans[0].buckets, strict=True):
        assert row[1] == Words(ghent, Language.ENGLISH).figure(bucket.refused)
    tips = [tip.text for chart in page.all("svg") for tip in chart.all("title")]
    for row in rows:
        if row[1] not in ("0", "<5"):
            assert any(tip.endswith(f"Refused {row[1]}") for tip in tips)
