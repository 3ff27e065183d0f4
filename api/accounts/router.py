"""/v1/self, /v1/accounts, /v1/grants and /v1/authentication-failures."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api.accounts import repository, service
from api.accounts.reading import read_account, read_authentication_failure, read_grant, read_token
from api.accounts.schemas import (
    AccountRead,
    AccountWrite,
    AuthenticationFailureRead,
    GrantEnding,
    GrantRead,
    GrantWrite,
    HeldRead,
    Login,
    SelfRead,
    TokenMade,
    TokenRead,
    TokensRevoked,
    TokenWrite,
)
from api.accounts.service import GrantWanted, TokenWanted
from api.auth.authentication_failures import KEPT_S
from api.auth.permit import Permit
from api.auth.second_person import demand_other_account, demand_unrelated_account
from api.db.models import AccountRow, TokenRow
from api.db.time_zones import time_zone_of
from api.db.unit_of_work import UnitOfWork
from api.errors import Forbidden, Invalid, invalid_at
from api.http import idempotency
from api.http.dependencies import PreconditionDep, RuntimeDep, UnitDep, tag
from api.http.parameters import DEFAULT_LIMIT, AuthorityFilter, Cursor, Limit
from api.http.permits import (
    Administrator,
    AnyAccount,
    ApproverOfObject,
    Auditor,
    ReaderOfObject,
    ReaderOfSome,
    SelfOrAdministrator,
    SelfOrAuditor,
    SelfOrReader,
)
from api.http.problems import CONFLICT, NOT_FOUND, STALE, documented
from api.http.routes import Route
from api.http.schemas import Page
from api.timestamps import given_timestamp, parse_end

oneself = APIRouter(route_class=Route, prefix="/v1/self", tags=["accounts"])
accounts = APIRouter(route_class=Route, prefix="/v1/accounts", tags=["accounts"])
grants = APIRouter(route_class=Route, prefix="/v1/grants", tags=["accounts"])
authentication_failures = APIRouter(route_class=Route, prefix="/v1/authentication-failures", tags=["accounts"])

Account = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the account.")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


@oneself.get("", operation_id="get_self", summary="Show your account, token and roles", responses=documented())
def get_self(unit: UnitDep, permit: AnyAccount) -> SelfRead:
    """Return the caller's account, its token, and the roles in force now."""
    row = repository.get(unit.session, permit.caller.account)
    held = sorted(permit.caller.held, key=lambda item: (item.authority or "", item.role))
    return SelfRead(
        account=_read(unit, row),
        token=read_token(unit.session.get_one(TokenRow, permit.caller.token)),
        roles=[HeldRead(role=item.role, authority=item.authority) for item in held],
    )


@accounts.get("", operation_id="list_accounts", summary="List accounts", responses=documented())
def list_accounts(
    unit: UnitDep,
    permit: ReaderOfSome,
    authority: AuthorityFilter,
    login: Login | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[AccountRead]:
    """List accounts by number.

    Auditors see all accounts. Other callers see those that acted in an authority in which they have a role: the audit
    log has only numbers, and this list has the names.
    """
    visible = permit.visible()
    repository.demand_login(unit.session, visible, login)
    rows, following = repository.page(unit.session, visible, login, authority, limit, cursor)
    names = repository.names(unit.session, {row.id for row in rows})
    return Page(items=[read_account(row, names.get(row.id)) for row in rows], next=following)


@accounts.post(
    "", operation_id="make_account", summary="Add an account", status_code=201, responses=documented(CONFLICT)
)
def make_account(body: AccountWrite, unit: UnitDep, _permit: Administrator, response: Response) -> AccountRead:
    """Add an account for a person or a service. It can do nothing until it has a role and a token."""
    row = service.make(unit, body)
    response.headers["Location"] = f"/v1/accounts/{row.id}"
    return _answer(unit, row, response)


@accounts.get("/{account}", operation_id="get_account", summary="Get an account", responses=documented(NOT_FOUND))
def get_account(account: Account, unit: UnitDep, permit: SelfOrReader, response: Response) -> AccountRead:
    """Get the caller's own account, or one that acted in an authority in which the caller has a role."""
    if account != permit.caller.account:
        visible = permit.visible()
        if visible is not None and not repository.has_acted(unit.session, account, visible):
            permit.demand()
    return _answer(unit, repository.get(unit.session, account), response)


@accounts.post(
    "/{account}/disable",
    operation_id="disable_account",
    summary="Disable an account",
    responses=documented(NOT_FOUND, STALE),
)
def disable_account(
    account: Account, unit: UnitDep, permit: Administrator, response: Response, precondition: PreconditionDep
) -> AccountRead:
    """Reject the account's tokens from the next request on. Revoke tokens that it made for other accounts.

    No account can disable itself.
    """
    demand_other_account(permit.caller, account, "you cannot disable your own account: ask another administrator")
    row = repository.get(unit.session, account)
    precondition.check(row.revision)
    service.disable(unit, row)
    return _answer(unit, row, response)


@accounts.post(
    "/{account}/enable",
    operation_id="enable_account",
    summary="Enable an account",
    responses=documented(NOT_FOUND, CONFLICT, STALE),
)
def enable_account(
    account: Account, unit: UnitDep, _permit: Administrator, response: Response, precondition: PreconditionDep
) -> AccountRead:
    """Accept the account's own tokens again. An account whose name was erased stays disabled."""
    row = repository.get(unit.session, account)
    precondition.check(row.revision)
    service.enable(unit, row)
    return _answer(unit, row, response)


@accounts.delete(
    "/{account}/name",
    operation_id="erase_account",
    summary="Erase an account's login and name",
    status_code=204,
    responses=documented(NOT_FOUND, STALE),
)
def erase_account(account: Account, unit: UnitDep, permit: Administrator, precondition: PreconditionDep) -> None:
    """Erase login and name, disable the account permanently, and revoke its tokens and those made with them.

    The audit log keeps all acts of the account, under its number.
    """
    demand_other_account(permit.caller, account, "you cannot erase your own account: ask another administrator")
    row = repository.get(unit.session, account)
    precondition.check(row.revision)
    service.erase(unit, row)
    idempotency.forget(unit.session, accounts.prefix, f"{accounts.prefix}/{account}")


@accounts.get(
    "/{account}/tokens", operation_id="list_tokens", summary="List an account's tokens", responses=documented(NOT_FOUND)
)
def list_tokens(
    account: Account, unit: UnitDep, permit: SelfOrAuditor, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[TokenRead]:
    """List the account's tokens by number, including revoked and expired ones.

    With a narrowed token, list only that token and those made with it.
    """
    repository.get(unit.session, account)
    rows, following = repository.token_page(unit.session, account, _reach(unit, permit), limit, cursor)
    return Page(items=[read_token(row) for row in rows], next=following)


@accounts.post(
    "/{account}/tokens",
    operation_id="make_token",
    summary="Make a token",
    status_code=201,
    responses=documented(NOT_FOUND, CONFLICT),
)
def make_token(
    account: Account, body: TokenWrite, unit: UnitDep, permit: SelfOrAdministrator, held: RuntimeDep
) -> TokenMade:
    """Make a token for the caller's own account or, as an administrator, for another. It is shown only once.

    It ends no later than the token that makes it, unless an administrator sets `outlives_maker`.
    """
    owner = repository.get(unit.session, account)
    expires = _end(unit, owner.authority, unit.now_s, body.end, body.until, body.for_)
    if expires is None:
        raise Invalid.at("body.end", "a token needs an end: give end, until or for")
    maker = unit.session.get_one(TokenRow, permit.caller.token)
    wanted = TokenWanted(body.label, expires, body.roles, body.authorities, maker.id, body.outlives_maker)
    service.demand_end(maker, wanted, administers=permit.caller.administers)
    if account == permit.caller.account:
        service.demand_narrower(maker, wanted)
    unit.shown_once = True
    row, fresh = service.make_token(unit, held.token_key, owner, wanted)
    return TokenMade(**read_token(row).model_dump(), token=fresh.text)


@accounts.delete(
    "/{account}/tokens/{number}",
    operation_id="revoke_token",
    summary="Revoke a token",
    responses=documented(NOT_FOUND),
)
def revoke_token(account: Account, number: Number, unit: UnitDep, permit: SelfOrAdministrator) -> TokensRevoked:
    """Reject the token, and every token made with it, from the next request on. List those not revoked before.

    A caller with a narrowed token can revoke only that token and those made with it.
    """
    row, reach = repository.get_token(unit.session, account, number), _reach(unit, permit)
    if reach is not None and not repository.descends(unit.session, number, reach):
        raise Forbidden(
            "A narrowed token can revoke only itself and tokens made with it. Use a token that is not narrowed."
        )
    return TokensRevoked(tokens=[read_token(each) for each in service.revoke_token(unit, row)])


@grants.get("", operation_id="list_grants", summary="List grants", responses=documented())
def list_grants(
    unit: UnitDep,
    permit: ReaderOfSome,
    authority: AuthorityFilter,
    account: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[GrantRead]:
    """List grants by number, including ended ones, in the authorities in which the caller has a role."""
    visible = permit.visible()
    repository.demand_account(unit.session, visible, account)
    rows, following = repository.grant_page(unit.session, visible, account, authority, limit, cursor)
    return Page(items=[read_grant(row, unit.now_s) for row in rows], next=following)


@grants.get("/{number}", operation_id="get_grant", summary="Get a grant", responses=documented(NOT_FOUND))
def get_grant(number: Number, unit: UnitDep, permit: ReaderOfObject, response: Response) -> GrantRead:
    """Get one grant."""
    row = repository.get_grant(unit.session, number)
    permit.demand(row.authority)
    tag(response, row.revision)
    return read_grant(row, unit.now_s)


@grants.post(
    "", operation_id="make_grant", summary="Grant a role", status_code=201, responses=documented(NOT_FOUND, CONFLICT)
)
def make_grant(body: GrantWrite, unit: UnitDep, permit: ApproverOfObject, response: Response) -> GrantRead:
    """Grant a role in an authority, as its approver or as an administrator; never to oneself.

    A start in the past is taken as now.
    """
    permit.demand_named(body.authority)
    demand_unrelated_account(
        permit.caller, unit.session, body.account, "you cannot grant yourself a role: ask another person"
    )
    account = repository.get(unit.session, body.account)
    zone = time_zone_of(unit.session, body.authority)
    start = max(unit.now_s, given_timestamp(body.start, unit.now_s, zone, unit.asked_s, "body.start"))
    end = _end(unit, body.authority, start, body.end, body.until, body.for_)
    row = service.grant(unit, account, GrantWanted(body.role, body.authority, start, end, body.reason))
    response.headers["Location"] = f"/v1/grants/{row.number}"
    tag(response, row.revision)
    return read_grant(row, unit.now_s)


@grants.post(
    "/{number}/end", operation_id="end_grant", summary="End a grant", responses=documented(NOT_FOUND, CONFLICT, STALE)
)
def end_grant(
    number: Number,
    body: GrantEnding,
    unit: UnitDep,
    permit: ApproverOfObject,
    response: Response,
    precondition: PreconditionDep,
) -> GrantRead:
    """End the role from the next request on."""
    row = repository.get_grant(unit.session, number)
    permit.demand(row.authority)
    precondition.check(row.revision)
    service.end_grant(unit, row, body.reason)
    tag(response, row.revision)
    return read_grant(row, unit.now_s)


@authentication_failures.get(
    "",
    operation_id="list_authentication_failures",
    summary="List authentication failures",
    responses=documented(),
)
def list_authentication_failures(
    unit: UnitDep, _permit: Auditor, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[AuthenticationFailureRead]:
    """List rejected tokens of the last 90 days, newest first. Client addresses are kept only here."""
    rows, following = repository.failed_page(unit.session, unit.now_s - KEPT_S, limit, cursor)
    owners = repository.owners(unit.session, {row.token for row in rows if row.token is not None})
    return Page(items=[read_authentication_failure(row, owners.get(row.token or 0)) for row in rows], next=following)


def _end(
    unit: UnitOfWork, authority: str | None, start: int, end: str | None, until: str | None, span: str | None
) -> int | None:
    with invalid_at("body.end"):
        return parse_end(start, end, until, span, time_zone_of(unit.session, authority), unit.asked_s)


def _reach(unit: UnitOfWork, permit: Permit) -> int | None:
    """Return the token to whose descendants the caller is limited; None if the caller is not limited."""
    token = unit.session.get_one(TokenRow, permit.caller.token)
    free = not (token.roles or token.authorities) or permit.caller.has(permit.rule.roles, None)
    return None if free else token.id


def _answer(unit: UnitOfWork, row: AccountRow, response: Response) -> AccountRead:
    tag(response, row.revision)
    return _read(unit, row)


def _read(unit: UnitOfWork, row: AccountRow) -> AccountRead:
    return read_account(row, repository.names(unit.session, {row.id}).get(row.id))
