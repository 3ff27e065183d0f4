"""The Markdown of a report: tables, and texts that stay texts."""

import re

import pytest

from api.report.pages.markdown_text import markdown_text
from api.report.schemas import Language, ReportRead
from dnsfilter.policy.calendar import DAY_NAMES

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
        "Suspensions",
        "Attempts to bypass the resolver",
        "Source",
        "Annex: acts",
    ]
    study = re.findall(r"^## (.*)$", markdown_text(brussels, Language.ENGLISH), re.MULTILINE)
    assert [one for one in study if one in ("Facebook", "instagram")] == ["Facebook", "instagram"]


def test_a_report_names_its_revision_and_the_hash_of_its_last_entry(ghent: ReportRead) -> None:
    text = markdown_text(ghent, Language.ENGLISH)
    assert f"- Revision: {ghent.record.revision}\n- Last entry of the audit log: {ghent.record.seq}\n" in text
    assert f"- Hash of this entry: {ghent.record.hash}\n" in text


@pytest.mark.parametrize("language", [Language.DUTCH, Language.FRENCH, Language.GERMAN])
def test_a_translated_report_has_no_names_of_the_program_and_no_english_days(
    ghent: ReportRead, brussels: ReportRead, language: Language
) -> None:
    for made in (ghent, brussels):
        text = markdown_text(made, language)
        assert re.findall(r"\b(?:ban|binding|exemption|request|suspension|node)/\w+", text) == []
        assert re.findall(r"\bghent/|federal/", text) == []
        assert re.findall(rf"\b(?:{'|'.join(DAY_NAMES)})\b(?!\.)", text) == []


def test_the_first_page_has_one_conclusion_the_end_of_the_data_and_a_place_to_sign(ghent: ReportRead) -> None:
    first, _, rest = markdown_text(ghent, Language.DUTCH).partition("\n## Formeel besluit")
    (conclusion,) = re.findall(r"^\*\*(.*)\*\*$", first, re.MULTILINE)
    assert conclusion.startswith("Het verbod op TikTok was 185 d 0 u 0 min van kracht. Gedurende 8 u 45 min van de")
    assert "Gedurende 7 d 0 u 0 min mat het alleen: vragen" in conclusion
    assert "Geblokkeerde vragen tot en met 1 september 2027:" in conclusion
    assert "- Gegevens tot: 01/09/2027\n- Vragen geteld tot en met: 01/09/2027\n" in first
    assert re.findall(r"^- (Naam|Functie|Plaats en datum|Handtekening): (?:\\_)+$", first, re.MULTILINE) == [
        "Naam",
        "Functie",
        "Plaats en datum",
        "Handtekening",
    ]
    assert "Handelingen" not in first
    assert rest.rpartition("\n## ")[2].startswith("Bijlage: handelingen\n")
