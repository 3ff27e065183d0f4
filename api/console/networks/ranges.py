"""Networks: the ranges of an authority with what asks in them; register, change and remove one."""

from ipaddress import ip_network

from fastapi import Response

from api.auth.roles import AUDITORS, OPERATORS
from api.authorities.schemas import AuthorityRead
from api.console.authority_choice import own_authorities
from api.console.frame.calls import Refused, Values, calls, faults_by_api, read
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, OwnForm, Visit, Visiting, query_form
from api.console.networks.choices import audiences, fundings, named, sites
from api.errors import Invalid
from api.http.prefixes import PrefixMap, parse_prefix
from api.http.schemas import Page
from api.nodes.schemas import UnregisteredRead
from api.ranges.schemas import RangeRead, RangeWritten
from api.spaces.schemas import SpaceRead
from api.usage.schemas import CoverageRead
from dnsfilter.policy.fleets import NO_FLEET_NETWORK
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.policy.model import DEFAULT_SITE

router = pages()
PATH = "/console/networks"
SHOWN = 50
FILTERS = ("authority", "audience", "funding")
FIELDS = ("audience", "funding", "label")


@router.get("/networks")
@calls("list_coverage")
async def networks(visit: Visiting) -> Response:
    """Show the ranges of one authority, in the order of their registration."""
    form = query_form(visit.request)
    authorities = await own_authorities(visit)
    chosen = form.text("authority") or next((each.slug for each in authorities), "")
    found, status = Page[CoverageRead](items=[]), 200
    if chosen:
        query = {**form.given(*FILTERS, "cursor"), "authority": chosen, "limit": SHOWN}
        try:
            found = await visit.read(Page[CoverageRead], "list_coverage", query=query)
        except Refused as error:
            form, status = form.refused(error), 422
    return await visit.page(
        "networks/list.html.jinja",
        status=status,
        form=form,
        chosen=chosen,
        authorities=named(visit, authorities),
        audiences=audiences(visit),
        fundings=fundings(visit),
        ranges=found.items,
        following=None if found.next is None else {**form.given(*FILTERS), "authority": chosen, "cursor": found.next},
        zone=visit.zones.get(chosen, DEFAULT_ZONE),
        registers=visit.holder.has(OPERATORS, chosen),
        sees_unregistered=visit.holder.has(AUDITORS, None),
    )


@router.get("/networks/unregistered")
@calls("list_unregistered")
async def unregistered(visit: Visiting) -> Response:
    """Show the networks from which queries came and that are in no range."""
    cursor = visit.request.query_params.get("cursor")
    found = await visit.read(Page[UnregisteredRead], "list_unregistered", query={"limit": SHOWN, "cursor": cursor})
    return await visit.page(
        "networks/unregistered.html.jinja",
        networks=found.items,
        following=found.next,
        zone=DEFAULT_ZONE,
        registers=visit.holder.administers,
        never_registered=NO_FLEET_NETWORK,
    )


@router.get("/networks/new")
@calls("list_sites", "list_spaces")
async def new(visit: Visiting) -> Response:
    """Show the form that registers a range, filled in as far as the address says."""
    form = query_form(visit.request)
    if form.text("prefix") and not form.text("authority"):
        owner = await _owner(visit, form.text("site"), form.text("prefix"))
        form = Form({**form.fields, "authority": [owner]}) if owner else form
    return await _new_page(visit, form)


@router.post("/networks/new")
@calls("put_range", "list_sites")
async def register(visit: Visiting, form: OwnForm) -> Response:
    """Register a range, or show what that would change."""
    rehearsing = form.text("do") == "check"
    try:
        path = _path(form.text("site") or DEFAULT_SITE, form.text("prefix"))
        body = {name: form.text(name) for name in ("authority", *FIELDS)}
        query = {"dry_run": rehearsing}
        answer = await visit.act("put_range", path, body, query, headers={"If-None-Match": "*"})
    except Refused as error:
        return await _new_page(visit, form.refused(error), 422)
    except Invalid as error:
        return await _new_page(visit, Form(form.fields, faults_by_api(error.faults)), 422)
    if rehearsing:
        return await _new_page(visit, form, would=read(RangeWritten, answer))
    return visit.done("{}/{site}/{address}/{length}".format(PATH, **path), "registered")


@router.get("/networks/{site}/{address}/{length}")
@calls("get_range")
async def one(visit: Visiting, site: str, address: str, length: int) -> Response:
    """Show a range, with the forms that change and remove it."""
    return await _one_page(visit, {"site": site, "address": address, "length": length}, Form())


@router.post("/networks/{site}/{address}/{length}")
@calls("patch_range", "get_range")
async def change(visit: Visiting, form: OwnForm, site: str, address: str, length: int) -> Response:
    """Change who uses a range, who paid for its devices, and its label."""
    path = {"site": site, "address": address, "length": length}
    try:
        await visit.act("patch_range", path, {name: form.text(name) for name in FIELDS})
    except Refused as error:
        return await _one_page(visit, path, form.refused(error), 422)
    return visit.done(visit.request.url.path, "range_changed")


@router.post("/networks/{site}/{address}/{length}/remove")
@calls("remove_range", "get_range")
async def remove(visit: Visiting, _form: OwnForm, site: str, address: str, length: int) -> Response:
    """Remove a range."""
    path = {"site": site, "address": address, "length": length}
    try:
        await visit.act("remove_range", path)
    except Refused as error:
        return await _one_page(visit, path, Form().refused(error), 422)
    return visit.done(PATH, "range_removed")


def _path(site: str, prefix: str) -> dict[str, object]:
    """Return what identifies a range in a path. Raise Invalid for a text that is no prefix."""
    network = parse_prefix(prefix, "body.prefix")
    return {"site": site, "address": str(network.network_address), "length": network.prefixlen}


async def _owner(visit: Visit, site: str, prefix: str) -> str:
    """Return the authority to which the space around a prefix is allotted, or an empty text."""
    found = await visit.read(Page[SpaceRead], "list_spaces", query={"site": site or DEFAULT_SITE, "limit": 200})
    spaces = PrefixMap((ip_network(each.prefix), each.authority) for each in found.items)
    try:
        return spaces.of(parse_prefix(prefix, "query.prefix")) or ""
    except Invalid:
        return ""


async def _new_page(visit: Visit, form: Form, status: int = 200, would: RangeWritten | None = None) -> Response:
    authorities = _operated(visit, await own_authorities(visit))
    return await visit.page(
        "networks/new.html.jinja",
        status=status,
        form=form,
        would=would,
        authorities=named(visit, authorities),
        audiences=audiences(visit),
        fundings=fundings(visit),
        sites=await sites(visit),
    )


def _operated(visit: Visit, authorities: list[AuthorityRead]) -> list[AuthorityRead]:
    return [each for each in authorities if visit.holder.has(OPERATORS, each.slug)]


async def _one_page(visit: Visit, path: Values, form: Form, status: int = 200) -> Response:
    found = await visit.read(RangeRead, "get_range", path)
    return await visit.page(
        "networks/one.html.jinja",
        status=status,
        form=form,
        network=found,
        changes=visit.holder.has(OPERATORS, found.authority),
        audiences=audiences(visit),
        fundings=fundings(visit),
    )
