"""The form that asks for an exemption: an authority, one of the bans there, its networks, a time, and hours."""

from collections import defaultdict
from collections.abc import Iterator

from fastapi import Response

from api.auth.roles import OPERATORS
from api.bans.schemas import BanRead, State
from api.bindings.schemas import BindingRead, BindingState
from api.console.authority_choice import own_authorities
from api.console.exemptions.exemption_pages import PATH
from api.console.frame.calls import Refused, calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, OwnForm, Visit, Visiting, query_form
from api.errors import Fault
from api.exemptions.schemas import ExemptionRead
from api.http.parameters import MAX_LIMIT
from api.http.schemas import Page
from api.ranges.schemas import RangeRead
from dnsfilter.policy.calendar import DAY_NAMES
from dnsfilter.policy.model import DEFAULT_SITE

router = pages()
MAX_RANGES = 100
"""Most networks that the form lists; others are typed."""
MIDNIGHT = "00:00"
READ = ("list_authority_bans", "list_bindings", "list_ranges")
FIELDS = {"start": "start_day", "until": "until_day", "end": "until_day"}
"""Fields of the API by those of the form."""


@router.get("/exemptions/ask")
@calls(*READ)
async def ask(visit: Visiting) -> Response:
    """Show the form, filled in with the fields in the address."""
    return await _page(visit, query_form(visit.request))


@router.post("/exemptions/ask")
@calls("request_exemption", *READ)
async def send(visit: Visiting, form: OwnForm) -> Response:
    """Ask for the exemption."""
    sites, prefixes = _ranges(form)
    if len(sites) > 1:
        text = visit.words.translate("Choose networks of one site, and ask for the others separately.")
        return await _page(visit, Form(form.fields, [Fault("ranges", text)]), 422)
    body = {
        "ban": form.text("ban"),
        "site": next(iter(sites), DEFAULT_SITE),
        "ranges": prefixes,
        "hours": list(_hours(form)),
        "reason": form.text("reason"),
        **{name: said for name in ("start", "until") if (said := _time(form, name))},
    }
    try:
        answer = await visit.act("request_exemption", body=body)
    except Refused as error:
        return await _page(visit, form.refused(error, **FIELDS), 422)
    return visit.done(f"{PATH}/{ExemptionRead.model_validate(answer.json).number}", "asked")


async def _page(visit: Visit, form: Form, status: int = 200) -> Response:
    own = [each for each in await own_authorities(visit) if visit.holder.has(OPERATORS, each.slug)]
    authority = form.text("authority") or (own[0].slug if len(own) == 1 and not visit.has_more_authorities else "")
    bans, more, ranges = list[str](), False, Page[RangeRead](items=[])
    if authority:
        bans, more = await _bans(visit, authority)
        query = {"authority": authority, "limit": MAX_RANGES}
        ranges = await visit.read(Page[RangeRead], "list_ranges", query=query)
    chosen = form.text("ban")
    return await visit.page(
        "exemption_ask.html.jinja",
        status=status,
        form=form,
        own=[(each.slug, visit.words.name(each.names)) for each in own],
        authority=authority,
        bans=bans if not chosen or chosen in bans else [chosen, *bans],
        more=more,
        ranges=ranges,
        typed=_typed(form, ranges.items),
        days=list(enumerate(visit.words.weekdays())),
    )


async def _bans(visit: Visit, authority: str) -> tuple[list[str], bool]:
    """Return the first bans that apply to an authority: its own, and those that bind it. Say whether there are more."""
    own = await visit.read(Page[BanRead], "list_authority_bans", {"slug": authority}, {"limit": MAX_LIMIT})
    query = {"authority": authority, "limit": MAX_LIMIT}
    bound = await visit.read(Page[BindingRead], "list_bindings", query=query)
    live = [f"{each.authority}/{each.service}" for each in own.items if each.state is not State.LAPSED]
    binding = dict.fromkeys(each.ban for each in bound.items if each.state is BindingState.IN_FORCE)
    return [*live, *binding], (own.next or bound.next) is not None


def _ranges(form: Form) -> tuple[set[str], list[str]]:
    """Return the sites and the prefixes of the networks that were chosen ("default/192.0.2.0/24") or typed."""
    site = form.text("site") or DEFAULT_SITE
    chosen = [each.partition("/") for each in form.texts("ranges")]
    typed = form.text("typed").split()
    return {name for name, _, _ in chosen} | ({site} if typed else set()), [*(each[2] for each in chosen), *typed]


def _typed(form: Form, listed: list[RangeRead]) -> str:
    """Return the text of typed networks: what was typed, and the prefilled ones that the form does not list."""
    known = {f"{each.site}/{each.prefix}" for each in listed}
    others = (each for each in form.texts("ranges") if each not in known)
    return "\n".join([*form.texts("typed"), *(each.partition("/")[2] for each in others)])


def _time(form: Form, name: str) -> str:
    return " ".join(filter(None, (form.text(f"{name}_day"), form.text(f"{name}_time"))))


def _hours(form: Form) -> Iterator[str]:
    """Yield the weekly hours as the API reads them: days with the same hours together. An end at midnight is 24:00."""
    days: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for day, name in enumerate(DAY_NAMES):
        start, end = form.text(f"from-{day}"), form.text(f"to-{day}")
        if start or end:
            days[start, "24:00" if end == MIDNIGHT else end].append(name)
    for (start, end), names in days.items():
        yield f"{','.join(names)} {start}-{end}"
    yield from filter(None, map(str.strip, form.text("hours").splitlines()))
