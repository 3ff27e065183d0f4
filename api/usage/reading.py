"""Usage as people may read it: small totals are hidden."""

import csv
import io
from collections.abc import Iterable, Sequence

from api.timestamps import timestamp_text
from api.usage.repository import Bypass, Counted
from api.usage.schemas import BypassDayRead, UsageRead
from api.usage.state import HIDDEN_BELOW

COLUMNS = ("day", "hour", "site", "prefix", "service", "ban_authority", "ground", "result", "queries")
"""The columns of a table in CSV."""


def shown(queries: int) -> tuple[int | None, int | None]:
    """Return the number to show and its upper limit: one of them is None. A total from 1 to 4 is not shown."""
    return (None, HIDDEN_BELOW) if 0 < queries < HIDDEN_BELOW else (queries, None)


def read_usage(row: Counted) -> UsageRead:
    """Return a count as the API shows it."""
    queries, below = shown(row.queries)
    return UsageRead(
        day=row.day,
        hour=None if row.hour_s is None else timestamp_text(row.hour_s),
        site=row.site,
        prefix=row.prefix,
        service=row.service,
        ban_authority=row.ban_authority,
        ground=row.ground,
        result=row.result,
        queries=queries,
        below=below,
    )


def read_bypass(row: Bypass) -> BypassDayRead:
    """Return attempts of a day as the API shows them."""
    queries, below = shown(row.queries)
    return BypassDayRead(day=row.day.isoformat(), kind=row.kind, queries=queries, below=below)


def queries_text(queries: int | None, below: int | None) -> str:
    """Return a number for people: `<5` if it is hidden."""
    return f"<{below}" if queries is None else str(queries)


def as_csv(items: Iterable[UsageRead], columns: Sequence[str] = COLUMNS) -> str:
    """Return a table in CSV (RFC 4180), with a line of names first."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns)
    for item in items:
        values = {**item.model_dump(), "queries": queries_text(item.queries, item.below)}
        writer.writerow(["" if values[name] is None else values[name] for name in columns])
    return file.getvalue()
