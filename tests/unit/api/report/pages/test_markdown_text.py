"""The Markdown of a report: tables, and texts that stay texts."""

import re

import pytest

from api.report.pages.markdown_text import markdown_text
from api.report.schemas import Language, ReportRead

pytestmark = pytest.mark.heavy


def test_a_table_has_a_row_of_separators_and_as_many_cells_in_each_row(ghent: ReportRead) -> None:
    for block in markdown_text(ghent, Language.ENGLISH).split("\n\n"):
        lines = block.splitlines()
        if lines[0].startswith("| "):
            assert re.fullmatch(r"\|(---:?\|)+", lines[1])
            cells = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
            assert len(set(cells)) == 1


def test_texts_of_acts_stay_texts(ghent: ReportRead) -> None:
    text = markdown_text(ghent, Language.ENGLISH)
    expected = r'Gentse Feesten: \<b\>promotie\</b\> \| \[veilig\](https://elsewhere.example) \& "kort" \`nu\`'
    assert text.count(expected) == 2
    assert "<b>" not in text


def test_every_section_of_the_page_is_a_heading(ghent: ReportRead, brussels: ReportRead) -> None:
    headings = re.findall(r"^(#+) (.*)$", markdown_text(ghent, Language.ENGLISH), re.MULTILINE)
    assert [title for level, title in headings if level == "##"] == [
        "Summary",
        "Formal decision",
        "Terms",
        "Modes and times in force",
        "Queries over time",
        "Bindings to other authorities",
        "Exemptions",
        "Lists of names",
        "Acts",
        "Suspensions",
        "Attempts to bypass the resolver",
        "Source",
    ]
    study = re.findall(r"^## (.*)$", markdown_text(brussels, Language.ENGLISH), re.MULTILINE)
    assert [one for one in study if one in ("Facebook", "instagram")] == ["Facebook", "instagram"]


def test_a_report_names_its_revision_and_the_hash_of_its_last_entry(ghent: ReportRead) -> None:
    text = markdown_text(ghent, Language.ENGLISH)
    assert f"- Revision: {ghent.record.revision}\n- Last entry of the audit log: {ghent.record.seq}\n" in text
    assert f"- Hash of this entry: {ghent.record.hash}\n" in text
