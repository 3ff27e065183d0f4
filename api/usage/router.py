"""/v1/usage and /v1/coverage: what was counted for an authority's clients, and which of its ranges still ask."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from api.auth.permit import Permit
from api.authorities import repository as authorities
from api.db.models import AuthorityRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Invalid
from api.http.dependencies import RuntimeDep, UnitDep
from api.http.parameters import DEFAULT_LIMIT, Cursor, Limit, ServiceFilter
from api.http.permits import ApproverOfObject, OwnApproverOfObject, ReaderOfObject
from api.http.preferences import preferred_type
from api.http.problems import documented
from api.http.routes import Route
from api.http.schemas import DayText, Page, Slug
from api.timestamps import parse_date
from api.usage import coverage_queries, range_pages, repository, service
from api.usage.coverage_queries import RangeKey
from api.usage.reading import as_csv, clients_csv, read_bypass, read_client, read_coverage, read_usage
from api.usage.release import first_split_day, last_shown_day
from api.usage.repository import Counted, Wanted
from api.usage.schemas import By, BypassDayRead, ClientRead, CoverageRead, UsageErased, UsageErasing, UsageRead
from api.usage.service import note_reading
from api.usage.state import CLIENTS_KEPT_S, MAX_DAYS
from dnsfilter.policy.calendar import local_day
from dnsfilter.policy.model import Audience, Funding
from dnsfilter.translatable import Text

CSV = "text/csv"
TYPES = ("application/json", CSV)
DEFAULT_DAYS = 30
"""Days that are read if no first day is given."""
MAX_ROWS = 100_000
"""Rows of one table in CSV."""
_FIRST, _LAST = date(1970, 1, 2), date(9999, 12, 30)

_JSON_OR_CSV: dict[str, Any] = {
    "description": "counts, as JSON or as CSV",
    "content": {CSV: {"schema": {"type": "string"}}},
}

_Page = Callable[[Session, Wanted, int, str | None], tuple[Sequence[Counted], str | None]]
_PAGES: Mapping[By, _Page] = {
    "day": repository.page_of_days,
    "hour": range_pages.page_of_hours,
    "range": range_pages.page_of_ranges,
}

router = APIRouter(route_class=Route, prefix="/v1/usage", tags=["usage"])
coverage = APIRouter(route_class=Route, prefix="/v1/coverage", tags=["usage"])

From = Annotated[DayText | None, Query(alias="from", description=f"the first day; {DEFAULT_DAYS} days without it")]
Format = Annotated[Literal["json", "csv"] | None, Query(alias="format")]
To = Annotated[DayText | None, Query(description="the last day; the newest without it")]


@router.get(
    "",
    operation_id="list_usage",
    summary="List what was counted",
    response_model=Page[UsageRead],
    responses={
        **documented(),
        200: _JSON_OR_CSV,
    },
)
def list_usage(
    request: Request,
    unit: UnitDep,
    permit: ReaderOfObject,
    authority: Slug,
    service: ServiceFilter,
    from_: From = None,
    to: To = None,
    by: Annotated[By, Query(description="ranges have their own counts only at the level `range`")] = "day",
    format_: Format = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[UsageRead] | Response:
    """List queries of the authority's clients, by day, by hour and range, or by range, and by the ban that decided.

    Days are those of the authority's time zone. A day is listed an hour after its end. Numbers from 1 to 4 are hidden.
    A day is split into ranges and hours only if that reveals no hidden number. As CSV, the list is complete.
    """
    row = _authority(unit, permit, authority)
    first, last = _shown_days(row, from_, to, unit.now_s)
    if by != "day":
        first = max(first, first_split_day(unit.now_s, row.time_zone))
    wanted = Wanted(authority, service, first, last, row.time_zone)
    page = _PAGES[by]
    as_table = _wants_csv(request, format_)
    rows, following = page(unit.session, wanted, *((MAX_ROWS, None) if as_table else (limit, cursor)))
    rows = range_pages.labelled(unit.session, authority, rows)
    if as_table:
        _demand_complete(following)
        return Response(as_csv(rows), media_type=CSV)
    return Page(items=[read_usage(one) for one in rows], next=following)


@router.get(
    "/bypass", operation_id="list_bypass", summary="List attempts to bypass the resolver", responses=documented()
)
def list_bypass(
    unit: UnitDep, permit: ReaderOfObject, authority: Slug, from_: From = None, to: To = None
) -> Page[BypassDayRead]:
    """List attempts of the authority's clients to bypass the resolver, by day and kind. Numbers from 1 to 4 are hidden.

    A day is listed an hour after its end. The list has one page.
    """
    row = _authority(unit, permit, authority)
    first, last = _shown_days(row, from_, to, unit.now_s)
    rows = repository.bypass(unit.session, authority, first, last)
    return Page(items=[read_bypass(one) for one in rows], next=None)


@router.get(
    "/clients",
    operation_id="list_clients",
    summary="List refused queries by client, under pseudonyms",
    response_model=Page[ClientRead],
    responses={**documented(), 200: _JSON_OR_CSV},
)
def list_clients(
    request: Request,
    held: RuntimeDep,
    unit: UnitDep,
    permit: OwnApproverOfObject,
    authority: Slug,
    service: ServiceFilter,
    from_: From = None,
    to: To = None,
    format_: Format = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[ClientRead] | Response:
    """List refused queries that were noted at the level `client`, by minute. Each reading is in the audit log.

    A pseudonym identifies a client of one node for one day. As CSV, the list is complete.
    """
    row = _authority(unit, permit, authority)
    first, last = _days(from_, to, local_day(unit.now_s, row.time_zone))
    start_s, end_s = repository.day_bounds(first, last, row.time_zone)
    as_table = _wants_csv(request, format_)
    page = (MAX_ROWS, None) if as_table else (limit, cursor)
    found, following = repository.clients_page(
        unit.session, authority, service, max(start_s, unit.now_s - CLIENTS_KEPT_S), end_s, *page
    )
    if as_table:
        _demand_complete(following)
    with held.database.writing() as session:  # a GET's own session cannot write
        acting = UnitOfWork(session, permit.caller.actor, int(held.clock()))
        note_reading(acting, authority, first, last, len(found))
    items = [read_client(*one) for one in found]
    return Response(clients_csv(items), media_type=CSV) if as_table else Page(items=items, next=following)


@router.post("/erase", operation_id="erase_usage", summary="Erase what was counted", responses=documented())
def erase_usage(body: UsageErasing, unit: UnitDep, permit: ApproverOfObject) -> UsageErased:
    """Erase an authority's usage of some days, or that of one range. The audit log records how many counts, and why.

    Queries of a range are also subtracted from the authority's days, as far as hours are kept. Backups keep a copy.
    """
    permit.demand_named(body.authority)
    row = authorities.get(unit.session, body.authority)
    if body.from_ is None and body.to is None and body.range is None:
        raise Invalid.at("body", Text('give "from", "to" or "range"'))
    first = _FIRST if body.from_ is None else parse_date(body.from_)
    last = _LAST if body.to is None else parse_date(body.to)
    if last < first:
        raise Invalid.at("body.to", Text("{last} is before {first}. Give a later day.", last=last, first=first))
    return service.erase(unit, row, first, last, body.range, body.reason)


def _authority(unit: UnitOfWork, permit: Permit, slug: str) -> AuthorityRow:
    """Return the authority that the caller named, and whose usage the caller may read. Raise Forbidden and Invalid."""
    permit.demand_named(slug, "query.authority")
    return authorities.named(unit.session, slug, "query.authority")


def _demand_complete(following: str | None) -> None:
    """Raise Invalid if rows follow those of a table in CSV."""
    if following is not None:
        raise Invalid.at(
            "query.from", Text("the table has more than {most} rows. Give a shorter period.", most=MAX_ROWS)
        )


def _wants_csv(request: Request, format_: str | None) -> bool:
    accepted = request.headers.get("accept", "")
    return format_ == "csv" or (format_ is None and preferred_type(accepted, TYPES) == CSV)


def _shown_days(row: AuthorityRow, first: str | None, last: str | None, now_s: int) -> tuple[date, date]:
    """Return the first and the last wanted day whose numbers are shown; the last before the first if there is none."""
    shown = last_shown_day(now_s, row.time_zone)
    start, end = _days(first, last, shown)
    return start, min(end, shown)


def _days(first: str | None, last: str | None, newest: date) -> tuple[date, date]:
    """Return the first and the last day to read. Raise Invalid if they are in the wrong order or too far apart."""
    end = newest if last is None else parse_date(last)
    start = end - timedelta(days=DEFAULT_DAYS - 1) if first is None else parse_date(first)
    if end < start:
        raise Invalid.at("query.to", Text("{end} is before {start}. Give a later day.", end=end, start=start))
    if (end - start).days >= MAX_DAYS:
        raise Invalid.at("query.from", Text("the period is longer than {most} days. Give a later day.", most=MAX_DAYS))
    return start, end


@coverage.get("", operation_id="list_coverage", summary="List which ranges ask", responses=documented())
def list_coverage(
    unit: UnitDep,
    permit: ReaderOfObject,
    authority: Slug,
    funding: Funding | None = None,
    audience: Audience | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[CoverageRead]:
    """List the authority's ranges with when each last asked and how many queries an hour it usually sends.

    A range has stopped if it was silent for a week, or for three hours that were busy in both previous weeks. Numbers
    from 1 to 4 are hidden. Ranges of fewer than 16 addresses are not counted, and none at the level `none`.
    """
    usage = _authority(unit, permit, authority).usage_level
    rows, following = coverage_queries.page(unit.session, authority, funding, audience, limit, cursor)
    keys = {row.id: RangeKey(row.authority, row.site, row.prefix) for row in rows}
    last = coverage_queries.last_asked(unit.session, keys.values())
    hours = coverage_queries.hours(unit.session, keys.values(), unit.now_s)
    items = [read_coverage(row, usage, last.get(keys[row.id]), hours.get(keys[row.id], {}), unit.now_s) for row in rows]
    return Page(items=items, next=following)
