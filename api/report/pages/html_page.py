"""Write a report as one HTML page: no script, and nothing from elsewhere. Pure. Every text is escaped."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import assert_never

from api.report.pages.charts import DEFINITIONS
from api.report.pages.content import Chart, Conclusion, Content, Facts, Section, Signature, Table
from api.report.pages.report_sections import content_of
from api.report.schemas import Language, ReportRead

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

SHORT = 16
"""The most characters of a cell without a line break: a date with its time has as many."""

LONG_WORD = 30
"""The most characters of a word that does not break."""

STYLE = """
@page { size: A4; margin: 18mm 16mm 20mm;
  @bottom-right { content: counter(page) " / " counter(pages); font: 8pt sans-serif; } }
body { font: 11pt/1.45 "DejaVu Sans", "Liberation Sans", Arial, sans-serif; color: #1b1b1b; background: #fff;
  margin: 0 auto; padding: 1.5rem; max-width: 54rem; }
h1 { font-size: 20pt; line-height: 1.2; margin: 0 0 .2em; }
header p { font-size: 12pt; margin: 0 0 1.5em; color: #444; }
h2 { font-size: 14pt; margin: 1.8em 0 .5em; padding-bottom: .15em; border-bottom: 1pt solid #12508c; }
h3 { font-size: 12pt; margin: 1.4em 0 .4em; }
p { margin: .6em 0; max-width: 46rem; }
table { border-collapse: collapse; width: 100%; margin: .8em 0 1.2em; font-size: 9pt; }
caption { text-align: left; padding: 0 0 .3em; } caption, p.caption { font-weight: bold; }
caption.repeated { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { text-align: left; vertical-align: top; padding: .28em .6em .28em 0; border-bottom: .5pt solid #bbb; }
thead th { border-bottom: 1pt solid #444; }
tbody .short { white-space: nowrap; } tbody .long { overflow-wrap: anywhere; }
tbody th { font-weight: normal; }
tfoot th, tfoot td { border-top: 1pt solid #444; border-bottom: 0; font-weight: bold; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
dl { display: grid; grid-template-columns: 14rem 1fr; gap: .25em 1em; margin: .8em 0; }
dt { font-weight: bold; } dd { margin: 0; overflow-wrap: anywhere; }
p.conclusion { font-size: 1.15em; border-left: 3pt solid #12508c; padding-left: .8em; margin: .8em 0 1.2em; }
dl.signature { grid-template-columns: 14rem 20rem; margin-top: 2.5em; row-gap: 1.2em; break-inside: avoid; }
dl.signature dd { border-bottom: .5pt solid #444; } dl.signature dd:last-child { height: 3.5em; }
svg { display: block; width: 100%; height: auto; margin: .6em 0; font: 10px "DejaVu Sans", Arial, sans-serif; }
svg.definitions { position: absolute; }
svg text { fill: #1b1b1b; }
.full { fill: #12508c; stroke: #12508c; } .lines { fill: url(#lines); stroke: #12508c; }
.empty { fill: #fff; stroke: #12508c; } .dots { fill: url(#dots); stroke: #12508c; } .ground { fill: #eee; }
.grid { stroke: #ccc; } .tick { stroke: #777; }
@media print {
  body { font-size: 9.5pt; padding: 0; max-width: none; }
  .page { break-before: page; margin-top: 0; }
  h2, h3, caption, thead { break-after: avoid; } tr, svg, dl { break-inside: avoid; }
  thead { display: table-header-group; } tbody tr:first-child { break-before: avoid; }
  tfoot { display: table-row-group; }
  table { font-size: 8pt; }
}
"""


def html_page(made: ReportRead, language: Language) -> str:
    """Return a report as a page that prints on A4."""
    content = content_of(made, language)
    return "".join(_page(content))


def _page(content: Content) -> Iterator[str]:
    title = escape(content.title)
    yield f'<!doctype html>\n<html lang="{escape(content.language)}">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{escape(CONTENT_SECURITY_POLICY)}">\n'
    yield '<meta name="viewport" content="width=device-width">\n'
    yield f"<title>{title} – {escape(content.subtitle)}</title>\n<style>{STYLE}</style>\n</head>\n"
    yield f"<body>\n{DEFINITIONS}\n"
    yield f"<header>\n<h1>{title}</h1>\n<p>{escape(content.subtitle)}</p>\n</header>\n<main>\n"
    for section in content.sections:
        yield from _section(section)
    yield "</main>\n</body>\n</html>\n"


def _section(section: Section) -> Iterator[str]:
    begins = ' class="page"' if section.begins_page else ""
    yield f"<h{section.level}{begins}>{escape(section.title)}</h{section.level}>\n"
    for part in section.parts:
        match part:
            case str():
                yield f"<p>{escape(part)}</p>\n"
            case Facts():
                if part.caption:
                    yield f'<p class="caption">{escape(part.caption)}</p>\n'
                rows = (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in part.rows)
                yield f"<dl>\n{''.join(rows)}</dl>\n"
            case Table():
                yield from _table(part, section.title)
            case Chart():
                yield f"{part.svg}\n"
            case Conclusion():
                yield f'<p class="conclusion">{escape(part.text)}</p>\n'
            case Signature():
                lines = (f"<dt>{escape(name)}</dt><dd></dd>\n" for name in part.lines)
                yield f'<dl class="signature">\n{"".join(lines)}</dl>\n'
            case _:
                assert_never(part)


def _table(table: Table, title: str) -> Iterator[str]:
    hidden = ' class="repeated"' if table.caption == title else ""
    yield f"<table>\n<caption{hidden}>{escape(table.caption)}</caption>\n<thead>\n"
    yield _row(table, table.columns, "th", ' scope="col"')
    yield "</thead>\n<tbody>\n"
    for row in table.rows:
        yield _row(table, row, "td")
    yield "</tbody>\n"
    if table.total is not None:
        yield f"<tfoot>\n{_row(table, table.total, 'td')}</tfoot>\n"
    yield "</table>\n"


def _width(text: str) -> str:
    """Return the class of a cell: a date does not break, and only a very long word breaks in its middle."""
    if len(text) <= SHORT:
        return "short"
    return "long" if max(map(len, text.split())) > LONG_WORD else "text"


def _row(table: Table, cells: Sequence[str], kind: str, attributes: str = "") -> str:
    """Return a row. The first cell of a row of data is its header."""
    parts = []
    for place, text in enumerate(cells):
        name, more = ("th", ' scope="row"') if kind == "td" and place == 0 else (kind, attributes)
        style = "number" if place in table.numeric else _width(text)
        parts.append(f'<{name}{more} class="{style}">{escape(text)}</{name}>')
    return f"<tr>{''.join(parts)}</tr>\n"
