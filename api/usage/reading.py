"""Usage as people may read it."""

import csv
import io
from collections.abc import Iterable, Sequence

from api.timestamps import timestamp_text
from api.usage.release import figure
from api.usage.repository import Bypass, ClientKey, Counted
from api.usage.schemas import BypassDayRead, ClientRead, UsageRead

COLUMNS = ("day", "hour", "site", "prefix", "service", "ban_authority", "ground", "result", "queries")
"""The columns of a table in CSV."""
CLIENT_COLUMNS = tuple(ClientRead.model_fields)


def read_usage(row: Counted) -> UsageRead:
    """Return a count as the API shows it."""
    return UsageRead(
        day=row.day,
        hour=None if row.hour_s is None else timestamp_text(row.hour_s),
        site=row.site,
        prefix=row.prefix,
        service=row.service,
        ban_authority=row.ban_authority,
        ground=row.ground,
        result=row.result,
        **row.figure._asdict(),
    )


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
            (
                row.day,
                None if row.hour_s is None else timestamp_text(row.hour_s),
                row.site,
                row.prefix,
                row.service,
                row.ban_authority,
                row.ground,
                row.result,
                row.figure.text,
            )
            for row in rows
        ),
    )


def clients_csv(items: Iterable[ClientRead]) -> str:
    """Return a table of refused queries of clients in CSV."""
    return _csv_table(CLIENT_COLUMNS, ([getattr(item, name) for name in CLIENT_COLUMNS] for item in items))


def _csv_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in CSV (RFC 4180), with a line of names first. None is written as an empty field."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(rows)
    return file.getvalue()
