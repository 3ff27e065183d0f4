"""Acts on accounts, grants and tokens. They change no policy and make no revision: each row counts its own.

The audit log names accounts by number. Their names are stored apart from it and can be erased.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_

from api.accounts import repository
from api.accounts.reading import read_grant
from api.accounts.schemas import AccountKind, AccountWrite, GrantWrite, TokenWrite
from api.accounts.state import has_ended
from api.auth.caller import Caller
from api.auth.lineage import made_for_others
from api.auth.passkey_removal import remove_passkey as remove
from api.auth.passkey_rows import of_account
from api.auth.permit import Permit
from api.auth.revocation import revoke, shown_token
from api.auth.roles import OF_AUTHORITY, OF_INSTALLATION, Role
from api.auth.second_person import demand_other_account, demand_unrelated_account
from api.auth.sessions import end
from api.auth.tokens import NewToken, new_token
from api.authorities.state import demand_within
from api.db.base import Json
from api.db.models import AccountRow, AuthorityRow, GrantRow, NameRow, PasskeyRow, TokenRow
from api.db.session import forget
from api.db.subjects import subject
from api.db.time_zones import time_zone_of
from api.db.unit_of_work import UnitOfWork
from api.db.unknown_names import no_authority
from api.errors import Conflict, Fault, Forbidden, Invalid, invalid_at
from api.timestamps import given_timestamp, parse_end
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.model import DAY_S, Instant
from dnsfilter.translatable import Text

YEAR_S = 367 * DAY_S
"""Longest life of a token in seconds: a leap year and the rest of its last day."""
MAX_TOKENS = 50
"""Most valid tokens of one account."""
MAX_TOKENS_A_DAY = 100
"""Most tokens made for one account in a day: each stays as a row and an entry of the audit log."""


@dataclass(frozen=True, slots=True)
class GrantWanted:
    """A role in an authority, or in the installation if it is None, from `start` to `end`, or without an end."""

    role: Role
    authority: str | None
    start: Instant
    end: Instant | None
    reason: str


@dataclass(frozen=True, slots=True)
class TokenWanted:
    """A token to be made. `made_with` is the number of the token that makes it.

    `outlives_maker`: an administrator lets it end later than that token.
    """

    label: str
    expires: Instant
    roles: frozenset[Role]
    authorities: frozenset[str]
    made_with: int | None = None
    outlives_maker: bool = False


def demand_disabling(_unit: UnitOfWork, permit: Permit, row: AccountRow) -> None:
    """Raise `Forbidden` if the account is the caller's own."""
    demand_other_account(permit.caller, row.id, Text("you cannot disable your own account: ask another administrator"))


def demand_erasing(_unit: UnitOfWork, permit: Permit, row: AccountRow) -> None:
    """Raise `Forbidden` if the account is the caller's own."""
    demand_other_account(permit.caller, row.id, Text("you cannot erase your own account: ask another administrator"))


def demand_visible(unit: UnitOfWork, permit: Permit, account: int) -> None:
    """Raise `Forbidden` unless the caller may see the account, also if there is no such account."""
    if account != permit.caller.account:
        visible = permit.visible()
        if visible is not None and not repository.has_acted(unit.session, account, visible):
            permit.demand()


def make(unit: UnitOfWork, wanted: AccountWrite) -> AccountRow:
    """Make an account; raise `Conflict` if the login is taken, `Invalid` if the authority is unknown."""
    if repository.by_login(unit.session, wanted.login) is not None:
        raise Conflict(f"the login {wanted.login} is taken: choose another")
    if wanted.authority is not None and unit.session.get(AuthorityRow, wanted.authority) is None:
        raise Invalid.at("body.authority", no_authority(unit.session, wanted.authority))
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
    """Reject the account's tokens from now on, and revoke those that it made for other accounts.

    Do nothing if the account is disabled already.
    """
    if row.disabled_s is None:
        row.disabled_s = unit.now_s
        _noted(unit, row, "account.disable", {"disabled": False}, {"disabled": True})
    revoke(unit, made_for_others(row.id))


def enable(unit: UnitOfWork, row: AccountRow) -> None:
    """Accept the account's own tokens again, unless they are revoked or expired.

    Raise `Conflict` if its name was erased: nobody could know who acts with it.
    """
    if unit.session.get(NameRow, row.id) is None:
        raise Conflict(f"the name of account {row.id} was erased: add another account")
    if row.disabled_s is not None:
        row.disabled_s = None
        _noted(unit, row, "account.enable", {"disabled": True}, {"disabled": False})


def erase(unit: UnitOfWork, row: AccountRow) -> None:
    """Erase the account's names and passkeys, disable it, and revoke its tokens and those made with them.

    The audit log keeps its acts, under its number.
    """
    name = unit.session.get(NameRow, row.id)
    disable(unit, row)
    revoke(unit, TokenRow.account == row.id)
    for passkey in of_account(unit.session, row.id):
        remove(unit, passkey)
    if name is not None:
        unit.session.delete(name)
        forget(unit.session)
        _noted(unit, row, "account.erase", None, None)


def make_grant(unit: UnitOfWork, permit: Permit, body: GrantWrite) -> GrantRow:
    """Give the role that a body describes. Raise `Forbidden` if the caller may not, or would grant it to itself."""
    permit.demand_named(body.authority)
    demand_unrelated_account(
        permit.caller, unit.session, body.account, Text("you cannot grant yourself a role: ask another person")
    )
    account = repository.get(unit.session, body.account)
    zone = time_zone_of(unit.session, body.authority)
    start = max(unit.now_s, given_timestamp(body.start, unit.now_s, zone, unit.asked_s, "body.start"))
    end = _wanted_end(unit, body, body.authority, start)
    return grant(unit, account, GrantWanted(body.role, body.authority, start, end, body.reason))


def grant(unit: UnitOfWork, account: AccountRow, wanted: GrantWanted) -> GrantRow:
    """Give an account a role; raise `Invalid`, or `Conflict` if it already has that role at that time."""
    _demand_grantable(unit, account, wanted)
    for other in repository.same_grants(unit.session, account.id, str(wanted.role), wanted.authority, unit.now_s):
        if other.period.overlaps(wanted.start, wanted.end):
            raise Conflict(Text("grant {number} already gives that role at that time", number=other.number))
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
    unit.note("grant.make", subject(row), None, _grant_shown(unit, row), *_authorities(row))
    return row


def end_grant(unit: UnitOfWork, row: GrantRow, reason: str, at: Instant | None = None) -> None:
    """End a role at `at`, or now.

    Raise `Conflict` if it has ended, or if nobody else is an administrator of the installation.
    """
    if has_ended(row, unit.now_s):
        raise Conflict(Text("grant {number} has already ended", number=row.number))
    if row.role == Role.ADMINISTRATOR and not _others_administer(unit, row):
        raise Conflict(
            Text("this is the last administrator of the installation: grant the role to another account first")
        )
    before = _grant_shown(unit, row)
    row.ended_s, row.ended_reason, row.revision = unit.now_s if at is None else at, reason, row.revision + 1
    unit.note("grant.end", subject(row), before, _grant_shown(unit, row), *_authorities(row))


def make_own_token(
    unit: UnitOfWork, caller: Caller, key: bytes, owner: AccountRow, body: TokenWrite
) -> tuple[TokenRow, NewToken]:
    """Make the token that a body describes, with the caller's token. Raise `Forbidden` if it would allow more."""
    expires = _wanted_end(unit, body, owner.authority, unit.now_s)
    if expires is None:
        raise Invalid.at("body.end", "a token needs an end: give end, until or for")
    maker = unit.session.get_one(TokenRow, caller.token)
    wanted = TokenWanted(body.label, expires, body.roles, body.authorities, maker.id, body.outlives_maker)
    demand_end(maker, wanted, administers=caller.administers)
    if owner.id == caller.account:
        demand_narrower(maker, wanted)
    return make_token(unit, key, owner, wanted)


def make_token(unit: UnitOfWork, key: bytes, account: AccountRow, wanted: TokenWanted) -> tuple[TokenRow, NewToken]:
    """Make a token. Only the returned value has its text. Raise `Invalid` or `Conflict` if it cannot be made."""
    if account.disabled_s is not None:
        raise Conflict(f"account {account.id} is disabled: enable it first")
    if not unit.now_s < wanted.expires <= unit.now_s + YEAR_S:
        raise Invalid.at("body.end", "a token ends after now and within a year: give another end")
    for slug in sorted(wanted.authorities):
        if unit.session.get(AuthorityRow, slug) is None:
            raise Invalid.at("body.authorities", no_authority(unit.session, slug))
    if repository.live_tokens(unit.session, account.id, unit.now_s) >= MAX_TOKENS:
        raise Conflict(f"account {account.id} has {MAX_TOKENS} tokens: revoke one first")
    if repository.made_since(unit.session, account.id, unit.now_s - DAY_S) >= MAX_TOKENS_A_DAY:
        raise Conflict(f"account {account.id} got {MAX_TOKENS_A_DAY} tokens within a day: try again later")
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
    extra = {"outlives_maker": True} if wanted.outlives_maker else {}
    unit.note("token.make", subject(row), None, {**shown_token(row), **extra})
    return row, fresh


def demand_narrower(token: TokenRow, wanted: TokenWanted) -> None:
    """Raise `Forbidden` if the wanted token of the same account would allow more than `token`."""
    asked = ((set(token.roles), set(map(str, wanted.roles))), (set(token.authorities), set(wanted.authorities)))
    for narrowed, given in asked:
        if narrowed and (not given or not given <= narrowed):
            raise Forbidden(f"a token narrowed to {', '.join(sorted(narrowed))} cannot make one that allows more")


def demand_end(maker: TokenRow, wanted: TokenWanted, *, administers: bool) -> None:
    """Raise `Forbidden` if the wanted token would outlive its maker without an administrator's consent."""
    if wanted.outlives_maker and not administers:
        raise Forbidden("Only an administrator of the installation can let a token outlive its maker. Ask one.")
    if maker.expires_s is None or wanted.expires <= maker.expires_s or wanted.outlives_maker:
        return
    end, bound = at_words(wanted.expires), at_words(maker.expires_s)
    others = "add" if administers else "ask an administrator, who may add"
    raise Forbidden(
        f"The token would end at {end}, after the token that makes it, which ends at {bound}. Give an earlier end, "
        f'for example --until "{bound}"; or {others} --outlives-maker.'
    )


def reach(unit: UnitOfWork, permit: Permit) -> int | None:
    """Return the token to whose descendants the caller is limited; None if the caller is not limited."""
    token = unit.session.get_one(TokenRow, permit.caller.token)
    free = not (token.roles or token.authorities) or permit.caller.has(permit.rule.roles, None)
    return None if free else token.id


def demand_reach(unit: UnitOfWork, permit: Permit, row: TokenRow) -> None:
    """Raise `Forbidden` if the caller's token is narrowed and neither is this one nor made it."""
    limit = reach(unit, permit)
    if limit is not None and not repository.descends(unit.session, row.id, limit):
        raise Forbidden(
            Text("A narrowed token can revoke only itself and tokens made with it. Use a token that is not narrowed.")
        )


def revoke_token(unit: UnitOfWork, row: TokenRow) -> Sequence[TokenRow]:
    """Reject the token, and every token made with it, from the next request on. Return those not revoked before."""
    return revoke(unit, TokenRow.id == row.id).rows


def remove_passkey(unit: UnitOfWork, permit: Permit, row: PasskeyRow) -> None:
    """Remove a passkey, and end the sessions that it began, but for the caller's.

    Raise `Forbidden` if the caller's token is narrowed.
    """
    if reach(unit, permit) is not None:
        raise Forbidden(Text("A narrowed token cannot remove a passkey. Use a token that is not narrowed."))
    remove(unit, row)
    end(unit, and_(TokenRow.passkey == row.number, TokenRow.id != permit.caller.token))


def _wanted_end(
    unit: UnitOfWork, body: GrantWrite | TokenWrite, authority: str | None, start: Instant
) -> Instant | None:
    with invalid_at("body.end"):
        time_zone = time_zone_of(unit.session, authority)
        return parse_end(start, body.end, body.until, body.for_, time_zone, unit.asked_s)


def _demand_grantable(unit: UnitOfWork, account: AccountRow, wanted: GrantWanted) -> None:
    faults = []
    if wanted.role in OF_AUTHORITY and wanted.authority is None:
        faults.append(Fault("body.authority", Text("the role {role} needs an authority: name it", role=wanted.role)))
    if wanted.role in OF_INSTALLATION and wanted.authority is not None:
        faults.append(
            Fault(
                "body.authority",
                Text("the role {role} applies to the installation: omit the authority", role=wanted.role),
            )
        )
    if wanted.authority is not None and unit.session.get(AuthorityRow, wanted.authority) is None:
        faults.append(Fault("body.authority", no_authority(unit.session, wanted.authority)))
    if wanted.end is not None and wanted.end <= max(wanted.start, unit.now_s):
        faults.append(Fault("body.end", Text("the grant ends before it takes effect: give a later end")))
    from_elsewhere = account.kind == AccountKind.USER and wanted.authority not in (None, account.authority)
    if from_elsewhere and wanted.end is None:
        faults.append(Fault("body.end", Text("a person from another authority needs an end: give end, until or for")))
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
    unit.note(act, subject(row), before, after, *(() if row.authority is None else (row.authority,)))
