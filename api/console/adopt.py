"""Adopt a ban: what, by which decision, when and how; a check; then the act. Following another ban takes two steps.

What was entered travels in hidden fields from step to step. Nothing is kept before the act, and the API checks all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import Response

from api.bans.schemas import BanRead
from api.console.authority_choice import own_authorities
from api.console.frame.calls import Refused, calls
from api.console.frame.page_route import pages
from api.console.frame.page_words import N_
from api.console.frame.visit import Form, OwnForm, Visit, Visiting, query_form
from api.http.parameters import MAX_LIMIT
from api.http.schemas import Page
from api.ranges.schemas import RangeRead
from api.services.schemas import ServiceSummary
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.policy.model import DEFAULT_AUDIENCE, DEFAULT_FUNDING

router = pages()
LISTED = MAX_LIMIT
"""Services or bans from which a step lets choose. A link leads to the next ones."""
DECISION = ("organ", "reference", "date", "legal_basis", "advice", "link")
SEVERAL = ("funding", "audience")
STEPS: Mapping[str, tuple[str, ...]] = {
    "what": ("authority", "service"),
    "decision": DECISION,
    "scope": ("start", "until", "review_by", "mode", "reply", "addresses", *SEVERAL),
}
"""The steps of the form in order, with their fields."""
FOLLOWING: Mapping[str, tuple[str, ...]] = {"follow": ("authority", "follows", *DECISION)}
DEFAULTS = {"funding": sorted(map(str, DEFAULT_FUNDING)), "audience": sorted(map(str, DEFAULT_AUDIENCE))}
CHECK = "check"
TITLES = {
    "what": N_("What is banned, and where"),
    "decision": N_("Who decided it"),
    "scope": N_("When and how"),
    "follow": N_("Which ban, and who decided it here"),
    CHECK: N_("Check, then adopt"),
}


@dataclass(frozen=True, slots=True)
class Reach:
    """The ranges that the ban covers, of those that are registered. `more` says that there may be others."""

    ranges: int
    more: bool


@router.get("/adopt")
@calls("list_services", "list_bans")
async def adopt(visit: Visiting, follow: bool = False) -> Response:
    """Show the first step: of a new ban, or of one that follows another authority's."""
    return await _step(visit, query_form(visit.request), "follow" if follow else "what")


@router.post("/adopt")
@calls("list_services", "list_bans", "put_ban", "list_ranges")
async def next_step(visit: Visiting, form: OwnForm) -> Response:
    """Show the step that the form asks for, or adopt the ban."""
    steps = _steps(form)
    wanted = form.text("to")
    if wanted in steps:
        return await _step(visit, form, wanted)
    try:
        return await _check(visit, form) if wanted == CHECK else await _adopt(visit, form)
    except Refused as error:
        return await _step(visit, form.refused(error), _faulty(steps, error), 422)


async def _adopt(visit: Visit, form: Form) -> Response:
    where = _where(form)
    answer = await visit.act("put_ban", where, _body(form))
    return visit.done(f"/console/bans/{where['slug']}/{where['service']}", "waiting" if answer.waits else "adopted")


async def _check(visit: Visit, form: Form) -> Response:
    where = _where(form)
    ban = BanRead.model_validate((await visit.act("put_ban", where, _body(form), {"dry_run": True})).json)
    found = await visit.read(Page[RangeRead], "list_ranges", query={"authority": ban.authority, "limit": MAX_LIMIT})
    covered = sum(each.funding in ban.funding and each.audience in ban.audience for each in found.items)
    return await _shown(
        visit,
        form,
        CHECK,
        ban=ban,
        reach=Reach(covered, found.next is not None),
        zone=visit.zones.get(ban.authority, DEFAULT_ZONE),
    )


async def _step(visit: Visit, form: Form, step: str, status: int = 200) -> Response:
    services, bans = Page[ServiceSummary](items=[]), Page[BanRead](items=[])
    cursor = form.text("cursor") or None
    if step == "what":
        services = await visit.read(Page[ServiceSummary], "list_services", query={"limit": LISTED, "cursor": cursor})
    if step == "follow":
        query = {"limit": LISTED, "cursor": cursor, "sort": "authority", "state": "in_force"}
        bans = await visit.read(Page[BanRead], "list_bans", query=query)
    own = [each for each in await own_authorities(visit) if visit.may("put_ban", each.slug)]
    authorities = [(each.slug, visit.words.name(each.names)) for each in own]
    return await _shown(
        visit,
        form,
        step,
        status=status,
        authorities=authorities,
        services=sorted(services.items, key=lambda each: each.name.casefold()),
        bans=bans.items,
        references=[f"{each.authority}/{each.service}" for each in bans.items],
        following=services.next or bans.next,
    )


async def _shown(visit: Visit, form: Form, step: str, **values: object) -> Response:
    steps = _steps(form, step)
    order = [*steps, CHECK]
    index = order.index(step)
    status = int(str(values.pop("status", 200)))
    return await visit.page(
        "adopt.html.jinja",
        status=status,
        form=form,
        step=step,
        title=TITLES[step],
        number=index + 1,
        of=len(order),
        after=order[index + 1] if index + 1 < len(order) else "adopt",
        before=order[index - 1] if index else "",
        kept=_kept(form, [name for each, names in steps.items() if each != step for name in names]),
        **{
            "defaults": DEFAULTS,
            "authorities": [],
            "services": [],
            "bans": [],
            "references": [],
            "following": None,
            "ban": None,
            "reach": None,
            "zone": "",
            **values,
        },
    )


def _steps(form: Form, step: str = "") -> Mapping[str, tuple[str, ...]]:
    return FOLLOWING if step == "follow" or form.text("follows") or form.text("to") == "follow" else STEPS


def _faulty(steps: Mapping[str, Sequence[str]], error: Refused) -> str:
    """Return the first step with a field that is wrong; the first of all for what is no field's fault."""
    wrong = {fault.location.rpartition(".")[2] for fault in error.faults}
    return next((step for step, names in steps.items() if wrong & {*names, *_PARTS.get(step, ())}), next(iter(steps)))


_PARTS = {"scope": ("terms", "end", "for"), "decision": ("decision",)}
"""Fields of a ban that faults name, and that a step asks for under other names."""


def _kept(form: Form, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return what was entered in other steps, as names and values of hidden fields."""
    return [(name, value) for name in names for value in form.texts(name) if value]


def _where(form: Form) -> dict[str, object]:
    followed = form.text("follows").partition("/")[2]
    return {"slug": form.text("authority"), "service": followed or form.text("service")}


def _body(form: Form) -> dict[str, object]:
    """Return the ban as the API reads it. What is left out has the API's default, or is that of the followed ban."""
    decision = form.given(*DECISION)
    if form.text("follows"):
        return {"decision": {**decision, "follows": form.text("follows")}}
    body: dict[str, object] = {"decision": decision, "terms": [form.given("start", "until", "review_by")]}
    body |= form.given("mode", "reply")
    body |= {name: form.texts(name) for name in SEVERAL if form.texts(name)}
    addresses = form.text("addresses").replace(",", " ").split()
    return body | ({"addresses": addresses} if addresses else {})
