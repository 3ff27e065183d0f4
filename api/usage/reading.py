"""Usage as people may read it."""

import csv
import io
from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from api.db.models import RangeRow
from api.timestamps import optional_text, timestamp_text
from api.usage.coverage_queries import Hours
from api.usage.release import Figure, figure
from api.usage.repository import BAN_NAMES, Bypass, ClientKey, Counted
from api.usage.schemas import BypassDayRead, ClientRead, CoverageRead, UsageRead
from api.usage.state import HOUR_S, CoverageState, coverage_state, usual_queries
from dnsfilter.policy.counted_ranges import not_counted
from dnsfilter.policy.model import Audience, Funding, Usage

_WORDS = ("site", "prefix", "label", *BAN_NAMES)
COLUMNS = ("day", "hour", *_WORDS, "queries")
"""The columns of a table in CSV."""
_FORMULAS = ("=", "+", "-", "@")
CLIENT_COLUMNS = tuple(ClientRead.model_fields)


def read_usage(row: Counted) -> UsageRead:
    """Return a count as the API shows it."""
    words = {name: getattr(row, name) for name in _WORDS}
    return UsageRead(day=row.day, hour=optional_text(row.hour_s), **words, **row.figure._asdict())


def read_bypass(row: Bypass) -> BypassDayRead:
    """Return attempts of a day as the API shows them."""
    shown = figure(row.queries)
    return BypassDayRead(day=row.day.isoformat(), kind=row.kind, queries=shown.queries, below=shown.below)


def read_client(key: ClientKey, queries: int) -> ClientRead:
    """Return refused queries of a client as the API shows them."""
    return ClientRead(
        minute=timestamp_text(key.minute_s),
        client=key.client,
        service=key.service,
        ban_authority=key.ban_authority,
        ground=key.ground,
        queries=queries,
    )


def as_csv(rows: Iterable[Counted]) -> str:
    """Return a table of counts in CSV, small numbers hidden."""
    return _csv_table(
        COLUMNS,
        (
            (row.day, optional_text(row.hour_s), *(getattr(row, name) for name in _WORDS), row.figure.text)
            for row in rows
        ),
    )


def clients_csv(items: Iterable[ClientRead]) -> str:
    """Return a table of refused queries of clients in CSV."""
    return _csv_table(CLIENT_COLUMNS, ([getattr(item, name) for name in CLIENT_COLUMNS] for item in items))


def _csv_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in CSV (RFC 4180), with a line of names first. None is written as an empty field.

    A text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return file.getvalue()


def read_coverage(row: RangeRow, usage: Usage, last_asked_s: int | None, hours: Hours, now_s: int) -> CoverageRead:
    """Return a range as the API shows it. `usage` is the level of its authority."""
    why = not_counted(ip_network(row.prefix), usage)
    state = coverage_state(last_asked_s, hours, now_s) if why is None else CoverageState.NOT_COUNTED
    usual = usual_queries(hours, now_s) if why is None else None
    shown = Figure() if usual is None else figure(max(usual, 1))
    asked = None if last_asked_s is None or why is not None else timestamp_text(last_asked_s - last_asked_s % HOUR_S)
    return CoverageRead(
        site=row.site,
        prefix=row.prefix,
        authority=row.authority,
        funding=Funding(row.funding),
        audience=Audience(row.audience),
        label=row.label,
        state=state,
        not_counted=why,
        last_asked=asked,
        usual_per_hour=shown.queries,
        below=shown.below,
    )


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
