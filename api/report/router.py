"""Reports and studies as JSON, HTML or Markdown.

They are /v1/authorities/{slug}/bans/{service}/report, /v1/authorities/{slug}/report?list=… and
/v1/authorities/{slug}/study.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Response

from api.auth.permit import Permit
from api.catalogue.repository import categories_in_force
from api.db.unit_of_work import UnitOfWork
from api.errors import Invalid
from api.http.dependencies import COSTLY, Runtime, RuntimeDep, UnitDep
from api.http.permits import AccountableOfPath
from api.http.preferences import preferred_type
from api.http.problems import NOT_FOUND, TOO_MANY_AT_ONCE, documented
from api.http.routes import Route
from api.http.schemas import DayText, ServiceSlug, Slug
from api.lists.schemas import CategoryWord, ListReference
from api.lists.state import demand_category
from api.report import service as reports
from api.report.listed_bans import Chosen
from api.report.pages.html_page import CONTENT_SECURITY_POLICY, html_page
from api.report.pages.markdown_text import markdown_text
from api.report.pages.words import default_language
from api.report.report_time import ReportDays
from api.report.schemas import FileFormat, Interval, Language, ReportRead
from api.report.service import Sources
from api.timestamps import parse_date
from dnsfilter.translatable import Text

router = APIRouter(route_class=Route, prefix="/v1/authorities/{slug}", tags=["report"])

MEDIA_TYPES: Mapping[FileFormat, str] = {
    FileFormat.JSON: "application/json",
    FileFormat.HTML: "text/html",
    FileFormat.MARKDOWN: "text/markdown",
}
_FORMATS = {media_type: known for known, media_type in MEDIA_TYPES.items()}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    **documented(NOT_FOUND, TOO_MANY_AT_ONCE),
    200: {
        "model": ReportRead,
        "content": {
            MEDIA_TYPES[FileFormat.HTML]: {"schema": {"type": "string"}},
            MEDIA_TYPES[FileFormat.MARKDOWN]: {"schema": {"type": "string"}},
        },
    },
}

FirstDay = Annotated[DayText, Query(alias="from", description="the first day, in the authority's time zone")]
LastDay = Annotated[DayText, Query(alias="to", description="the last day, inclusive")]
IntervalText = Annotated[
    Interval | None,
    Query(description="interval of the counts; by default one that gives at most 31 rows, or months"),
]
FormatText = Annotated[
    FileFormat | None, Query(alias="format", description="by default what the header Accept prefers, else `json`")
]
LanguageText = Annotated[
    Language | None, Query(description="by default the authority's first language that reports have, else `en`")
]
NamesFlag = Annotated[bool, Query(description="false leaves out the names of accounts, as for a publication")]
OfList = Annotated[ListReference, Query(alias="list", description="the prohibited list")]
OnlyList = Annotated[ListReference | None, Query(alias="list", description="only services of this prohibited list")]
OnlyCategory = Annotated[CategoryWord | None, Query(description="only services of this category")]
Accept = Annotated[str, Header(max_length=1000, include_in_schema=False)]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The parameters of a report."""

    asked: ReportDays
    language: Language | None
    file_format: FileFormat
    names: bool


async def _wanted(
    first: FirstDay,
    last: LastDay,
    interval: IntervalText = None,
    language: LanguageText = None,
    file_format: FormatText = None,
    names: NamesFlag = True,
    accept: Accept = "",
) -> _Wanted:
    asked = ReportDays(parse_date(first), parse_date(last), interval)
    by_header = _FORMATS[preferred_type(accept, [*_FORMATS])]
    return _Wanted(asked, language, file_format or by_header, names)


WantedDep = Annotated[_Wanted, Depends(_wanted)]


@router.get(
    "/bans/{service}/report",
    operation_id="get_ban_report",
    summary="Get the report of a ban",
    dependencies=[COSTLY],
    response_model=ReportRead,
    responses=_RESPONSES,
)
def get_ban_report(
    slug: Slug, service: ServiceSlug, unit: UnitDep, permit: AccountableOfPath, held: RuntimeDep, wanted: WantedDep
) -> Response:
    """Return what a ban did on the days from `from` through `to`, and what it rests on.

    The same record gives the same report. The names of accounts are those that the caller may read.
    """
    made = reports.report_ban(_sources(unit, permit, held, wanted), slug, service, wanted.asked)
    return _answer(made, wanted)


@router.get(
    "/report",
    operation_id="get_list_report",
    summary="Get the report of a prohibited list",
    dependencies=[COSTLY],
    response_model=ReportRead,
    responses=_RESPONSES,
)
def get_list_report(
    slug: Slug, of: OfList, unit: UnitDep, permit: AccountableOfPath, held: RuntimeDep, wanted: WantedDep
) -> Response:
    """Return the same as a report for each of the authority's bans from the list, with its versions and totals.

    The list is the authority's own, or one from which it has adopted bans.
    """
    made = reports.report_list(_sources(unit, permit, held, wanted), slug, of, wanted.asked)
    return _answer(made, wanted)


@router.get(
    "/study",
    operation_id="get_study",
    summary="Get the study of monitored services",
    dependencies=[COSTLY],
    response_model=ReportRead,
    responses=_RESPONSES,
)
def get_study(
    slug: Slug,
    unit: UnitDep,
    permit: AccountableOfPath,
    held: RuntimeDep,
    wanted: WantedDep,
    of: OnlyList = None,
    category: OnlyCategory = None,
) -> Response:
    """Return the same as a report for each service that the authority only monitored on these days."""
    sources = _sources(unit, permit, held, wanted)
    return _answer(reports.study(sources, slug, wanted.asked, _chosen(unit, held, of, category)), wanted)


def _chosen(unit: UnitOfWork, held: Runtime, of: str | None, category: str | None) -> Chosen | None:
    if of is not None and category is not None:
        raise Invalid.at("query.category", Text("give a list or a category, not both"))
    if of is not None:
        return Chosen.of_list(unit.session, of)
    if category is None:
        return None
    return Chosen(
        demand_category(categories_in_force(unit.session, held.catalogue), category, "query.category"),
        category=category,
    )


def _sources(unit: UnitOfWork, permit: Permit, held: Runtime, wanted: _Wanted) -> Sources:
    # Do this first: a reading transaction does not see what is published after its start.
    held.publishing.store_in_force()
    services = {slug: service.name for slug, service in held.publishing.services(unit).items()}
    return Sources(unit.session, services, permit.visible() if wanted.names else frozenset(), unit.now_s)


_PAGES: Mapping[FileFormat, Callable[[ReportRead, Language], str]] = {
    FileFormat.JSON: lambda made, _language: made.model_dump_json(),
    FileFormat.HTML: html_page,
    FileFormat.MARKDOWN: markdown_text,
}


def _answer(made: ReportRead, wanted: _Wanted) -> Response:
    """Return a report as a file in the wanted format, in the wanted language or else in the authority's."""
    page = _PAGES[wanted.file_format](made, wanted.language or default_language(made))
    about = made.bans[0].service if made.kind == "ban" else (made.prohibited_list or made.category or "")
    names = [made.kind, made.authority, re.sub("[/:]", "-", about), made.first, made.last]
    parts = filter(None, names)
    headers = {"Vary": "Accept", "Content-Disposition": f'inline; filename="{"-".join(parts)}.{wanted.file_format}"'}
    if wanted.file_format is FileFormat.HTML:
        headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return Response(page, headers=headers, media_type=MEDIA_TYPES[wanted.file_format])
