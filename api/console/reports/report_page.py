"""Report and study: chosen by authority and period, shown as they print, and downloaded."""

from collections.abc import Iterable
from datetime import date, timedelta

from fastapi import Response

from api.auth.roles import ACCOUNTABLE
from api.authorities.schemas import AuthorityRead
from api.bans.schemas import BanRead
from api.console.authority_choice import chosen_authority, own_authorities
from api.console.frame.calls import Refused, calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, Visit, Visiting, query_form
from api.http.parameters import MAX_LIMIT
from api.http.schemas import Page
from api.report.pages.report_sections import content_of
from api.report.schemas import FileFormat, Language, ReportRead
from dnsfilter.policy.calendar import local_day, parse_instant
from dnsfilter.policy.instants import DEFAULT_ZONE

router = pages()
FIELDS = ("authority", "about", "from", "to", "names", "format")
STUDY = "study"
BAN, LIST = "ban:", "list:"
"""What a report is about, as the form has it: this, and the service or the list."""
DEFAULT_DAYS = 30
FORMATS = (FileFormat.HTML, FileFormat.MARKDOWN)


@router.get("/reports")
@calls("list_authority_bans")
async def choose(visit: Visiting) -> Response:
    """Show the form that asks for a report."""
    return await _form_page(visit, query_form(visit.request))


@router.get("/reports/show")
@calls("get_ban_report", "get_list_report", "get_study", "list_authority_bans")
async def show(visit: Visiting) -> Response:
    """Show a report in the language of the page."""
    form = query_form(visit.request)
    operation, path, query = _wanted(visit, form)
    try:
        made = await visit.read(ReportRead, operation, path, {**query, "format": "json"})
    except Refused as error:
        return await _refused(visit, form, error)
    content = content_of(made, Language(visit.language))
    return await visit.page("reports/show.html.jinja", content=content, asked=form.given(*FIELDS), formats=FORMATS)


@router.get("/reports/file")
@calls("get_ban_report", "get_list_report", "get_study", "list_authority_bans")
async def download(visit: Visiting) -> Response:
    """Send a report as a file."""
    form = query_form(visit.request)
    operation, path, query = _wanted(visit, form)
    try:
        answer = await visit.act(operation, path, query={**query, "format": form.text("format") or FORMATS[0]})
    except Refused as error:
        return await _refused(visit, form, error)
    name = answer.headers["content-disposition"].replace("inline", "attachment", 1)
    return Response(answer.body, media_type=answer.headers["content-type"], headers={"Content-Disposition": name})


def _wanted(visit: Visit, form: Form) -> tuple[str, dict[str, object], dict[str, object]]:
    """Return the operation that makes the report of a form, with its values."""
    path: dict[str, object] = {"slug": form.text("authority")}
    query: dict[str, object] = {
        "from": form.text("from"),
        "to": form.text("to"),
        "names": form.text("names") != "no",
        "language": visit.language,
    }
    about = form.text("about")
    if about.startswith(BAN):
        return "get_ban_report", {**path, "service": about.removeprefix(BAN)}, query
    if about.startswith(LIST):
        return "get_list_report", path, {**query, "list": about.removeprefix(LIST)}
    return "get_study", path, query


async def _refused(visit: Visit, form: Form, error: Refused) -> Response:
    """Return the form with its faults. Raise the error again if the visitor may not have the report at all."""
    if error.status != 422:
        raise error
    return await _form_page(visit, form.refused(error), 422)


async def _form_page(visit: Visit, form: Form, status: int = 200) -> Response:
    authorities = [each for each in await own_authorities(visit) if visit.holder.has(ACCOUNTABLE, each.slug)]
    asked = form.text("authority")
    chosen = await chosen_authority(visit, asked, authorities) if asked or len(authorities) == 1 else None
    found = await _bans(visit, chosen.slug, form.text("cursor") or None) if chosen else Page[BanRead](items=[])
    about = _choices(visit, found.items)
    first, last = _default_days(visit, chosen, _reported(found.items, form.text("about") or about[0][0]))
    return await visit.page(
        "reports/choose.html.jinja",
        status=status,
        form=form,
        authorities=[(each.slug, visit.words.name(each.names)) for each in authorities],
        chosen=chosen,
        about=about,
        following=found.next,
        first=first,
        last=last,
    )


def _default_days(visit: Visit, authority: AuthorityRead | None, bans: Iterable[BanRead]) -> tuple[date, date]:
    """Return the days before today in the authority's time zone, from the first day on which one of the bans held."""
    zone = authority.time_zone if authority else DEFAULT_ZONE
    today = local_day(int(visit.held.clock()), zone)
    first, last = today - timedelta(days=DEFAULT_DAYS), today - timedelta(days=1)
    held = min((_first_day(each, zone) for each in bans), default=first)
    first = max(first, min(held, today))
    return first, max(first, last)


def _first_day(ban: BanRead, zone: str) -> date:
    """Return the first day of a ban: no term has effect before it is recorded."""
    return local_day(min(max(map(parse_instant, (each.start, each.recorded))) for each in ban.terms), zone)


async def _bans(visit: Visit, slug: str, cursor: str | None) -> Page[BanRead]:
    query = {"limit": MAX_LIMIT, "cursor": cursor}
    return await visit.read(Page[BanRead], "list_authority_bans", {"slug": slug}, query)


def _reported(bans: Iterable[BanRead], about: str) -> list[BanRead]:
    """Return the bans of a report about one, about a list, or of a study."""
    return [each for each in bans if about in (BAN + each.service, f"{LIST}{each.prohibited_list}", STUDY)]


def _choices(visit: Visit, bans: Iterable[BanRead]) -> list[tuple[str, str]]:
    """Return what a report may be about: each ban, each prohibited list, and the monitored services."""
    lists = sorted({each.prohibited_list for each in bans if each.prohibited_list})
    translate = visit.words.translate
    return [
        *((BAN + each.service, translate("Ban on {service}", service=each.service)) for each in bans),
        *((LIST + each, translate("Prohibited list {name}", name=each)) for each in lists),
        (STUDY, translate("Study of services that are only monitored")),
    ]
