"""One ban: what it does now, the switch with what it will do, its terms, and the decision behind it."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import Path, Response

from api.authorities.schemas import AuthorityRead
from api.bans.requests.schemas import RequestRead
from api.bans.schemas import BanReachRead, BanRead
from api.bindings.schemas import BindingRead
from api.console.bans.time_line import terms_chart
from api.console.frame.calls import Refused, calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, OwnForm, Visit, Visiting
from api.exemptions.schemas import ExemptionRead, ExemptionState
from api.http.parameters import MAX_LIMIT
from api.http.schemas import Page
from api.revisions.schemas import NodesOfRevision
from dnsfilter.policy.instants import local_time
from dnsfilter.policy.model import Mode

router = pages()
Slug = Annotated[str, Path(max_length=64)]
Service = Annotated[str, Path(max_length=300)]
RELATED = 20
"""The most bindings, and bans that follow this one, on the page."""
EVENING, MORNING = 18, 8
"""Hours of the day until which a ban is offered to be off."""
OTHER, OPEN = "other", "open"
"""Choices of an end in the form that are no time."""
DONE = {Mode.OFF: "switched-off", Mode.ENFORCE: "refusing-again", Mode.MONITOR: "monitoring"}
SHOWN = (
    "get_authority",
    "get_ban",
    "get_ban_reach",
    "list_bans",
    "list_bindings",
    "list_exemptions",
    "list_nodes_of_revision",
    "list_requests",
)
"""The operations that the page reads with."""


def path_of(slug: str, service: str, more: str = "") -> str:
    """Return the path of a ban's page, or of a page below it."""
    return f"/console/bans/{quote(slug)}/{quote(service)}{more}"


@router.get("/bans/{slug}/{service}")
@calls(*SHOWN)
async def ban(visit: Visiting, slug: Slug, service: Service) -> Response:
    """Show a ban."""
    return await _page(visit, slug, service, Form())


@router.post("/bans/{slug}/{service}/switch")
@calls(*SHOWN, "patch_ban")
async def switch(visit: Visiting, form: OwnForm, slug: Slug, service: Service) -> Response:
    """Set the mode: switch the ban off, also until a time, refuse again, or only monitor."""
    body = form.given("mode", "mode_reason")
    end = form.text("at") if form.text("until") == OTHER else form.text("until")
    if body.get("mode") == Mode.OFF and form.text("until") != OPEN:
        body["until"] = end
    try:
        answer = await visit.act("patch_ban", {"slug": slug, "service": service}, body)
    except Refused as error:
        return await _page(visit, slug, service, form.refused(error), 422)
    return visit.done(path_of(slug, service), "waiting" if answer.waits else DONE[Mode(body["mode"])])


async def _page(visit: Visit, slug: str, service: str, form: Form, status: int = 200) -> Response:
    where, subject = {"slug": slug, "service": service}, f"{slug}/{service}"
    found = await visit.read(BanRead, "get_ban", where)
    authority = await visit.read(AuthorityRead, "get_authority", {"slug": slug})
    reach = await visit.read(BanReachRead, "get_ban_reach", where) if visit.may("get_ban_reach", slug) else None
    bound = list[BindingRead]()
    if reach is None or reach.bound:
        wanted = {"ban": subject, "limit": RELATED}
        bound = (await visit.read(Page[BindingRead], "list_bindings", query=wanted)).items
    followers = await visit.read(Page[BanRead], "list_bans", query={"follows": subject, "limit": RELATED})
    now, zone = int(visit.held.clock()), authority.time_zone
    return await visit.page(
        "ban.html.jinja",
        status=status,
        form=form,
        ban=found,
        path=path_of(slug, service),
        authority=authority,
        zone=zone,
        reach=reach,
        bound=bound,
        followers=followers.items,
        exemptions=await _exemptions(visit, subject) if reach is not None else [],
        nodes=await _nodes(visit, found.revision) if reach is not None else None,
        waiting=await _waiting(visit, subject) if authority.off_needs_approver and reach is not None else [],
        may_act=visit.may("patch_ban", slug),
        needs_approver=authority.off_needs_approver and not visit.holder.administers,
        ends=_ends(visit, now, zone),
        chart=terms_chart(visit.words, found, now, zone),
    )


async def _nodes(visit: Visit, revision: int) -> NodesOfRevision:
    return await visit.read(NodesOfRevision, "list_nodes_of_revision", {"number": revision}, {"limit": 1})


async def _exemptions(visit: Visit, subject: str) -> list[ExemptionRead]:
    wanted = {"ban": subject, "state": ExemptionState.IN_FORCE, "limit": MAX_LIMIT}
    return (await visit.read(Page[ExemptionRead], "list_exemptions", query=wanted)).items


async def _waiting(visit: Visit, subject: str) -> list[RequestRead]:
    """Return the requests about the ban that wait for an approver."""
    query = {"ban": subject, "state": "requested", "limit": MAX_LIMIT}
    return (await visit.read(Page[RequestRead], "list_requests", query=query)).items


def _ends(visit: Visit, now: int, zone: str) -> list[tuple[str, str]]:
    """Return the ends that are offered, as pairs of value and text. Each value says its day: the form may be old."""
    _, local = visit.words.translate, local_time(now, zone)
    evening = f"{local:%Y-%m-%d}T{EVENING}:00"
    morning = f"{local + timedelta(days=1):%Y-%m-%d}T{MORNING:02}:00"
    return [
        *([(evening, _("Until 18:00 today"))] if local.hour < EVENING else []),
        (morning, _("Until tomorrow morning, 08:00")),
        (OPEN, _("Until somebody switches the ban on again")),
        (OTHER, _("Until another time")),
    ]
