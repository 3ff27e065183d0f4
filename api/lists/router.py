"""/v1/lists, /v1/authorities/{slug}/lists and /v1/list-links."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.authorities import repository as authorities
from api.bindings.schemas import NewNames
from api.catalogue.repository import categories_in_force
from api.db.models import AuthorityRow, ListLinkRow, ProhibitedListRow
from api.db.unit_of_work import UnitOfWork
from api.http.dependencies import RuntimeDep, UnitDep, tag
from api.http.parameters import MAX_LIMIT, AuthorityFilter, DryRun, PagingDep
from api.http.path_rows import by_number, by_slug, demand_own, row_to_change, row_to_read
from api.http.permits import AnyAccount, ApproverOfObject, OperatorOfObject, OperatorOfPath
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, documented
from api.http.routes import Route
from api.http.schemas import Page, Slug
from api.lists import links as link_acts
from api.lists import repository
from api.lists import service as acts
from api.lists.reading import read_link, read_links, read_list, read_summary
from api.lists.schemas import (
    LinkEnding,
    LinkRead,
    LinkWrite,
    ListAdoption,
    ListChange,
    ListEnding,
    ListRead,
    ListReference,
    ListRenewal,
    ListSummary,
    ListToggle,
    ListWrite,
)

links = APIRouter(route_class=Route, prefix="/v1/list-links", tags=["lists"])
lists = APIRouter(route_class=Route, prefix="/v1/lists", tags=["lists"])
of_authority = APIRouter(route_class=Route, prefix="/v1/authorities/{slug}/lists", tags=["lists"])


async def by_list(slug: Slug, list_slug: Slug) -> tuple[str, str]:
    """Read `{slug}` and `{list_slug}`."""
    return slug, list_slug


OfList = Annotated[ListReference | None, Query(alias="list", description="Only links of this list.")]
ShownLink = Annotated[ListLinkRow, row_to_read(by_number, repository.get_link)]
OfLinked = Annotated[ListLinkRow, row_to_change(by_number, repository.get_link, demand_own)]
Responsible = Annotated[ListLinkRow, row_to_change(by_number, repository.get_link, link_acts.demand_responsible)]
Owner = Annotated[AuthorityRow, row_to_read(by_slug, authorities.get)]
Shown = Annotated[ProhibitedListRow, row_to_read(by_list, repository.get)]
Changed = Annotated[ProhibitedListRow, row_to_change(by_list, repository.get)]
Put = Annotated[ProhibitedListRow | None, row_to_change(by_list, repository.find)]


@lists.get("", summary="List prohibited lists")
def list_prohibited_lists(
    unit: UnitDep, _permit: AnyAccount, authority: AuthorityFilter, paging: PagingDep
) -> Page[ListSummary]:
    """List the prohibited lists of all authorities, by number."""
    return _page(unit, authority, paging)


@of_authority.get("", summary="List an authority's prohibited lists", responses=documented(NOT_FOUND))
def list_authority_lists(owner: Owner, unit: UnitDep, _permit: AnyAccount, paging: PagingDep) -> Page[ListSummary]:
    """List the prohibited lists of one authority, by number."""
    return _page(unit, owner.slug, paging)


@of_authority.get("/{list_slug}", summary="Get a prohibited list", responses=documented(NOT_FOUND))
def get_list(row: Shown, unit: UnitDep, held: RuntimeDep, _permit: AnyAccount, response: Response) -> ListRead:
    """Get one list with its services, their bans, and its versions."""
    return _answer(unit, held, row, response)


@of_authority.put(
    "/{list_slug}",
    summary="Prepare a prohibited list",
    responses={**documented(NOT_FOUND, NOT_PUBLISHED), 201: {"model": ListRead, "description": "prepared"}},
)
def put_list(
    owner: Owner,
    row: Put,
    list_slug: Slug,
    body: ListWrite,
    unit: UnitDep,
    held: RuntimeDep,
    _permit: OperatorOfPath,
    response: Response,
) -> ListRead:
    """Prepare a list: its title, and its services or a category. It has no effect before it is adopted.

    At any time, decline services that are proposed because its category got them.
    """
    response.status_code = 201 if row is None else 200
    categories = categories_in_force(unit.session, held.catalogue)
    made = acts.put(unit, owner, list_slug, row, body, held.publishing.services(unit), categories)
    return _answer(unit, held, made, response)


@of_authority.delete(
    "/{list_slug}",
    summary="Remove a prohibited list",
    status_code=204,
    responses=documented(NOT_FOUND, NOT_PUBLISHED),
)
def remove_list(row: Changed, unit: UnitDep, _permit: OperatorOfPath) -> None:
    """Remove a list that was never adopted."""
    acts.remove(unit, row)


@of_authority.post(
    "/{list_slug}/adopt", summary="Adopt a prohibited list", responses=documented(NOT_FOUND, NOT_PUBLISHED)
)
def adopt_list(
    owner: Owner,
    row: Changed,
    body: ListAdoption,
    unit: UnitDep,
    held: RuntimeDep,
    _permit: OperatorOfPath,
    response: Response,
    dry_run: DryRun = False,
) -> ListRead:
    """Adopt a ban on each service of the list, by one formal decision with terms.

    A service that the authority bans already keeps its ban, and is in `kept`. With `dry_run` the answer is the list as
    it would be.
    """
    unit.rehearsing = dry_run
    kept = acts.adopt(unit, owner, row, body, held.publishing.services(unit))
    return _answer(unit, held, row, response, kept)


@of_authority.post(
    "/{list_slug}/versions",
    summary="Change a prohibited list",
    status_code=201,
    responses=documented(NOT_FOUND, NOT_PUBLISHED),
)
def change_list(
    owner: Owner,
    row: Changed,
    body: ListChange,
    unit: UnitDep,
    held: RuntimeDep,
    _permit: OperatorOfPath,
    response: Response,
) -> ListRead:
    """Add services to an adopted list by a further formal decision with terms, or take services off it.

    The bans on services that are taken off end now.
    """
    kept = acts.change(unit, owner, row, body, held.publishing.services(unit))
    response.headers["Location"] = f"/v1/authorities/{owner.slug}/lists/{row.slug}"
    return _answer(unit, held, row, response, kept)


@of_authority.patch("/{list_slug}", summary="Toggle a prohibited list", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def patch_list(
    owner: Owner,
    row: Changed,
    body: ListToggle,
    unit: UnitDep,
    held: RuntimeDep,
    _permit: OperatorOfPath,
    response: Response,
) -> ListRead:
    """Set the mode of every ban of the list that has not lapsed. With `until` or `for` the earlier modes return."""
    acts.set_mode(unit, owner, row, body, held.publishing.services(unit))
    return _answer(unit, held, row, response)


@of_authority.post(
    "/{list_slug}/terms",
    summary="Renew a prohibited list",
    status_code=201,
    responses=documented(NOT_FOUND, NOT_PUBLISHED),
)
def renew_list(
    owner: Owner,
    row: Changed,
    body: ListRenewal,
    unit: UnitDep,
    held: RuntimeDep,
    _permit: OperatorOfPath,
    response: Response,
) -> ListRead:
    """Add a term to every ban of the list, with the formal decision to renew. The decision needs a reference.

    Without `start` each term begins where the terms in force end. A ban that an act has ended stays ended, unless all
    have.
    """
    acts.renew(unit, owner, row, body)
    response.headers["Location"] = f"/v1/authorities/{owner.slug}/lists/{row.slug}"
    return _answer(unit, held, row, response)


@of_authority.post("/{list_slug}/end", summary="End a prohibited list", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def end_list(
    owner: Owner,
    row: Changed,
    body: ListEnding,
    unit: UnitDep,
    held: RuntimeDep,
    _permit: OperatorOfPath,
    response: Response,
) -> ListRead:
    """End every ban of the list at `at`, now or later. A ban that has not begun by then is removed."""
    acts.end(unit, owner, row, body)
    return _answer(unit, held, row, response)


@links.get("", summary="List links of prohibited lists")
def list_links(
    unit: UnitDep,
    _permit: AnyAccount,
    authority: AuthorityFilter,
    paging: PagingDep,
    of: OfList = None,
    waiting: bool = False,
) -> Page[LinkRead]:
    """List the links of prohibited lists by number. `authority` is the linked authority.

    With `waiting`, list only links with services that the authority has not accepted or adopted.
    """
    row = None if of is None else repository.named(unit.session, of, "query.list")
    if waiting:
        numbers = repository.link_numbers(unit.session, authority, row, paging.after(int) or 0)
        items, following = paging.cut(_waiting(unit, numbers), lambda one: one.number)
        return Page(items=list(items), next=following)
    rows, following = repository.link_page(unit.session, authority, row, paging)
    return Page(items=read_links(unit.session, rows, unit.now_s), next=following)


def _waiting(unit: UnitOfWork, numbers: Sequence[int]) -> Iterator[LinkRead]:
    """Yield the links with services that wait, a batch at a time: most requests need only the first."""
    for first in range(0, len(numbers), MAX_LIMIT):
        batch = repository.links_by_number(unit.session, numbers[first : first + MAX_LIMIT])
        yield from (each for each in read_links(unit.session, batch, unit.now_s) if each.waiting)


@links.get("/{number}", summary="Get a link", responses=documented(NOT_FOUND))
def get_link(row: ShownLink, unit: UnitDep, _permit: AnyAccount, response: Response) -> LinkRead:
    """Get one link, with the services that are bound and those that wait."""
    return _linked(unit, row, response)


@links.post("", summary="Link a prohibited list", status_code=201, responses=documented(NOT_PUBLISHED))
def make_link(body: LinkWrite, unit: UnitDep, permit: OperatorOfObject, response: Response) -> LinkRead:
    """Propose an agreement, as the list's authority; follow, as the other one; or record a law, as an administrator."""
    row = link_acts.make(unit, permit, body)
    response.headers["Location"] = f"/v1/list-links/{row.number}"
    return _linked(unit, row, response)


@links.patch("/{number}", summary="Change a link by law", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def patch_link(
    row: Responsible, body: NewNames, unit: UnitDep, _permit: OperatorOfObject, response: Response
) -> LinkRead:
    """Set, as an administrator, whether the law asks that new names are refused at once, also for its bindings."""
    link_acts.set_new_names(unit, row, at_once=body.new_names_at_once)
    return _linked(unit, row, response)


@links.post("/{number}/accept", summary="Accept what a link proposes", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def accept_link(row: OfLinked, unit: UnitDep, _permit: OperatorOfObject, response: Response) -> LinkRead:
    """Accept all bindings that the agreement proposes, as the bound authority. They take effect now."""
    link_acts.accept(unit, row)
    return _linked(unit, row, response)


@links.post(
    "/{number}/adopt", summary="Adopt what a followed list adds", responses=documented(NOT_FOUND, NOT_PUBLISHED)
)
def adopt_link(
    row: OfLinked, body: ListAdoption, unit: UnitDep, held: RuntimeDep, _permit: ApproverOfObject, response: Response
) -> LinkRead:
    """Adopt a ban on each service that waits, as an approver of the following authority, by its own decision.

    The decision needs a legal basis and a reference. Without terms, each ban takes over those of the one it follows.
    """
    link_acts.adopt(unit, row, body, held.publishing.services(unit))
    return _linked(unit, row, response)


@links.post("/{number}/renew", summary="Renew what a follower adopted", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def renew_link(
    row: OfLinked, body: ListRenewal, unit: UnitDep, _permit: OperatorOfObject, response: Response
) -> LinkRead:
    """Renew the bans that the following authority adopted from the list, by its own decision with a reference.

    Without a term, each takes over the rest of the terms of the list's ban, and its scope.
    """
    link_acts.renew(unit, row, body)
    return _linked(unit, row, response)


@links.post("/{number}/withdraw", summary="Withdraw from a link", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def withdraw_link(
    row: OfLinked, body: LinkEnding, unit: UnitDep, _permit: OperatorOfObject, response: Response
) -> LinkRead:
    """Withdraw from the agreement and its bindings, or stop following. Withdrawal from a law is not possible."""
    link_acts.withdraw(unit, row, body)
    return _linked(unit, row, response)


@links.post("/{number}/end", summary="End a link", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def end_link(
    row: Responsible, body: LinkEnding, unit: UnitDep, _permit: OperatorOfObject, response: Response
) -> LinkRead:
    """Record that the agreement or, as an administrator, the law has ended, and its bindings with it."""
    link_acts.end(unit, row, body)
    return _linked(unit, row, response)


def _linked(unit: UnitOfWork, row: ListLinkRow, response: Response) -> LinkRead:
    tag(response, row.revision)
    return read_link(unit.session, row, unit.now_s)


def _page(unit: UnitOfWork, authority: str | None, paging: PagingDep) -> Page[ListSummary]:
    rows, following = repository.page(unit.session, authority, paging)
    return Page(items=[read_summary(row) for row in rows], next=following)


def _answer(
    unit: UnitOfWork, held: RuntimeDep, row: ProhibitedListRow, response: Response, kept: list[str] | None = None
) -> ListRead:
    tag(response, row.revision)
    return read_list(unit.session, row, categories_in_force(unit.session, held.catalogue), unit.now_s, kept or ())
