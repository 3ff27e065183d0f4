"""/v1/self, /v1/accounts, /v1/grants and /v1/authentication-failures."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api.accounts import repository, service
from api.accounts.reading import read_account, read_authentication_failure, read_grant, read_passkey, read_token
from api.accounts.schemas import (
    AccountRead,
    AccountWrite,
    AuthenticationFailureRead,
    GrantEnding,
    GrantRead,
    GrantWrite,
    HeldRead,
    Login,
    PasskeyRead,
    SelfRead,
    SignInLinkMade,
    TokenMade,
    TokenRead,
    TokensRevoked,
    TokenWrite,
)
from api.auth.authentication_failures import KEPT_S
from api.auth.passkey_rows import of_account
from api.auth.permit import Permit
from api.auth.sessions import LINK_S, SIGN_IN, make_link
from api.db.models import AccountRow, GrantRow, PasskeyRow, TokenRow
from api.db.unit_of_work import UnitOfWork
from api.http import idempotency
from api.http.dependencies import Runtime, RuntimeDep, UnitDep, tag
from api.http.parameters import AuthorityFilter, PagingDep
from api.http.path_rows import Number, by_number, demand_own, row_to_change, row_to_read
from api.http.patterns import NUMBERS
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
from api.http.problems import NOT_FOUND, documented
from api.http.routes import Route
from api.http.schemas import Page
from api.timestamps import timestamp_text

oneself = APIRouter(route_class=Route, prefix="/v1/self", tags=["accounts"])
accounts = APIRouter(route_class=Route, prefix="/v1/accounts", tags=["accounts"])
grants = APIRouter(route_class=Route, prefix="/v1/grants", tags=["accounts"])
authentication_failures = APIRouter(route_class=Route, prefix="/v1/authentication-failures", tags=["accounts"])

Account = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the account.")]
Numbers = Annotated[str | None, Query(pattern=NUMBERS, description="only these accounts, with commas between them")]


async def _by_account(account: Account) -> tuple[int]:
    return (account,)


async def _by_token(account: Account, number: Number) -> tuple[int, int]:
    return account, number


Shown = Annotated[AccountRow, row_to_read(_by_account, repository.get)]
Changed = Annotated[AccountRow, row_to_change(_by_account, repository.get)]
Disabled = Annotated[AccountRow, row_to_change(_by_account, repository.get, service.demand_disabling)]
Erased = Annotated[AccountRow, row_to_change(_by_account, repository.get, service.demand_erasing)]
Token = Annotated[TokenRow, row_to_read(_by_token, repository.get_token)]
Passkey = Annotated[PasskeyRow, row_to_read(_by_token, repository.get_passkey)]
ShownGrant = Annotated[GrantRow, row_to_read(by_number, repository.get_grant, demand_own)]
EndedGrant = Annotated[GrantRow, row_to_change(by_number, repository.get_grant, demand_own)]


@oneself.get("", summary="Show your account, token and roles")
def get_self(unit: UnitDep, permit: AnyAccount) -> SelfRead:
    """Return the caller's account, its token, and the roles in force now."""
    row = repository.get(unit.session, permit.caller.account)
    held = sorted(permit.caller.held, key=lambda item: (item.authority or "", item.role))
    return SelfRead(
        account=_read(unit, row),
        token=read_token(unit.session.get_one(TokenRow, permit.caller.token)),
        roles=[HeldRead(role=item.role, authority=item.authority) for item in held],
    )


@oneself.post("/sign-in-links", summary="Make a link to the console", status_code=201)
def make_sign_in_link(unit: UnitDep, permit: AnyAccount, held: RuntimeDep) -> SignInLinkMade:
    """Make a link that signs the caller in to the console once, within ten minutes. It is shown only once.

    The session allows what the caller's token allows, and ends with it.
    """
    return _link(unit, permit, held, repository.get(unit.session, permit.caller.account))


@accounts.get("", summary="List accounts")
def list_accounts(
    unit: UnitDep,
    permit: ReaderOfSome,
    authority: AuthorityFilter,
    paging: PagingDep,
    login: Login | None = None,
    numbers: Numbers = None,
) -> Page[AccountRead]:
    """List accounts by number.

    Auditors see all accounts. Other callers see those that acted in an authority in which they have a role: the audit
    log has only numbers, and this list has the names.
    """
    visible = permit.visible()
    repository.demand_login(unit.session, visible, login)
    chosen = None if numbers is None else {int(each) for each in numbers.split(",")}
    rows, following = repository.page(unit.session, visible, login, authority, chosen, paging)
    names = repository.names(unit.session, {row.id for row in rows})
    return Page(items=[read_account(row, names.get(row.id)) for row in rows], next=following)


@accounts.post("", summary="Add an account", status_code=201)
def make_account(body: AccountWrite, unit: UnitDep, _permit: Administrator, response: Response) -> AccountRead:
    """Add an account for a person or a service. It can do nothing until it has a role and a token."""
    row = service.make(unit, body)
    response.headers["Location"] = f"/v1/accounts/{row.id}"
    return _answer(unit, row, response)


@accounts.get("/{account}", summary="Get an account", responses=documented(NOT_FOUND))
def get_account(account: Account, unit: UnitDep, permit: SelfOrReader, response: Response) -> AccountRead:
    """Get the caller's own account, or one that acted in an authority in which the caller has a role."""
    service.demand_visible(unit, permit, account)
    return _answer(unit, repository.get(unit.session, account), response)


@accounts.post("/{account}/disable", summary="Disable an account", responses=documented(NOT_FOUND))
def disable_account(row: Disabled, unit: UnitDep, _permit: Administrator, response: Response) -> AccountRead:
    """Reject the account's tokens from the next request on. Revoke tokens that it made for other accounts.

    No account can disable itself.
    """
    service.disable(unit, row)
    return _answer(unit, row, response)


@accounts.post("/{account}/enable", summary="Enable an account", responses=documented(NOT_FOUND))
def enable_account(row: Changed, unit: UnitDep, _permit: Administrator, response: Response) -> AccountRead:
    """Accept the account's own tokens again. An account whose name was erased stays disabled."""
    service.enable(unit, row)
    return _answer(unit, row, response)


@accounts.delete(
    "/{account}/name", summary="Erase an account's login and name", status_code=204, responses=documented(NOT_FOUND)
)
def erase_account(row: Erased, unit: UnitDep, _permit: Administrator) -> None:
    """Erase login and name, disable the account permanently, and revoke its tokens and those made with them.

    The audit log keeps all acts of the account, under its number.
    """
    service.erase(unit, row)
    idempotency.forget(unit.session, accounts.prefix, f"{accounts.prefix}/{row.id}")


@accounts.get("/{account}/tokens", summary="List an account's tokens", responses=documented(NOT_FOUND))
def list_tokens(
    owner: Shown,
    unit: UnitDep,
    permit: SelfOrAuditor,
    paging: PagingDep,
    valid: Annotated[bool, Query(description="Only tokens that are neither revoked nor expired.")] = False,
) -> Page[TokenRead]:
    """List the account's tokens by number, including revoked and expired ones unless `valid` is set.

    With a narrowed token, list only that token and those made with it.
    """
    rows, following = repository.token_page(
        unit.session, owner.id, service.reach(unit, permit), unit.now_s if valid else None, paging
    )
    return Page(items=[read_token(row) for row in rows], next=following)


@accounts.post("/{account}/tokens", summary="Make a token", status_code=201, responses=documented(NOT_FOUND))
def make_token(
    owner: Shown, body: TokenWrite, unit: UnitDep, permit: SelfOrAdministrator, held: RuntimeDep
) -> TokenMade:
    """Make a token for the caller's own account or, as an administrator, for another. It is shown only once.

    It ends no later than the token that makes it, unless an administrator sets `outlives_maker`.
    """
    unit.shown_once = True
    row, fresh = service.make_own_token(unit, permit.caller, held.token_key, owner, body)
    return TokenMade(**read_token(row).model_dump(), token=fresh.text)


@accounts.delete("/{account}/tokens/{number}", summary="Revoke a token", responses=documented(NOT_FOUND))
def revoke_token(row: Token, unit: UnitDep, permit: SelfOrAdministrator) -> TokensRevoked:
    """Reject the token, and every token made with it, from the next request on. List those not revoked before.

    A caller with a narrowed token can revoke only that token and those made with it.
    """
    service.demand_reach(unit, permit, row)
    return TokensRevoked(tokens=[read_token(each) for each in service.revoke_token(unit, row)])


@accounts.post(
    "/{account}/sign-in-links",
    summary="Make a link to the console for an account",
    status_code=201,
    responses=documented(NOT_FOUND),
)
def make_link_for_account(owner: Shown, unit: UnitDep, permit: Administrator, held: RuntimeDep) -> SignInLinkMade:
    """Make a link that signs the account in to the console once, within ten minutes. It is shown only once.

    Give it to the person in private: whoever uses it acts as that account. The administrator counts as its maker, so
    neither of the two approves what the other one asked for.
    """
    return _link(unit, permit, held, owner)


@accounts.get("/{account}/passkeys", summary="List an account's passkeys", responses=documented(NOT_FOUND))
def list_passkeys(owner: Shown, unit: UnitDep, _permit: SelfOrAuditor) -> Page[PasskeyRead]:
    """List the passkeys with which the account signs in to the console. An account has at most ten."""
    return Page(items=[read_passkey(row) for row in of_account(unit.session, owner.id)], next=None)


@accounts.delete(
    "/{account}/passkeys/{number}", summary="Remove a passkey", status_code=204, responses=documented(NOT_FOUND)
)
def remove_passkey(row: Passkey, unit: UnitDep, permit: SelfOrAdministrator) -> None:
    """Remove a passkey, and end the sessions that it began, but for the caller's."""
    service.remove_passkey(unit, permit, row)


@grants.get("", summary="List grants")
def list_grants(
    unit: UnitDep,
    permit: ReaderOfSome,
    authority: AuthorityFilter,
    paging: PagingDep,
    account: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> Page[GrantRead]:
    """List grants by number, including ended ones, in the authorities in which the caller has a role."""
    visible = permit.visible()
    repository.demand_account(unit.session, visible, account)
    rows, following = repository.grant_page(unit.session, visible, account, authority, paging)
    return Page(items=[read_grant(row, unit.now_s) for row in rows], next=following)


@grants.get("/{number}", summary="Get a grant", responses=documented(NOT_FOUND))
def get_grant(row: ShownGrant, unit: UnitDep, _permit: ReaderOfObject, response: Response) -> GrantRead:
    """Get one grant."""
    tag(response, row.revision)
    return read_grant(row, unit.now_s)


@grants.post("", summary="Grant a role", status_code=201, responses=documented(NOT_FOUND))
def make_grant(body: GrantWrite, unit: UnitDep, permit: ApproverOfObject, response: Response) -> GrantRead:
    """Grant a role in an authority, as its approver or as an administrator; never to oneself.

    A start in the past is taken as now.
    """
    row = service.make_grant(unit, permit, body)
    response.headers["Location"] = f"/v1/grants/{row.number}"
    tag(response, row.revision)
    return read_grant(row, unit.now_s)


@grants.post("/{number}/end", summary="End a grant", responses=documented(NOT_FOUND))
def end_grant(
    row: EndedGrant, body: GrantEnding, unit: UnitDep, _permit: ApproverOfObject, response: Response
) -> GrantRead:
    """End the role from the next request on."""
    service.end_grant(unit, row, body.reason)
    tag(response, row.revision)
    return read_grant(row, unit.now_s)


@authentication_failures.get("", summary="List authentication failures")
def list_authentication_failures(unit: UnitDep, _permit: Auditor, paging: PagingDep) -> Page[AuthenticationFailureRead]:
    """List rejected tokens of the last 90 days, newest first. Client addresses are kept only here."""
    rows, following = repository.failed_page(unit.session, unit.now_s - KEPT_S, paging)
    owners = repository.owners(unit.session, {row.token for row in rows if row.token is not None})
    return Page(items=[read_authentication_failure(row, owners.get(row.token or 0)) for row in rows], next=following)


def _link(unit: UnitOfWork, permit: Permit, held: Runtime, owner: AccountRow) -> SignInLinkMade:
    unit.shown_once = True
    code = make_link(unit, held.token_key, unit.session.get_one(TokenRow, permit.caller.token), owner)
    return SignInLinkMade(path=f"{SIGN_IN}/{code}", expires=timestamp_text(unit.now_s + LINK_S))


def _answer(unit: UnitOfWork, row: AccountRow, response: Response) -> AccountRead:
    tag(response, row.revision)
    return _read(unit, row)


def _read(unit: UnitOfWork, row: AccountRow) -> AccountRead:
    return read_account(row, repository.names(unit.session, {row.id}).get(row.id))
