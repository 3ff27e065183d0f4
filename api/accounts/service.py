"""Acts on accounts, grants and tokens. They change no policy, and so make no revision: each row counts its own.

The record names accounts by number: what a person is called stands beside it, and can be erased.
"""

from dataclasses import dataclass

from api.accounts import repository
from api.accounts.reading import read_grant
from api.accounts.schemas import AccountKind, AccountWrite
from api.accounts.state import has_ended
from api.auth.lineage import made_for_others
from api.auth.revocation import revoke, shown_token
from api.auth.roles import OF_AUTHORITY, OF_INSTALLATION, Role
from api.auth.tokens import DAY_S, Fresh, new_token
from api.authorities.state import demand_within
from api.db.base import Json
from api.db.models import AccountRow, AuthorityRow, GrantRow, NameRow, TokenRow
from api.db.session import forget
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Fault, Forbidden, Invalid
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.model import Instant

YEAR_S = 367 * 86_400
"""A leap year, and what is left of its last day."""
MAX_TOKENS = 50
"""Of one account, live."""
MAX_TOKENS_A_DAY = 100
"""Of one account, made: each is a row and an entry of the record for good."""


@dataclass(frozen=True, slots=True)
class GrantWanted:
    """A role in an authority, or with None in the installation, from `start` to `end`, or without an end."""

    role: Role
    authority: str | None
    start: Instant
    end: Instant | None
    reason: str


@dataclass(frozen=True, slots=True)
class TokenWanted:
    """A token to be made. `made_with` is the number of the token that its maker presents.

    `outlives_maker`: an administrator lets it end later than that.
    """

    label: str
    expires: Instant
    roles: frozenset[Role]
    authorities: frozenset[str]
    made_with: int | None = None
    outlives_maker: bool = False


def make(unit: UnitOfWork, wanted: AccountWrite) -> AccountRow:
    """Make an account; raises Conflict where the login is taken, Invalid for an unknown authority."""
    if repository.by_login(unit.session, wanted.login) is not None:
        raise Conflict(f"the login {wanted.login} is taken")
    if wanted.authority is not None and unit.session.get(AuthorityRow, wanted.authority) is None:
        raise Invalid.at("body.authority", f"authority {wanted.authority} is not registered")
    row = AccountRow(
        kind=str(wanted.kind),
        authority=wanted.authority,
        created_s=unit.now_s,
        disabled_s=None,
        revision=0,
    )
    unit.session.add(row)
    unit.session.flush()
    unit.session.add(NameRow(account=row.id, login=wanted.login, name=wanted.name))
    _noted(unit, row, "account.make", None, {"kind": row.kind, "authority": row.authority})
    return row


def disable(unit: UnitOfWork, row: AccountRow) -> None:
    """From now on none of the account's tokens is taken, and those made with them for others are revoked.

    Doing so twice changes nothing.
    """
    if row.disabled_s is None:
        row.disabled_s = unit.now_s
        _noted(unit, row, "account.disable", {"disabled": False}, {"disabled": True})
    revoke(unit, made_for_others(row.id))


def enable(unit: UnitOfWork, row: AccountRow) -> None:
    """The account's own tokens are taken again, as far as they are not revoked or expired.

    Raises Conflict where its name was erased: nobody could say whom it lets act.
    """
    if unit.session.get(NameRow, row.id) is None:
        raise Conflict(f"the name of account {row.id} was erased: make another account")
    if row.disabled_s is not None:
        row.disabled_s = None
        _noted(unit, row, "account.enable", {"disabled": True}, {"disabled": False})


def erase(unit: UnitOfWork, row: AccountRow) -> None:
    """Forget what the account is called, disable it, and revoke its tokens and what was made with them.

    Its acts stay on record, by its number.
    """
    name = unit.session.get(NameRow, row.id)
    disable(unit, row)
    revoke(unit, TokenRow.account == row.id)
    if name is not None:
        unit.session.delete(name)
        forget(unit.session)
        _noted(unit, row, "account.erase", None, None)


def grant(unit: UnitOfWork, account: AccountRow, wanted: GrantWanted) -> GrantRow:
    """Give an account a role; raises Invalid, or Conflict where it holds that role at that time already."""
    _grantable(unit, account, wanted)
    for other in repository.same_grants(unit.session, account.id, str(wanted.role), wanted.authority, unit.now_s):
        if other.period.overlaps(wanted.start, wanted.end):
            raise Conflict(f"grant {other.number} gives that role at that time already")
    row = GrantRow(
        account=account.id,
        role=str(wanted.role),
        authority=wanted.authority,
        start_s=wanted.start,
        end_s=wanted.end,
        reason=wanted.reason,
        recorded_s=unit.now_s,
        recorded_by=unit.actor.account,
        ended_s=None,
        ended_reason="",
        revision=1,
    )
    unit.session.add(row)
    unit.session.flush()
    unit.note("grant.make", f"grant/{row.number}", None, _grant_shown(unit, row), *_authorities(row))
    return row


def end_grant(unit: UnitOfWork, row: GrantRow, reason: str, at: Instant | None = None) -> None:
    """End a role at `at`, or now; raises Conflict where it has ended, or nobody would administer the installation."""
    if has_ended(row, unit.now_s):
        raise Conflict(f"grant {row.number} has ended")
    if row.role == Role.ADMINISTRATOR and not _others_administer(unit, row):
        raise Conflict("nobody else would administer the installation")
    before = _grant_shown(unit, row)
    row.ended_s, row.ended_reason, row.revision = unit.now_s if at is None else at, reason, row.revision + 1
    unit.note("grant.end", f"grant/{row.number}", before, _grant_shown(unit, row), *_authorities(row))


def make_token(unit: UnitOfWork, key: bytes, account: AccountRow, wanted: TokenWanted) -> tuple[TokenRow, Fresh]:
    """Make a token; its text is in what is given back, and nowhere else. Raises Invalid and Conflict."""
    if account.disabled_s is not None:
        raise Conflict(f"account {account.id} is disabled")
    if not unit.now_s < wanted.expires <= unit.now_s + YEAR_S:
        raise Invalid.at("body.end", "a token ends after now, and within a year")
    for slug in sorted(wanted.authorities):
        if unit.session.get(AuthorityRow, slug) is None:
            raise Invalid.at("body.authorities", f"authority {slug} is not registered")
    if repository.live_tokens(unit.session, account.id, unit.now_s) >= MAX_TOKENS:
        raise Conflict(f"account {account.id} has {MAX_TOKENS} tokens: revoke one first")
    if repository.made_since(unit.session, account.id, unit.now_s - DAY_S) >= MAX_TOKENS_A_DAY:
        raise Conflict(f"account {account.id} was given {MAX_TOKENS_A_DAY} tokens within a day: wait")
    fresh = new_token(key)
    row = TokenRow(
        public=fresh.public,
        account=account.id,
        label=wanted.label,
        digest=fresh.digest,
        roles=sorted(map(str, wanted.roles)),
        authorities=sorted(wanted.authorities),
        created_s=unit.now_s,
        expires_s=wanted.expires,
        revoked_s=None,
        used_day=None,
        made_with=wanted.made_with,
        made_by=unit.actor.account,
    )
    unit.session.add(row)
    unit.session.flush()
    said = {"outlives_maker": True} if wanted.outlives_maker else {}
    unit.note("token.make", f"token/{row.id}", None, {**shown_token(row), **said})
    return row, fresh


def within(token: TokenRow, wanted: TokenWanted) -> None:
    """Raise Forbidden if the wanted token of the same account would let through more than `token`."""
    asked = ((set(token.roles), set(map(str, wanted.roles))), (set(token.authorities), set(wanted.authorities)))
    for narrowed, given in asked:
        if narrowed and (not given or not given <= narrowed):
            raise Forbidden(f"a token narrowed to {', '.join(sorted(narrowed))} makes none that may more")


def demand_end(maker: TokenRow, wanted: TokenWanted, *, administers: bool) -> None:
    """Raise Forbidden if the wanted token would outlive its maker, and no administrator says that it may."""
    if wanted.outlives_maker and not administers:
        raise Forbidden("Only an administrator of the installation lets a token outlive its maker: ask one.")
    if maker.expires_s is None or wanted.expires <= maker.expires_s or wanted.outlives_maker:
        return
    end, bound = at_words(wanted.expires), at_words(maker.expires_s)
    others = "add" if administers else "ask an administrator, who may add"
    raise Forbidden(
        f"The token would end at {end}, after the token that makes it, which ends at {bound}. Give an earlier end, "
        f'for example --end "{bound}"; or {others} --outlives-maker.'
    )


def revoke_token(unit: UnitOfWork, row: TokenRow) -> None:
    """From the next request on neither the token nor what was made with it is taken; twice changes nothing."""
    revoke(unit, TokenRow.id == row.id)


def _grantable(unit: UnitOfWork, account: AccountRow, wanted: GrantWanted) -> None:
    faults = []
    if wanted.role in OF_AUTHORITY and wanted.authority is None:
        faults.append(Fault("body.authority", f"the role {wanted.role} is held in an authority: name it"))
    if wanted.role in OF_INSTALLATION and wanted.authority is not None:
        faults.append(Fault("body.authority", f"the role {wanted.role} is held in the installation, not in one body"))
    if wanted.authority is not None and unit.session.get(AuthorityRow, wanted.authority) is None:
        faults.append(Fault("body.authority", f"authority {wanted.authority} is not registered"))
    if wanted.end is not None and wanted.end <= max(wanted.start, unit.now_s):
        faults.append(Fault("body.end", "the grant ends before it has effect"))
    mandate = account.kind == AccountKind.USER and wanted.authority not in (None, account.authority)
    if mandate and wanted.end is None:
        faults.append(Fault("body.end", "a mandate of a person of another body has an end: give end, until or for"))
    if faults:
        raise Invalid(faults)
    if wanted.authority is not None:
        demand_within(unit.session.get_one(AuthorityRow, wanted.authority), wanted.end, unit.now_s)


def _others_administer(unit: UnitOfWork, row: GrantRow) -> bool:
    held = repository.held_grants(unit.session, Role.ADMINISTRATOR, None, unit.now_s)
    return any(other.number != row.number for other in held)


def _grant_shown(unit: UnitOfWork, row: GrantRow) -> Json:
    return read_grant(row, unit.now_s).model_dump(mode="json", exclude={"revision", "state"})


def _authorities(row: GrantRow) -> tuple[str, ...]:
    return () if row.authority is None else (row.authority,)


def _noted(unit: UnitOfWork, row: AccountRow, act: str, before: Json | None, after: Json | None) -> None:
    row.revision += 1
    unit.note(act, f"account/{row.id}", before, after, *(() if row.authority is None else (row.authority,)))
