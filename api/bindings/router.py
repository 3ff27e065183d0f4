"""/v1/bindings."""

from collections.abc import Callable, Sequence
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Path, Response

from api.authorities import repository as authorities
from api.bans import repository as bans
from api.bans.schemas import BanReference
from api.bindings import repository, service
from api.bindings.reading import read_binding
from api.bindings.schemas import BindingEnding, BindingRead, BindingWrite
from api.db.models import BanRow, BindingRow
from api.db.unit_of_work import UnitOfWork
from api.db.unknown_names import no_authority, no_ban
from api.errors import Invalid, invalid_at
from api.http.dependencies import PreconditionDep, UnitDep, tag
from api.http.parameters import DEFAULT_LIMIT, AuthorityFilter, Cursor, Limit
from api.http.permits import AnyAccount, OperatorOfObject
from api.http.problems import CONFLICT, NOT_FOUND, NOT_PUBLISHED, STALE, documented
from api.http.routes import Route
from api.http.schemas import Page
from api.timestamps import given_timestamp, parse_end
from dnsfilter.policy.model import Binding, Ground, Instant

router = APIRouter(route_class=Route, prefix="/v1/bindings", tags=["bindings"])

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
EndAct: TypeAlias = Callable[[UnitOfWork, BindingRow, Instant, str, str], None]


@router.get("", operation_id="list_bindings", summary="List bindings", responses=documented())
def list_bindings(
    unit: UnitDep,
    _permit: AnyAccount,
    authority: AuthorityFilter,
    ban: BanReference | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[BindingRead]:
    """List bindings by number. `authority` is the bound authority."""
    row = bans.named(unit.session, ban, "query.ban") if ban is not None else None
    rows, following = repository.page(unit.session, authority, row.number if row else None, limit, cursor)
    return Page(items=_read(unit, rows), next=following)


@router.get("/{number}", operation_id="get_binding", summary="Get a binding", responses=documented(NOT_FOUND))
def get_binding(number: Number, unit: UnitDep, _permit: AnyAccount, response: Response) -> BindingRead:
    """Get one binding."""
    return _answer(unit, repository.get(unit.session, number), response)


@router.post(
    "",
    operation_id="create_binding",
    summary="Bind an authority to a ban",
    status_code=201,
    responses=documented(CONFLICT, NOT_PUBLISHED),
)
def create_binding(body: BindingWrite, unit: UnitDep, permit: OperatorOfObject, response: Response) -> BindingRead:
    """Propose an agreement, as the ban's authority; or record a law, as an administrator."""
    ban = bans.find_reference(unit.session, body.ban)
    if ban is None:
        raise Invalid.at("body.ban", no_ban(unit.session, body.ban))
    permit.demand(_responsible(body.ground, ban))
    bound = authorities.find(unit.session, body.authority)
    if bound is None:
        raise Invalid.at("body.authority", no_authority(unit.session, body.authority))
    start = given_timestamp(body.start, unit.now_s, bound.time_zone, unit.asked_s, "body.start")
    with invalid_at("body"):
        end = parse_end(start, body.end, body.until, body.for_, bound.time_zone, unit.asked_s)
    wanted = Binding(
        0, ban.number, body.authority, body.ground, start, end, None, unit.now_s, body.instrument, body.date
    )
    row = service.create(unit, ban, wanted)
    response.headers["Location"] = f"/v1/bindings/{row.number}"
    return _answer(unit, row, response)


@router.post(
    "/{number}/accept",
    operation_id="accept_binding",
    summary="Accept an agreement",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def accept_binding(
    number: Number, unit: UnitDep, permit: OperatorOfObject, response: Response, precondition: PreconditionDep
) -> BindingRead:
    """Accept the agreement, as the bound authority. It takes effect now."""
    row = repository.get(unit.session, number)
    permit.demand(row.authority)
    precondition.check(row.revision)
    service.accept(unit, row)
    return _answer(unit, row, response)


@router.post(
    "/{number}/withdraw",
    operation_id="withdraw_binding",
    summary="Withdraw from an agreement",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def withdraw_binding(
    number: Number,
    body: BindingEnding,
    unit: UnitDep,
    permit: OperatorOfObject,
    response: Response,
    precondition: PreconditionDep,
) -> BindingRead:
    """Withdraw from the agreement, as the bound authority. Withdrawal from a law is not possible."""
    row = repository.get(unit.session, number)
    permit.demand(row.authority)
    precondition.check(row.revision)
    return _finish(row, body, unit, response, service.withdraw)


@router.post(
    "/{number}/end",
    operation_id="end_binding",
    summary="End a binding early",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def end_binding(
    number: Number,
    body: BindingEnding,
    unit: UnitDep,
    permit: OperatorOfObject,
    response: Response,
    precondition: PreconditionDep,
) -> BindingRead:
    """Record that the agreement has ended or, as an administrator, that the law has ended."""
    row = repository.get(unit.session, number)
    permit.demand(_responsible(Ground(row.ground), unit.session.get_one(BanRow, row.ban)))
    precondition.check(row.revision)
    return _finish(row, body, unit, response, service.end)


def _responsible(ground: Ground, ban: BanRow) -> str | None:
    """Return the authority that proposes and ends a binding: the ban's for an agreement, None for a law."""
    return None if ground is Ground.LAW else ban.authority


def _finish(row: BindingRow, body: BindingEnding, unit: UnitOfWork, response: Response, act: EndAct) -> BindingRead:
    zone = authorities.get(unit.session, row.authority).time_zone
    at = given_timestamp(body.at, unit.now_s, zone, unit.asked_s, "body.at", second=True)
    act(unit, row, unit.not_past(at), body.reason, body.reference)
    return _answer(unit, row, response)


def _answer(unit: UnitOfWork, row: BindingRow, response: Response) -> BindingRead:
    tag(response, row.revision)
    return _read(unit, [row])[0]


def _read(unit: UnitOfWork, rows: Sequence[BindingRow]) -> list[BindingRead]:
    references = bans.references(unit.session, {row.ban for row in rows})
    zones = authorities.time_zones(unit.session, (row.authority for row in rows))
    by = repository.accounts_of(unit.session, [row.number for row in rows])
    return [read_binding(row, references[row.ban], unit.now_s, zones[row.authority], *by[row.number]) for row in rows]
