"""Prepare a prohibited list, from a category or of chosen services, and adopt it: the decision, a check, the act."""

from typing import Annotated
from urllib.parse import quote

from fastapi import Path, Response

from api.auth.roles import OPERATORS
from api.console.authority_choice import own_authorities
from api.console.frame.calls import Refused, calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, OwnForm, Visit, Visiting, query_form
from api.lists.schemas import ListRead
from blocklists.categories import Category
from dnsfilter.policy.instants import DEFAULT_ZONE

router = pages()
DECISION = ("organ", "reference", "date", "legal_basis", "advice", "link")
TERM = ("start", "until", "review_by")
FIELDS = (*DECISION, *TERM, "mode")
NEW = {"If-None-Match": "*"}
"""An existing list is not prepared a second time."""
Slug = Annotated[str, Path(max_length=64)]


@router.get("/lists/new")
@calls()
async def new(visit: Visiting) -> Response:
    """Show the form that prepares a list."""
    return await _new(visit, query_form(visit.request))


@router.post("/lists/new")
@calls("put_list")
async def prepare(visit: Visiting, form: OwnForm) -> Response:
    """Prepare a list. It has no effect before it is adopted."""
    where = {"slug": form.text("authority"), "list_slug": form.text("list_slug")}
    body: dict[str, object] = {**form.given("title", "category")}
    services = form.text("services").replace(",", " ").split()
    if services or "category" not in body:
        body["services"] = services
    if not all(where.values()):
        return await _new(visit, form, 422, empty=next(name for name, value in where.items() if not value))
    try:
        await visit.act("put_list", where, body, headers=NEW)
    except Refused as error:
        return await _new(visit, form.refused(error, slug="authority"), 422)
    return visit.done(path_of(str(where["slug"]), str(where["list_slug"])), "prepared")


@router.post("/lists/{slug}/{list_slug}/remove")
@calls("remove_list")
async def remove(visit: Visiting, _form: OwnForm, slug: Slug, list_slug: Slug) -> Response:
    """Remove a list that was never adopted."""
    await visit.act("remove_list", {"slug": slug, "list_slug": list_slug})
    return visit.done("/console/lists", "list-removed")


@router.get("/lists/{slug}/{list_slug}/adopt")
@calls("get_list")
async def adoption(visit: Visiting, slug: Slug, list_slug: Slug) -> Response:
    """Show the form of the decision."""
    return await _adoption(visit, slug, list_slug, Form())


@router.post("/lists/{slug}/{list_slug}/adopt")
@calls("get_list", "adopt_list")
async def adopt(visit: Visiting, form: OwnForm, slug: Slug, list_slug: Slug) -> Response:
    """Check what was entered, or adopt the list."""
    where = {"slug": slug, "list_slug": list_slug}
    acts = form.text("to") == "adopt"
    if form.text("to") not in ("adopt", "check"):
        return await _adoption(visit, slug, list_slug, form)
    try:
        answer = await visit.act("adopt_list", where, _body(form), {"dry_run": not acts})
    except Refused as error:
        return await _adoption(visit, slug, list_slug, form.refused(error, terms="until", end="until"), 422)
    if acts:
        return visit.done(path_of(slug, list_slug), "waiting" if answer.waits else "list-adopted")
    return await _adoption(visit, slug, list_slug, form, would=ListRead.model_validate(answer.json))


def path_of(slug: str, list_slug: str) -> str:
    """Return the path of a list's page."""
    return f"/console/lists/{quote(slug)}/{quote(list_slug)}"


def _body(form: Form) -> dict[str, object]:
    return {"decision": form.given(*DECISION), "terms": [form.given(*TERM)], **form.given("mode")}


async def _new(visit: Visit, form: Form, status: int = 200, empty: str = "") -> Response:
    authorities = [each for each in await own_authorities(visit) if visit.holder.has(OPERATORS, each.slug)]
    return await visit.page(
        "list_new.html.jinja",
        status=status,
        form=form,
        empty=empty,
        authorities=[(each.slug, visit.words.name(each.names)) for each in authorities],
        categories=[(str(each), visit.words.policy(str(each))) for each in Category],
    )


async def _adoption(
    visit: Visit, slug: str, list_slug: str, form: Form, status: int = 200, would: ListRead | None = None
) -> Response:
    found = would or await visit.read(ListRead, "get_list", {"slug": slug, "list_slug": list_slug})
    return await visit.page(
        "list_adopt.html.jinja",
        status=status,
        form=form,
        found=found,
        would=would,
        path=path_of(slug, list_slug),
        zone=visit.zones.get(slug, DEFAULT_ZONE),
        kept=[(name, value) for name in FIELDS for value in form.texts(name) if value],
    )
