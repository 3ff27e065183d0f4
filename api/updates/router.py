"""/v1/updates, and /v1/authorities/{slug}/updates."""

from collections.abc import Callable, Mapping
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api.auth.permit import Permit
from api.db.models import ServiceRow, UpdateRow
from api.db.unit_of_work import UnitOfWork
from api.http.dependencies import COSTLY, UnitDep, tag
from api.http.pagination import encode_cursor
from api.http.parameters import PagingDep, ServiceFilter
from api.http.path_rows import by_number, demand_own, row_to_change, row_to_read
from api.http.permits import ApproverOfObject, ReaderOfObject, ReaderOfPath, ReaderOfSome
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, documented
from api.http.routes import Route
from api.http.schemas import Page, Slug
from api.publish.service_lists import service_of
from api.updates import repository, service
from api.updates.reading import names_of, read_update
from api.updates.schemas import Objecting, UpdateAccepting, UpdatedNameRead, UpdateRead, UpdateRejecting, UpdateState
from dnsfilter.policy.model import Instant

router = APIRouter(route_class=Route, prefix="/v1/updates", tags=["updates"])
of_authority = APIRouter(route_class=Route, prefix="/v1/authorities/{slug}/updates", tags=["updates"])


def _demand_readable(_unit: UnitOfWork, permit: Permit, row: UpdateRow) -> None:
    """Raise Forbidden unless the caller may read the update: anybody with a role, if it is one of the catalogue."""
    if row.authority is None:
        permit.visible()
    else:
        permit.demand(row.authority)


Counts: TypeAlias = Callable[[Session, str, Instant], Mapping[str, int]]
"""Returns the queries since an instant for pending names of a service. The room of counts lies above this one."""
Shown = Annotated[UpdateRow, row_to_read(by_number, repository.get, _demand_readable)]
Decided = Annotated[UpdateRow, row_to_change(by_number, repository.get, demand_own)]


@router.get("", summary="List updates")
def list_updates(
    unit: UnitDep,
    permit: ReaderOfSome,
    paging: PagingDep,
    service: ServiceFilter,
    state: UpdateState | None = None,
) -> Page[UpdateRead]:
    """List new names of services, newest first: those of your authorities and of the catalogue."""
    visible = permit.visible()
    rows, following = repository.page(unit.session, visible, None, service, state, unit.now_s, paging)
    return Page(items=[read_update(row, unit.now_s) for row in rows], next=following)


@of_authority.get("", summary="List an authority's updates", responses=documented(NOT_FOUND))
def list_updates_of_authority(
    slug: Slug, unit: UnitDep, _permit: ReaderOfPath, paging: PagingDep, state: UpdateState | None = None
) -> Page[UpdateRead]:
    """List new names of the authority's own services, newest first."""
    rows, following = repository.page(unit.session, None, slug, None, state, unit.now_s, paging)
    return Page(items=[read_update(row, unit.now_s) for row in rows], next=following)


@router.get("/{number}", summary="Get an update", responses=documented(NOT_FOUND))
def get_update(row: Shown, unit: UnitDep, _permit: ReaderOfObject, response: Response) -> UpdateRead:
    """Get one update: how many names come and go, and why it is held back."""
    return _answer(unit, row, response)


@router.get(
    "/{number}/names", summary="List the names of an update", responses=documented(NOT_FOUND), dependencies=[COSTLY]
)
def list_update_names(
    request: Request, row: Shown, unit: UnitDep, _permit: ReaderOfObject, paging: PagingDep
) -> Page[UpdatedNameRead]:
    """List the names that the update adds and removes: the most queried first, then by name."""
    held = unit.session.get(ServiceRow, row.service)
    in_force = () if held is None else service_of(held.content.body).tiers
    counts: Counts = request.app.state.pending_counts
    found = names_of(row, in_force, counts(unit.session, row.service, row.proposed_s), unit.now_s)
    names = sorted(found, key=lambda each: (each.change, -(each.queries or 0), each.name, each.tier))
    first = paging.after(int) or 0
    items = names[first : first + paging.limit]
    following = encode_cursor(first + len(items)) if first + len(items) < len(names) else None
    return Page(items=items, next=following)


@router.post("/{number}/accept", summary="Accept an update", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def accept_update(
    row: Decided, body: UpdateAccepting, unit: UnitDep, permit: ApproverOfObject, response: Response
) -> UpdateRead:
    """Bring an update that was held back into force, or enforce the pending names of another at once.

    An update of the catalogue needs an administrator. If the authority requires an approver for less refusing, it
    cannot be the account that proposed the update.
    """
    service.accept(unit, permit, row, body.at_once, body.note)
    return _answer(unit, row, response)


@router.post("/{number}/reject", summary="Reject an update", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def reject_update(
    row: Decided, body: UpdateRejecting, unit: UnitDep, _permit: ApproverOfObject, response: Response
) -> UpdateRead:
    """Reject an update that is held back. What was in force stays, also when a feed sends the same list again."""
    service.reject(unit, row, body.reason)
    return _answer(unit, row, response)


@router.post("/{number}/object", summary="Object to names of an update", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def object_to_names(
    row: Decided, body: Objecting, unit: UnitDep, _permit: ApproverOfObject, response: Response
) -> UpdateRead:
    """Leave names out of an update that is held back or pending, and out of later ones that no person edits."""
    service.object_to(unit, row, body.names, body.reason)
    return _answer(unit, row, response)


def _answer(unit: UnitOfWork, row: UpdateRow, response: Response) -> UpdateRead:
    tag(response, row.revision)
    return read_update(row, unit.now_s)
