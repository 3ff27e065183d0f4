"""Today: the bans of the caller's authorities, what needs attention, what was refused, and whether DNS works."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any, TypeVar

from fastapi import Query, Response

from api.attention.schemas import AttentionRead
from api.authorities.schemas import AuthorityRead
from api.bans.schemas import BanRead, State
from api.bindings.schemas import BindingRead, BindingState
from api.console.authority_choice import chosen_authority, own_authorities
from api.console.frame.calls import calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, Looking, Visit, Visiting
from api.console.refused_week import week_of
from api.exemptions.schemas import ExemptionRead, ExemptionState
from api.http.parameters import Cursor
from api.http.schemas import Page, Slug
from dnsfilter.policy.instants import DEFAULT_ZONE

router = pages()
ON_PAGE = 50
"""Bans on one page."""
Listed = TypeVar("Listed", BindingRead, ExemptionRead)
Chosen = Annotated[Slug | None, Query(description="The authority whose week is shown.")]


@router.get("")
@calls("get_attention", "list_bans", "list_bindings", "list_exemptions", "list_usage")
async def today(visit: Visiting, authority: Chosen = None, cursor: Cursor = None) -> Response:
    """Show today's page."""
    known = await _known(visit)
    if not known.first:
        return await visit.page("today_without_role.html.jinja")
    chosen = await chosen_authority(visit, authority or "", known.first) or known.first[0]
    return await visit.page(
        "today.html.jinja",
        **await _now(visit, known, cursor),
        chosen=chosen,
        form=Form(),
        choices=[(each.slug, visit.words.name(each.names)) for each in known.first],
        week=await week_of(visit, chosen),
        may_adopt=any(visit.may("put_ban", each.slug) for each in known.first),
    )


@router.get("/today/now")
@calls("get_attention", "list_bans", "list_bindings", "list_exemptions")
async def now(visit: Looking, cursor: Cursor = None) -> Response:
    """Show what changes on today's page. The page fetches it every 30 seconds."""
    return visit.fragment("today_now.html.jinja", **await _now(visit, await _known(visit), cursor))


@dataclass(frozen=True, slots=True)
class Authorities:
    """The first authorities in which the caller has a role. `are_all` says whether there are no others."""

    first: list[AuthorityRead]
    are_all: bool

    @property
    def by_slug(self) -> dict[str, AuthorityRead]:
        """Return the authorities by slug."""
        return {each.slug: each for each in self.first}


@dataclass(frozen=True, slots=True)
class Bans:
    """What is banned in one authority: by itself, and by others."""

    slug: str
    name: str
    zone: str
    own: Sequence[BanRead]
    bound: Sequence[BindingRead]


async def _known(visit: Visit) -> Authorities:
    found = await own_authorities(visit)
    return Authorities(found, not visit.has_more_authorities)


async def _now(visit: Visit, known: Authorities, cursor: str | None) -> dict[str, Any]:
    """Return the values of what changes: a page of bans, what needs attention, and the nodes."""
    attention = await visit.read(AttentionRead, "get_attention")
    wanted = {"mine": True, "sort": "authority", "limit": ON_PAGE, "cursor": cursor}
    bans = await visit.read(Page[BanRead], "list_bans", query=wanted)
    bindings = await _all(visit, known, Page[BindingRead], "list_bindings", mine=True)
    exemptions = await _all(visit, known, Page[ExemptionRead], "list_exemptions", state=ExemptionState.IN_FORCE)
    return {
        "attention": attention,
        "zones": visit.zones,
        "zone": DEFAULT_ZONE,
        "own": _of_authorities(visit, known, bans, bindings or []),
        "following": bans.next,
        "exemptions": Counter(each.ban for each in exemptions or ()),
        "exemptions_left_out": exemptions is None,
        "bound_left_out": bindings is None,
        "here": f"?cursor={cursor}" if cursor else "",
    }


async def _all(
    visit: Visit, known: Authorities, kind: type[Page[Listed]], operation: str, **wanted: object
) -> list[Listed] | None:
    """Return all that an operation lists; None if the caller has too many authorities, or it lists more than a page."""
    if not known.are_all:
        return None
    found = await visit.read(kind, operation, query={**wanted, "limit": ON_PAGE})
    return None if found.next else found.items


def _of_authorities(
    visit: Visit, known: Authorities, bans: Page[BanRead], bindings: Sequence[BindingRead]
) -> list[Bans]:
    """Return the bans by authority. Those without a ban are shown if all are on one page."""
    by_slug = known.by_slug
    own = {slug: list(each) for slug, each in groupby(bans.items, lambda ban: ban.authority)}
    slugs = dict.fromkeys([*by_slug, *own]) if known.are_all and bans.next is None else own
    return [
        Bans(
            slug,
            visit.words.name(by_slug[slug].names) if slug in by_slug else slug,
            visit.zones.get(slug, DEFAULT_ZONE),
            [ban for ban in own.get(slug, ()) if ban.state is not State.LAPSED],
            [each for each in bindings if each.authority == slug and each.state is BindingState.IN_FORCE],
        )
        for slug in slugs
    ]
