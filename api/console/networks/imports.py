"""Import a table of networks: check it, correct the rows that are wrong, then import all of it or nothing."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Response

from api.console.frame.calls import File, Refused, calls, one_text, read
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, OwnForm, Visit, Visiting
from api.console.networks.choices import sites
from api.console.networks.ranges import PATH
from api.errors import Fault
from api.range_import.csv_table import COLUMNS, LINE, MEDIA_TYPE, csv_lines, line_of
from api.ranges.schemas import ImportRead
from dnsfilter.policy.model import DEFAULT_SITE

router = pages()
MAX_SHOWN = 200
"""Rows of a table that a page shows. More are counted."""


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row of the table: the line on which it begins, its cells, and what is wrong with it, or an empty text."""

    line: int
    cells: Sequence[str]
    fault: str


@router.get("/networks/import")
@calls("list_sites")
async def table(visit: Visiting) -> Response:
    """Show the form that takes a table."""
    return await _page(visit, Form())


@router.post("/networks/import")
@calls("import_ranges", "list_sites")
async def take(visit: Visiting, form: OwnForm) -> Response:
    """Check a table, or import it."""
    rehearsing = form.text("do") != "import"
    text = "".join(form.texts("table"))
    query = {"site": form.text("site") or DEFAULT_SITE, "dry_run": rehearsing}
    try:
        answer = await visit.act("import_ranges", body=File(MEDIA_TYPE, text), query=query)
    except Refused as error:
        of_rows = [each for each in error.faults if each.location.startswith(LINE)]
        if not of_rows:
            return await _page(visit, form.refused(error), 422)
        wrong = Form(form.fields, [Fault("table", error.detail)])
        return await _page(visit, wrong, 422, rows=checked_rows(text, of_rows))
    if rehearsing:
        return await _page(visit, form, would=read(ImportRead, answer))
    return visit.done(PATH, "imported")


def checked_rows(text: str, faults: Sequence[Fault]) -> list[CheckedRow]:
    """Return the rows of a table, its heading first, each with its fault. Of a long table, return the faulty ones."""
    wrong = defaultdict[int, list[str]](list)
    for each in faults:
        wrong[line_of(each)].append(each.message)
    lines = csv_lines(text.removeprefix("\ufeff"))
    rows = [
        CheckedRow(line, [cells] if isinstance(cells, str) else cells, one_text(wrong.pop(line, [])))
        for line, cells in lines
    ]
    rows += [CheckedRow(line, [], one_text(messages)) for line, messages in wrong.items()]
    return rows if len(rows) <= MAX_SHOWN else [each for each in rows if each.fault][:MAX_SHOWN]


async def _page(
    visit: Visit,
    form: Form,
    status: int = 200,
    rows: Sequence[CheckedRow] = (),
    would: ImportRead | None = None,
) -> Response:
    return await visit.page(
        "networks/import.html.jinja",
        status=status,
        form=form,
        rows=rows,
        would=would,
        columns=COLUMNS,
        sites=await sites(visit),
    )
