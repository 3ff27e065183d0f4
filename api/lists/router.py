"""/v1/lists and /v1/authorities/{slug}/lists."""

from typing import Annotated

from fastapi import APIRouter, Response

from api.authorities import repository as authorities
from api.db.models import AuthorityRow, ProhibitedListRow
from api.db.unit_of_work import UnitOfWork
from api.http.dependencies import RuntimeDep, UnitDep, tag
from api.http.parameters import AuthorityFilter, PagingDep
from api.http.path_rows import by_slug, row_to_change, row_to_read
from api.http.permits import AnyAccount, OperatorOfPath
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, documented
from api.http.routes import Route
from api.http.schemas import Page, Slug
from api.lists import repository
from api.lists import service as acts
from api.lists.reading import read_list, read_summary
from api.lists.schemas import (
    ListAdoption,
    ListChange,
    ListEnding,
    ListRead,
    ListRenewal,
    ListSummary,
    ListToggle,
    ListWrite,
)

lists = APIRouter(route_class=Route, prefix="/v1/lists", tags=["lists"])
of_authority = APIRouter(route_class=Route, prefix="/v1/authorities/{slug}/lists", tags=["lists"])


async def by_list(slug: Slug, list_slug: Slug) -> tuple[str, str]:
    """Read `{slug}` and `{list_slug}`."""
    return slug, list_slug


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
    """Prepare a list: its title, and its services or a category. It has no effect before it is adopted."""
    response.status_code = 201 if row is None else 200
    made = acts.put(unit, owner, list_slug, row, body, held.publishing.services(unit), held.catalogue)
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
) -> ListRead:
    """Adopt a ban on each service of the list, by one formal decision with terms.

    A service that the authority bans already keeps its ban, and is in `kept`.
    """
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


def _page(unit: UnitOfWork, authority: str | None, paging: PagingDep) -> Page[ListSummary]:
    rows, following = repository.page(unit.session, authority, paging)
    return Page(items=[read_summary(row) for row in rows], next=following)


def _answer(
    unit: UnitOfWork, held: RuntimeDep, row: ProhibitedListRow, response: Response, kept: list[str] | None = None
) -> ListRead:
    tag(response, row.revision)
    return read_list(unit.session, row, held.catalogue, unit.now_s, kept or ())
