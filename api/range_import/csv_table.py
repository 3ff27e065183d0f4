"""Parse a CSV table of ranges, as IPAM and DHCP servers export it, into rows and faults. Pure.

The first row names the columns, in any order; `site` and `label` are optional. Commas, semicolons or tabs separate the
cells.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from ipaddress import ip_network
from typing import TypeAlias, TypeVar

from api.errors import Fault
from api.http.prefixes import shown, why_no_prefix
from dnsfilter.policy.faults import prefix_fault
from dnsfilter.policy.fleets import by_hand_fault
from dnsfilter.policy.model import Audience, Funding, Prefix, Range
from dnsfilter.policy.text_faults import text_fault
from dnsfilter.translatable import Text, joined

MEDIA_TYPE = "text/csv"
MAX_ROWS = 100_000
MAX_BYTES = 16 * 1024 * 1024
MAX_LABEL = 200
NEEDED = ("prefix", "authority", "funding", "audience")
COLUMNS = ("site", *NEEDED, "label")

LINE, ITEM = "line ", "body.rows."
"""Prefixes of the location of a row: the line follows in a file, the index in a list."""
_PROGRESS_ROWS = 1_000
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_FUNDING = {str(word): word for word in Funding}
_AUDIENCE = {str(word): word for word in Audience}

Value = TypeVar("Value")
_Line: TypeAlias = tuple[int, list[str] | str]
"""The line on which a row begins, and its cells, or why they cannot be read."""


@dataclass(frozen=True, slots=True)
class Row:
    """A valid row: the line on which it begins, or its index in a list, and its range."""

    line: int
    value: Range


@dataclass(frozen=True, slots=True)
class Table:
    """The valid rows of a file in order, and a fault for each invalid row, with its line."""

    rows: tuple[Row, ...]
    faults: tuple[Fault, ...]
    where: str = LINE


def parse_table(text: str, site: str, reached: Callable[[int], None] | None = None) -> Table:
    """Return the table in `text`; rows without a site get `site`. Errors become faults: raise nothing.

    Call `reached` from time to time with the number of rows read.
    """
    text = text.removeprefix("\ufeff")
    lines = csv_lines(text)
    line, cells = next(lines, (1, Text("the file is empty")))
    header = [] if isinstance(cells, str) else [cell.strip().lower() for cell in cells]
    wrong = cells if isinstance(cells, str) else _header_fault(header)
    if wrong is not None:
        return Table(
            (),
            (
                fault(
                    line,
                    Text(
                        "{wrong}. The first row must name the columns {columns}.",
                        wrong=wrong,
                        columns=", ".join(COLUMNS),
                    ),
                ),
            ),
        )
    reading = _Reading(header, site)
    reading.read(lines, reached)
    return Table(tuple(reading.rows), tuple(reading.faults))


def read_rows(rows: Iterable[Mapping[str, str]], site: str) -> Table:
    """Return the table from rows that map columns to cells. Each row has the columns `NEEDED`."""
    reading = _Reading(COLUMNS, site, ITEM)
    for index, cells in enumerate(rows):
        reading.take(index, cells)
    return Table(tuple(reading.rows), tuple(reading.faults), ITEM)


def fault(line: int, message: str, where: str = LINE) -> Fault:
    """Return a fault of the row that begins on a line or has an index."""
    return Fault(f"{where}{line}", message)


def line_of(found: Fault) -> int:
    """Return the line or index of such a fault."""
    return int(re.split(r"[ .]", found.location)[-1])


def csv_lines(text: str) -> Iterator[_Line]:
    """Yield every row that is not empty."""
    heading = text.partition("\n")[0]
    # Spreadsheets separate cells by semicolons in countries with a decimal comma, and by tabs on the clipboard.
    delimiter = next((each for each in ",;\t" if each in heading), ",")
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, Text("cannot be read as CSV: {why}", why=error)
            continue
        if any(map(str.strip, cells)):
            yield line, cells


def _header_fault(header: Sequence[str]) -> str | None:
    unknown = [name for name in header if name not in COLUMNS]
    if unknown:
        return Text("unknown column {column}", column=shown(unknown[0]))
    missing = [name for name in NEEDED if name not in header]
    if missing:
        return Text("missing column {columns}", columns=", ".join(missing))
    return Text("a column is named twice") if len(set(header)) < len(header) else None


@dataclass(slots=True)
class _Reading:
    """One pass over the rows below a header."""

    header: Sequence[str]
    site: str
    where: str = LINE
    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    seen: dict[tuple[str, Prefix], int] = field(default_factory=dict)

    def read(self, lines: Iterator[_Line], reached: Callable[[int], None] | None) -> None:
        for count, (line, cells) in enumerate(lines):
            if reached is not None and count % _PROGRESS_ROWS == 0:
                reached(count)
            if count == MAX_ROWS:
                self.faults.append(fault(line, Text("the file has more than {most} rows: split it", most=MAX_ROWS)))
                return
            if isinstance(cells, str):
                self.faults.append(fault(line, cells))
            elif len(cells) != len(self.header):
                message = Text(
                    "has {cells} cells, but there are {columns} columns", cells=len(cells), columns=len(self.header)
                )
                self.faults.append(fault(line, message))
            else:
                self.take(line, dict(zip(self.header, map(str.strip, cells), strict=True)))

    def take(self, line: int, cells: Mapping[str, str]) -> None:
        """Read the cells of one row."""
        wrong: list[str] = []

        def read(parse: Callable[[str], Value], name: str, cell: str) -> Value | None:
            try:
                return parse(cell)
            except ValueError as error:
                wrong.append(Text("{column}: {fault}", column=name, fault=str(error)))
                return None

        site = read(_slug, "site", cells.get("site") or self.site)
        prefix = read(_prefix, "prefix", cells["prefix"])
        authority = read(_slug, "authority", cells["authority"])
        funding = read(lambda cell: _word(_FUNDING, cell), "funding", cells["funding"])
        audience = read(lambda cell: _word(_AUDIENCE, cell), "audience", cells["audience"])
        label = read(_label, "label", cells.get("label", ""))
        if site is not None and prefix is not None:
            first = self.seen.setdefault((site, prefix), line)
            if first != line:
                repeated = Text(
                    "prefix: {prefix} at site {site} repeats {row}: remove one",
                    prefix=prefix,
                    site=site,
                    row=Text("line {number}", number=first) if self.where == LINE else f"{self.where}{first}",
                )
                wrong.append(repeated)
        if wrong or site is None or prefix is None or authority is None or label is None or not (funding and audience):
            self.faults.append(fault(line, joined(wrong), self.where))
        else:
            self.rows.append(Row(line, Range(prefix, authority, funding, audience, label, site)))


def _slug(cell: str) -> str:
    if not cell:
        raise ValueError(Text("is missing"))
    if not _SLUG.fullmatch(cell):
        raise ValueError(
            Text("{given} is not a short name: use lower-case letters, digits and hyphens", given=shown(cell))
        )
    return cell


def _prefix(cell: str) -> Prefix:
    if not cell:
        raise ValueError(Text("is missing"))
    try:
        prefix = ip_network(cell)
    except ValueError as error:
        raise ValueError(why_no_prefix(cell)) from error
    wrong = prefix_fault(prefix) or by_hand_fault(prefix)
    if wrong is not None:
        raise ValueError(Text("{prefix} {wrong}", prefix=prefix, wrong=wrong))
    return prefix


def _word(words: Mapping[str, Value], cell: str) -> Value:
    if cell in words:
        return words[cell]
    text = Text("{given} is not one of {words}") if cell else Text("is missing: give one of {words}")
    raise ValueError(text.filled(given=shown(cell), words=", ".join(words)))


def _label(cell: str) -> str:
    if len(cell) > MAX_LABEL:
        raise ValueError(Text("is longer than {most} characters: shorten it", most=MAX_LABEL))
    wrong = text_fault(cell)
    if wrong is not None:
        raise ValueError(wrong)
    return cell
