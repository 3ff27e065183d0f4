"""Change what a ban covers and what refused devices get: the form, a check of what it does, then the act."""

from fastapi import Response

from api.authorities.schemas import AuthorityRead
from api.bans.schemas import BanReachRead, BanRead
from api.console.bans.ban_page import Service, Slug, path_of
from api.console.frame.calls import Refused, calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, OwnForm, Visit, Visiting
from api.errors import Fault
from api.services.schemas import ServiceNamesRead, TierSummary
from dnsfilter.policy.model import Reply
from dnsfilter.policy.single_names import is_single_name

router = pages()
SCOPE = ("funding", "audience", "tiers")
FIELDS = ("reply", "addresses", *SCOPE)
KEPT = (*FIELDS, "has_groups", "reason")
"""Fields of the form that the check repeats, for the act."""
SHOWN = ("get_authority", "get_ban", "list_service_names")
"""The operations that the form reads with."""


@router.get("/bans/{slug}/{service}/change")
@calls(*SHOWN)
async def change(visit: Visiting, slug: Slug, service: Service) -> Response:
    """Show the form."""
    return await _form(visit, slug, service, Form())


@router.post("/bans/{slug}/{service}/change")
@calls(*SHOWN, "get_ban_reach", "patch_ban", "put_ban")
async def next_step(visit: Visiting, form: OwnForm, slug: Slug, service: Service) -> Response:
    """Show the form again, check the change, or make it."""
    try:
        if form.text("to") == "check":
            return await _check(visit, slug, service, form)
        if form.text("to") == "change":
            return await _act(visit, slug, service, form)
    except Refused as error:
        return await _form(visit, slug, service, form.refused(error), 422)
    return await _form(visit, slug, service, form)


async def _act(visit: Visit, slug: str, service: str, form: Form) -> Response:
    where, known = {"slug": slug, "service": service}, {"If-Match": form.text("tag")}
    answer = await visit.act("patch_ban", where, _body(form), form.given("reason"), known)
    return visit.done(path_of(slug, service), "waiting" if answer.waits else "changed")


async def _check(visit: Visit, slug: str, service: str, form: Form) -> Response:
    where = {"slug": slug, "service": service}
    read = await visit.act("get_ban", where)
    before, known = BanRead.model_validate(read.json), {"If-Match": read.headers["etag"]}
    answer = await visit.act("put_ban", where, _body(form), {"dry_run": True}, known)
    after = BanRead.model_validate(answer.json)
    if all(getattr(before, name) == getattr(after, name) for name in FIELDS):
        nothing = visit.words.translate("This is how the ban is now. Choose something else, or change nothing.")
        return await _form(visit, slug, service, Form(form.fields, [Fault("", nothing)]), 422)
    scope = {"funding": ",".join(after.funding), "audience": ",".join(after.audience)}
    return await _page(
        visit,
        before,
        form,
        after=after,
        tag=read.headers["etag"],
        reach=await visit.read(BanReachRead, "get_ban_reach", where, scope),
        kept=[(name, value) for name in KEPT for value in form.texts(name)],
    )


async def _form(visit: Visit, slug: str, service: str, form: Form, status: int = 200) -> Response:
    ban = await visit.read(BanRead, "get_ban", {"slug": slug, "service": service})
    return await _page(visit, ban, form, status=status, after=None)


async def _page(visit: Visit, ban: BanRead, form: Form, **values: object) -> Response:
    authority = await visit.read(AuthorityRead, "get_authority", {"slug": ban.authority})
    groups = await _groups(visit, ban.service)
    return await visit.page(
        "ban_change.html.jinja",
        status=int(str(values.pop("status", 200))),
        form=form,
        ban=ban,
        path=path_of(ban.authority, ban.service),
        zone=authority.time_zone,
        authority=authority,
        groups=groups if len(groups) > 1 else [],
        chosen={name: form.texts(name) if form.fields else list(map(str, getattr(ban, name))) for name in SCOPE},
        needs_approver=authority.off_needs_approver and not visit.holder.administers,
        **values,
    )


async def _groups(visit: Visit, service: str) -> list[TierSummary]:
    """Return the groups of names of a service. What a single name covers is no choice of this page."""
    if is_single_name(service):
        return []
    return (await visit.read(ServiceNamesRead, "list_service_names", {"slug": service}, {"limit": 1})).tiers


def _body(form: Form) -> dict[str, object]:
    body: dict[str, object] = {"reply": form.text("reply"), "funding": form.texts("funding")}
    body["audience"] = form.texts("audience")
    if form.text("has_groups"):
        body["tiers"] = [int(each) for each in form.texts("tiers") if each.isdecimal()]
    if form.text("reply") == Reply.ADDRESS:
        body["addresses"] = form.text("addresses").replace(",", " ").split()
    return body
