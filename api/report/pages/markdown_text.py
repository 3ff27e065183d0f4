"""Write a report as Markdown. Pure. Texts from the database are escaped: none of them can make a heading or a link."""

import re
from collections.abc import Iterator, Sequence
from typing import assert_never

from api.report.pages.content import Chart, Conclusion, Facts, Section, Signature, Table
from api.report.pages.report_sections import content_of
from api.report.schemas import Language, ReportRead

LINE = r"\_" * 30
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&!$])")


def markdown_text(made: ReportRead, language: Language) -> str:
    """Return a report as Markdown with tables. It has no charts: the tables have their numbers."""
    content = content_of(made, language)
    lines = [f"# {_escape(content.title)}", "", _escape(content.subtitle)]
    for section in content.sections:
        lines += ["", *_section(section)]
    return "\n".join(lines) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield f"{'#' * section.level} {_escape(section.title)}"
    for part in section.parts:
        match part:
            case str():
                yield from ("", _escape(part))
            case Facts():
                yield ""
                if part.caption:
                    yield from (f"**{_escape(part.caption)}**", "")
                yield from (f"- {_escape(name)}: {_escape(value)}" for name, value in part.rows)
            case Table():
                yield from ("", *_table(part, section.title))
            case Chart():
                continue
            case Conclusion():
                yield from ("", f"**{_escape(part.text)}**")
            case Signature():
                yield ""
                yield from (f"- {_escape(name)}: {LINE}" for name in part.lines)
            case _:
                assert_never(part)


def _table(table: Table, title: str) -> Iterator[str]:
    if table.caption != title:
        yield from (f"**{_escape(table.caption)}**", "")
    yield _row(table.columns)
    yield f"|{'|'.join('---:' if place in table.numeric else '---' for place in range(len(table.columns)))}|"
    yield from map(_row, table.rows)
    if table.total is not None:
        yield _row(table.total)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escape, cells))} |"


def _escape(text: str) -> str:
    """Return a text as one line without a meaning in Markdown."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
