"""The queries that were refused for an authority in the last seven days that are over, as a chart and as a table.

Usage is shown a day at a time, an hour after its end: figures of a day that still grows could identify a person.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from api.authorities.schemas import AuthorityRead
from api.console.frame.calls import Refused
from api.console.frame.visit import Visit
from api.report.pages.charts import Caption, Series, bars
from api.report.pages.content import Chart
from api.usage.release import Figure, bounded, last_shown_day
from dnsfilter.policy.model import Usage
from dnsfilter.telemetry.metrics import BanResult

DAYS = 7


@dataclass(frozen=True, slots=True)
class Week:
    """The refused queries of each day, the total, and the chart of them. Without a chart nothing is counted."""

    days: Sequence[tuple[str, str]]
    last: str
    total: str
    chart: Chart | None


async def week_of(visit: Visit, authority: AuthorityRead) -> Week | None:
    """Return the week of an authority; None if the caller may not read its usage."""
    if authority.usage is Usage.NONE:
        return Week((), "", "", None)
    last = last_shown_day(int(visit.held.clock()), authority.time_zone)
    first = last - timedelta(days=DAYS - 1)
    query = {"authority": authority.slug, "from": first.isoformat(), "to": last.isoformat(), "format": "csv"}
    try:
        table = (await visit.act("list_usage", query=query)).body.decode()
    except Refused as error:
        if error.status != 403:
            raise
        return None
    return _week(visit, first, table)


def _week(visit: Visit, first: date, table: str) -> Week:
    known, hidden = defaultdict[str, int](int), defaultdict[str, int](int)
    for row in csv.DictReader(io.StringIO(table)):
        if row["result"] == BanResult.REFUSED:
            if row["queries"].isdecimal():
                known[row["day"]] += int(row["queries"])
            else:
                hidden[row["day"]] += 1
    days = [first + timedelta(days=number) for number in range(DAYS)]
    figures = [bounded(known[day.isoformat()], hidden[day.isoformat()]) for day in days]
    words = visit.words
    texts = [words.figure(each) for each in figures]
    heights = [_height(each) for each in figures]
    caption = Caption(
        "refused-week", words.translate("Refused queries of seven days"), words.translate("The table has the numbers.")
    )
    series = Series(words.translate("Refused"), heights, texts)
    return Week(
        [(words.date(day.isoformat()), text) for day, text in zip(days, texts, strict=True)],
        texts[-1],
        words.figure(bounded(sum(known.values()), sum(hidden.values()))),
        bars(caption, [words.short_day(day.isoformat()) for day in days], [series], words.number),
    )


def _height(figure: Figure) -> int | None:
    """Return the height of a bar: of a sum with hidden numbers the least."""
    return figure.at_least if figure.queries is None else figure.queries
