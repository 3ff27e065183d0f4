"""Terms of a ban: renew it, end it early, or remove it before it begins."""

from fastapi import Response

from api.authorities.schemas import AuthorityRead
from api.bans.schemas import BanReachRead, BanRead
from api.console.bans.ban_page import Service, Slug, path_of
from api.console.frame.calls import Refused, calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, OwnForm, Visit, Visiting
from api.revisions.schemas import NodesOfRevision

router = pages()
DECISION = ("organ", "reference", "date", "legal_basis", "link")
"""Fields of a formal decision in the forms."""
RENEWAL = ("get_authority", "get_ban")
ENDING = (*RENEWAL, "get_ban_reach", "list_nodes_of_revision")


@router.get("/bans/{slug}/{service}/renew")
@calls(*RENEWAL)
async def renewal(visit: Visiting, slug: Slug, service: Service) -> Response:
    """Show the form of a further term."""
    return await _renewal(visit, slug, service, Form())


@router.post("/bans/{slug}/{service}/renew")
@calls(*RENEWAL, "renew_ban")
async def renew(visit: Visiting, form: OwnForm, slug: Slug, service: Service) -> Response:
    """Add a term with its formal decision."""
    body = {**form.given("start", "until", "review_by"), "decision": form.given(*DECISION)}
    try:
        answer = await visit.act("renew_ban", {"slug": slug, "service": service}, body)
    except Refused as error:
        return await _renewal(visit, slug, service, form.refused(error, end="until", body="until"), 422)
    return visit.done(path_of(slug, service), "waiting" if answer.waits else "renewed")


@router.get("/bans/{slug}/{service}/end")
@calls(*ENDING)
async def ending(visit: Visiting, slug: Slug, service: Service) -> Response:
    """Show the form that ends the ban early."""
    return await _ending(visit, slug, service, Form())


@router.post("/bans/{slug}/{service}/end")
@calls(*ENDING, "end_ban")
async def end(visit: Visiting, form: OwnForm, slug: Slug, service: Service) -> Response:
    """End the ban now, or at a time."""
    body: dict[str, object] = {**form.given("at"), "reason": form.text("reason")}
    decision = form.given(*DECISION)
    if decision:
        body["decision"] = decision
    try:
        answer = await visit.act("end_ban", {"slug": slug, "service": service}, body)
    except Refused as error:
        return await _ending(visit, slug, service, form.refused(error), 422)
    return visit.done(path_of(slug, service), "waiting" if answer.waits else "ended")


@router.post("/bans/{slug}/{service}/remove")
@calls(*ENDING, "remove_ban")
async def remove(visit: Visiting, form: OwnForm, slug: Slug, service: Service) -> Response:
    """Remove a ban that has not begun."""
    try:
        answer = await visit.act("remove_ban", {"slug": slug, "service": service}, query=form.given("reason"))
    except Refused as error:
        return await _ending(visit, slug, service, form.refused(error), 422)
    return visit.done(path_of(slug, service), "waiting") if answer.waits else visit.done("/console/bans", "removed")


async def _renewal(visit: Visit, slug: str, service: str, form: Form, status: int = 200) -> Response:
    authority, ban = await _read(visit, slug, service)
    return await visit.page(
        "ban_renewal.html.jinja",
        status=status,
        form=form,
        ban=ban,
        zone=authority.time_zone,
        path=path_of(slug, service),
    )


async def _ending(visit: Visit, slug: str, service: str, form: Form, status: int = 200) -> Response:
    authority, ban = await _read(visit, slug, service)
    subject = {"slug": slug, "service": service}
    return await visit.page(
        "ban_ending.html.jinja",
        status=status,
        form=form,
        ban=ban,
        zone=authority.time_zone,
        path=path_of(slug, service),
        needs_approver=authority.off_needs_approver and not visit.holder.administers,
        reach=await visit.read(BanReachRead, "get_ban_reach", subject),
        nodes=await visit.read(NodesOfRevision, "list_nodes_of_revision", {"number": ban.revision}, {"limit": 1}),
    )


async def _read(visit: Visit, slug: str, service: str) -> tuple[AuthorityRead, BanRead]:
    authority = await visit.read(AuthorityRead, "get_authority", {"slug": slug})
    return authority, await visit.read(BanRead, "get_ban", {"slug": slug, "service": service})
