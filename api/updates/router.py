"""/v1/updates, /v1/authorities/{slug}/updates, and /v1/objections."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, Path, Request, Response
from sqlalchemy.orm import Session

from api.auth.permit import Permit
from api.db.models import ObjectionRow, ServiceRow, UpdateRow
from api.db.unit_of_work import UnitOfWork
from api.errors import ApiError, invalid_at
from api.http.dependencies import COSTLY, PermitDep, Runtime, RuntimeDep, UnitDep, tag
from api.http.pagination import encode_cursor
from api.http.parameters import PagingDep, ServiceFilter
from api.http.path_rows import Number, by_number, demand_own, row_to_change, row_to_read
from api.http.permits import ApproverOfObject, ReaderOfObject, ReaderOfPath, ReaderOfSome
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, documented
from api.http.routes import Route
from api.http.schemas import Page, ServiceSlug, Slug
from api.publish.service_lists import service_of
from api.updates import repository, service
from api.updates.plans import Plan, plan_acceptance, plan_objection, prepare_plan
from api.updates.reading import names_of, read_objection, read_update
from api.updates.schemas import (
    Objecting,
    ObjectionRead,
    ObjectionWithdrawing,
    UpdateAccepting,
    UpdatedNameRead,
    UpdateRead,
    UpdateRejecting,
    UpdateState,
)
from dnsfilter.policy.model import Instant
from dnsfilter.wire.name_or_url import MAX_TYPED_NAME
from dnsfilter.wire.names import name_text
from dnsfilter.wire.unicode_names import parse_unicode_name

router = APIRouter(route_class=Route, prefix="/v1/updates", tags=["updates"])
objections = APIRouter(route_class=Route, prefix="/v1/objections", tags=["updates"])
of_authority = APIRouter(route_class=Route, prefix="/v1/authorities/{slug}/updates", tags=["updates"])


def _demand_readable(_unit: UnitOfWork, permit: Permit, row: UpdateRow) -> None:
    """Raise Forbidden unless the caller may read the update: anybody with a role, if it is one of the catalogue."""
    if row.authority is None:
        permit.visible()
    else:
        permit.demand(row.authority)


PathName = Annotated[str, Path(max_length=MAX_TYPED_NAME, description="a domain name, in any script")]
Counts: TypeAlias = Callable[[Session, str, Instant], Mapping[str, int]]
"""Returns the queries since an instant for pending names of a service. The room of counts lies above this one."""


async def by_service_and_name(service: ServiceSlug, name: PathName) -> tuple[str, str]:
    """Read `{service}` and `{name}`. Raise Invalid for what is no name."""
    with invalid_at("path.name"):
        return service, name_text(parse_unicode_name(name))


def _demand_owner(unit: UnitOfWork, permit: Permit, row: ObjectionRow) -> None:
    """Raise Forbidden unless the permit holds in the authority that defines the service, or for all if none does."""
    permit.demand(repository.owner_of(unit.session, row))


Withdrawn = Annotated[ObjectionRow, row_to_read(by_service_and_name, repository.get_objection, _demand_owner)]
Shown = Annotated[UpdateRow, row_to_read(by_number, repository.get, _demand_readable)]
Decided = Annotated[UpdateRow, row_to_change(by_number, repository.get, demand_own)]


def planned_acceptance(number: Number, body: UpdateAccepting, permit: PermitDep, held: RuntimeDep) -> Plan | None:
    """Plan an acceptance before the transaction begins."""
    return _planned(number, permit, held, partial(plan_acceptance, at_once=body.at_once))


def planned_objection(number: Number, body: Objecting, permit: PermitDep, held: RuntimeDep) -> Plan | None:
    """Plan an objection before the transaction begins."""
    return _planned(number, permit, held, partial(plan_objection, names=body.names))


def _planned(
    number: int, permit: Permit, held: Runtime, plan: Callable[[Session, ServiceRow, UpdateRow, Instant], Plan]
) -> Plan | None:
    """Return the plan, with its names compiled. None if the act is refused: it reports that itself."""
    with suppress(ApiError), held.database.reading() as session:
        update = repository.get(session, number)
        permit.demand(update.authority)
        row = session.get(ServiceRow, update.service)
        if row is not None:
            return prepare_plan(row, plan(session, row, update, int(held.clock())), held.publishing.prepare)
    return None


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
    plan: Annotated[Plan | None, Depends(planned_acceptance)],
    row: Decided,
    body: UpdateAccepting,
    unit: UnitDep,
    permit: ApproverOfObject,
    response: Response,
) -> UpdateRead:
    """Bring an update that was held back into force, or enforce the pending names of another at once.

    An update of the catalogue needs an administrator. If the authority requires an approver for less refusing, it
    cannot be the account that proposed the update.
    """
    # Keep the order of the parameters: the plan is made before the transaction begins.
    service.accept(unit, permit, row, body.at_once, body.note, plan)
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
    plan: Annotated[Plan | None, Depends(planned_objection)],
    row: Decided,
    body: Objecting,
    unit: UnitDep,
    _permit: ApproverOfObject,
    response: Response,
) -> UpdateRead:
    """Leave names out of an update that is held back or pending, and out of later ones that no person edits."""
    # Keep the order of the parameters: the plan is made before the transaction begins.
    service.object_to(unit, row, body.names, body.reason, plan)
    return _answer(unit, row, response)


@objections.get("", summary="List objections")
def list_objections(
    unit: UnitDep, permit: ReaderOfSome, paging: PagingDep, service: ServiceFilter
) -> Page[ObjectionRead]:
    """List names that were left out of services: of your authorities and of the catalogue, by service and name."""
    rows, following = repository.objections_page(unit.session, permit.visible(), service, paging)
    return Page(items=[read_objection(row, repository.owner_of(unit.session, row)) for row in rows], next=following)


@objections.post("/{service}/{name}/withdraw", summary="Withdraw an objection", responses=documented(NOT_FOUND))
def withdraw_objection(
    row: Withdrawn, body: ObjectionWithdrawing, unit: UnitDep, _permit: ApproverOfObject
) -> ObjectionRead:
    """Withdraw an objection. The name comes back with the next update that has it, and is monitored first.

    For a service of the catalogue it needs an administrator.
    """
    shown = read_objection(row, repository.owner_of(unit.session, row))
    service.withdraw_objection(unit, row, body.reason)
    return shown


def _answer(unit: UnitOfWork, row: UpdateRow, response: Response) -> UpdateRead:
    tag(response, row.revision)
    return read_update(row, unit.now_s)
