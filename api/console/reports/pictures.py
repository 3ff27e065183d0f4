"""Usage and coverage of an authority as pictures, with their numbers as tables."""

import csv
from collections.abc import Sequence
from datetime import date, timedelta
from io import StringIO

from fastapi import Response

from api.authorities.schemas import AuthorityRead
from api.console.authority_choice import chosen_authority, own_authorities
from api.console.frame.calls import Answer, calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Visit, Visiting, query_form
from api.http.schemas import Page
from api.report.pages.charts import Caption, Series, bars
from api.report.pages.content import Chart, Table
from api.report.query_numbers import Days, intervals
from api.report.schemas import Interval
from api.usage.release import Figure, bounded, last_shown_day
from api.usage.schemas import CoverageRead
from api.usage.state import CoverageState
from dnsfilter.telemetry.metrics import BanResult

router = pages()
DAYS = {Interval.DAY: 28, Interval.WEEK: 12 * 7}
"""The days that each picture shows."""
NETWORKS_SHOWN = 200


@router.get("/reports/pictures")
@calls("list_usage", "list_coverage")
async def pictures(visit: Visiting) -> Response:
    """Show what was refused each day or week, and which networks ask."""
    form = query_form(visit.request)
    authorities = await own_authorities(visit)
    chosen = await chosen_authority(visit, form.text("authority"), authorities)
    interval = Interval.WEEK if form.text("by") == Interval.WEEK else Interval.DAY
    charts = [] if chosen is None else [await _refused(visit, chosen, interval), await _coverage(visit, chosen)]
    return await visit.page(
        "reports/pictures.html.jinja",
        form=form,
        authorities=[(each.slug, visit.words.name(each.names)) for each in authorities],
        chosen=chosen,
        interval=str(interval),
        charts=charts,
    )


async def _refused(visit: Visit, authority: AuthorityRead, interval: Interval) -> tuple[Chart, Table]:
    last = last_shown_day(int(visit.held.clock()), authority.time_zone)
    first = last - timedelta(days=DAYS[interval] - 1)
    query = {"authority": authority.slug, "from": first, "to": last, "format": "csv"}
    days = list(intervals(first, last, interval))
    figures = refused(await visit.act("list_usage", query=query), days)
    words = visit.words
    texts = [words.number(each.queries) if each.queries is not None else each.text for each in figures]
    labels = [words.short_day(begin.isoformat()) for begin, _ in days]
    heights = [each.at_least if each.queries is None else each.queries for each in figures]
    title = words.translate("Refused queries")
    caption = Caption("refused", title, words.translate("A bar for each day or week. The table has the numbers."))
    chart = bars(caption, labels, [Series(title, heights, texts)], words.number)
    rows = [(words.date(begin.isoformat()), text) for (begin, _), text in zip(days, texts, strict=True)]
    return chart, Table(title, [words.translate("From"), title], rows, frozenset({1}))


def refused(answer: Answer, days: Sequence[Days]) -> list[Figure]:
    """Return the refused queries of each interval, from a table of counts by day."""
    known, hidden = dict.fromkeys(days, 0), dict.fromkeys(days, 0)
    for row in csv.DictReader(StringIO(answer.body.decode())):
        if row["result"] == BanResult.REFUSED:
            day = date.fromisoformat(row["day"])
            within = next(each for each in days if each[0] <= day <= each[1])
            if row["queries"].isdigit():
                known[within] += int(row["queries"])
            else:
                hidden[within] += 1
    return [bounded(known[each], hidden[each]) for each in days]


async def _coverage(visit: Visit, authority: AuthorityRead) -> tuple[Chart, Table]:
    query = {"authority": authority.slug, "limit": NETWORKS_SHOWN}
    found = await visit.read(Page[CoverageRead], "list_coverage", query=query)
    translate = visit.words.translate
    states = {
        CoverageState.ASKING: translate("ask"),
        CoverageState.STOPPED: translate("have stopped"),
        CoverageState.NEVER: translate("never asked"),
        CoverageState.NOT_COUNTED: translate("not counted"),
    }
    counts = [sum(each.state is state for each in found.items) for state in states]
    texts = list(map(visit.words.number, counts))
    title = translate("Networks that ask this resolver")
    if found.next is not None:
        title = translate("Networks that ask this resolver, of the first {n}", n=NETWORKS_SHOWN)
    caption = Caption("coverage", title, translate("A bar for each state. The table has the numbers."))
    chart = bars(caption, list(states.values()), [Series(translate("Networks"), counts, texts)], visit.words.number)
    columns = [translate("Networks that"), translate("Networks")]
    return chart, Table(title, columns, list(zip(states.values(), texts, strict=True)), frozenset({1}))
