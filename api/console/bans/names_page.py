"""Names that an authority refuses or allows by itself: list, refuse, allow and remove."""

from typing import Annotated
from urllib.parse import quote

from fastapi import Path, Response

from api.console.authority_choice import own_authorities
from api.console.frame.calls import Refused, calls, said_by_api
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, OwnForm, Visit, Visiting
from api.errors import Fault
from api.http.schemas import Page
from api.names.schemas import NameRead
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.policy.single_names import parse_single_name
from dnsfilter.wire.names import name_text

router = pages()
PATH = "/console/names"
PER_PAGE = 100
Name = Annotated[str, Path(max_length=300)]


@router.get("/names")
@calls("list_names")
async def single_names(visit: Visiting, authority: str = "", cursor: str = "") -> Response:
    """List the names of one of the caller's authorities, with the form that adds one."""
    return await _page(visit, authority, Form(), cursor=cursor)


@router.post("/names")
@calls("list_names", "put_name")
async def put(visit: Visiting, form: OwnForm) -> Response:
    """Refuse or allow a name."""
    authority = form.text("authority")
    try:
        name = name_text(parse_single_name(form.text("name")))
    except ValueError as error:
        return await _page(visit, authority, Form(form.fields, [Fault("path.name", said_by_api(str(error)))]), 422)
    body = {**form.given("verdict", "reason", "until"), "exact": form.text("exact") == "yes"}
    try:
        answer = await visit.act("put_name", {"slug": authority, "name": name}, body)
    except Refused as error:
        return await _page(visit, authority, form.refused(error, end="until"), 422)
    if answer.waits:
        return visit.done(f"{PATH}/{quote(authority)}", "waiting")
    return visit.done(f"{PATH}/{quote(authority)}/{quote(name)}", "named")


@router.get("/names/{slug}")
@calls("list_names")
async def of_authority(visit: Visiting, slug: Name) -> Response:
    """List the names of an authority."""
    return await _page(visit, slug, Form())


@router.get("/names/{slug}/{name}")
@calls("get_name")
async def single_name(visit: Visiting, slug: Name, name: Name) -> Response:
    """Show one name, and what still refuses or answers it."""
    return await _name(visit, slug, name, Form())


@router.post("/names/{slug}/{name}/remove")
@calls("get_name", "remove_name")
async def remove(visit: Visiting, form: OwnForm, slug: Name, name: Name) -> Response:
    """End what refuses or allows the name."""
    try:
        answer = await visit.act("remove_name", {"slug": slug, "name": name}, query=form.given("reason"))
    except Refused as error:
        return await _name(visit, slug, name, form.refused(error), 422)
    return visit.done(f"{PATH}/{quote(slug)}", "waiting" if answer.waits else "name-removed")


async def _page(visit: Visit, authority: str, form: Form, status: int = 200, cursor: str = "") -> Response:
    own = await own_authorities(visit)
    if not authority and own:
        authority = own[0].slug
    query = {"authority": authority or None, "limit": PER_PAGE, "cursor": cursor or None}
    found = await visit.read(Page[NameRead], "list_names", query=query)
    return await visit.page(
        "single_names.html.jinja",
        status=status,
        form=form,
        authority=authority,
        names=found.items,
        following=found.next,
        zone=visit.zones.get(authority, DEFAULT_ZONE),
        authorities=[(each.slug, visit.words.name(each.names)) for each in own],
        may_act=visit.may("put_name", authority),
    )


async def _name(visit: Visit, slug: str, name: str, form: Form, status: int = 200) -> Response:
    found = await visit.read(NameRead, "get_name", {"slug": slug, "name": name})
    return await visit.page(
        "single_name.html.jinja",
        status=status,
        form=form,
        name=found,
        path=f"{PATH}/{quote(slug)}/{quote(name)}",
        zone=visit.zones.get(slug, DEFAULT_ZONE),
        may_act=visit.may("remove_name", slug) and found.ended is None,
    )
