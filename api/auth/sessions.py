"""Sessions of the console: tokens that only its pages accept, and the links and passkeys that begin them.

A session allows no more than the token with which its link was made, and ends with it, unless an administrator made the
link for another account. A session that begins without a link has no such token. A session ends after an hour without
a request, and after twelve hours.

The session of a passkey descends from the session in which the passkey was added, so it is revoked with that. But it is
not ended with it: people sign out every day.
"""

import secrets

from sqlalchemy import ColumnElement, and_, delete, select
from sqlalchemy.orm import Session

from api.auth.revocation import revoke, shown_token
from api.auth.state import is_valid, token_refusal
from api.auth.tokens import NewToken, digest, new_token
from api.db.models import AccountRow, PasskeyRow, SignInLinkRow, TokenRow
from api.db.session import Database
from api.db.subjects import subject
from api.db.unit_of_work import Access, Actor, UnitOfWork
from api.errors import Conflict, NotAuthenticated
from dnsfilter.policy.model import DAY_S, Instant
from dnsfilter.translatable import Text

COOKIE = "__Host-dnsfilter"
"""The cookie's name. Browsers accept a cookie of this prefix only with Secure, for `/`, and from its own host."""
SIGN_IN = "/console/sign-in"
"""The path of the page that signs in. A link has its code below it."""
LINK_S = 600
"""Seconds in which a link begins a session."""
IDLE_S = 3600
LONGEST_S = DAY_S // 2
RENEWED_S = 60
"""Seconds after which a session in use is prolonged again."""
PROOF_S = 600
"""Seconds after signing in, or confirming with a passkey, in which a session may do sensitive acts."""
MAX_SESSIONS = 10
"""Most sessions of one account: one more ends the oldest."""
LABEL = "console"
DISABLED = Text("This account is disabled. Ask an administrator.")
NOT_ACCEPTED = Text("This link was used already, or is older than ten minutes. Ask for another one.")


def make_link(unit: UnitOfWork, key: bytes, token: TokenRow, account: AccountRow) -> str:
    """Return the code of a new link, made with `token`, to a session for `account`. Only a hash of the code is stored.

    Raise `Conflict` if the account is disabled.
    """
    if account.disabled_s is not None:
        raise Conflict(Text("account {account} is disabled: enable it first", account=account.id))
    code = secrets.token_urlsafe(32)
    unit.session.execute(delete(SignInLinkRow).where(SignInLinkRow.expires_s <= unit.now_s))
    row = SignInLinkRow(
        digest=digest(key, code),
        account=account.id,
        made_with=token.id,
        made_by=unit.actor.account,
        expires_s=unit.now_s + LINK_S,
    )
    unit.session.add(row)
    unit.note("sign_in_link.make", subject(account), None, {"account": account.id, "token": token.id})
    return code


def begin(session: Session, key: bytes, code: str, now_s: Instant, request: str) -> NewToken:
    """Begin the session of a link. Raise NotAuthenticated unless the link is unused, and its token still valid."""
    link = session.get(SignInLinkRow, digest(key, code))
    maker = session.get(TokenRow, link.made_with) if link is not None else None
    if link is None or maker is None or link.expires_s <= now_s or not _is_valid(session, maker, now_s):
        raise NotAuthenticated(NOT_ACCEPTED)
    if session.get_one(AccountRow, link.account).disabled_s is not None:
        raise NotAuthenticated(NOT_ACCEPTED)
    session.delete(link)
    unit = UnitOfWork(session, Actor(link.account, Access.TOKEN, request, maker.id), now_s)
    is_own = maker.account == link.account
    return _made(
        unit,
        key,
        TokenRow(
            account=link.account,
            roles=maker.roles if is_own else [],
            authorities=maker.authorities if is_own else [],
            made_with=maker.id,
            made_by=link.made_by,
        ),
    )


def begin_verified(unit: UnitOfWork, key: bytes) -> NewToken:
    """Begin a session of the unit's account, which was verified without a token. The unit's access says how."""
    own = unit.actor.account
    return _made(unit, key, TokenRow(account=own, roles=[], authorities=[], made_with=None, made_by=own))


def begin_with_passkey(session: Session, key: bytes, passkey: PasskeyRow, now_s: Instant, request: str) -> NewToken:
    """Begin the session of a passkey that has signed. Raise NotAuthenticated if its account is disabled."""
    if session.get_one(AccountRow, passkey.account).disabled_s is not None:
        raise NotAuthenticated(DISABLED)
    unit = UnitOfWork(session, Actor(passkey.account, Access.TOKEN, request, passkey.made_with), now_s)
    return _made(
        unit,
        key,
        TokenRow(
            account=passkey.account,
            roles=[],
            authorities=[],
            made_with=passkey.made_with,
            made_by=passkey.account,
            passkey=passkey.number,
        ),
    )


def end(unit: UnitOfWork, sessions: ColumnElement[bool]) -> None:
    """End sessions without revoking what was begun or added in them, but for tokens that would end with them."""
    for row in unit.session.scalars(select(TokenRow).where(sessions, TokenRow.session, is_valid(unit.now_s))).all():
        before, expired_s = shown_token(row), row.expires_s
        row.expires_s = unit.now_s
        unit.note("session.end", subject(row), before, shown_token(row))
        revoke(unit, and_(TokenRow.made_with == row.id, ~TokenRow.session, TokenRow.expires_s <= expired_s))


def confirm(unit: UnitOfWork, row: TokenRow) -> None:
    """Note that the person of a session has confirmed it with a passkey."""
    row.proven_s = unit.now_s
    unit.note("session.confirm", subject(row), None, None)


def may_prolong(row: TokenRow, session: Session, now_s: Instant) -> bool:
    """Return whether a session in use would end at least a minute later if it was prolonged."""
    assert row.expires_s is not None
    if row.expires_s + RENEWED_S > now_s + IDLE_S:
        return False
    return row.expires_s + RENEWED_S <= _end(session, row, now_s)


def prolong(database: Database, number: int, now_s: Instant) -> None:
    """Let a session that is in use end later."""
    with database.writing() as session:
        row = session.get_one(TokenRow, number)
        row.expires_s = _end(session, row, now_s)


def _is_valid(session: Session, maker: TokenRow, now_s: Instant) -> bool:
    return token_refusal(maker, session.get_one(AccountRow, maker.account), now_s) is None


def _made(unit: UnitOfWork, key: bytes, row: TokenRow) -> NewToken:
    """Store a session, and return its token."""
    fresh = new_token(key)
    row.public, row.digest, row.label, row.session = fresh.public, fresh.digest, LABEL, True
    row.created_s = row.proven_s = unit.now_s
    row.expires_s = _end(unit.session, row, unit.now_s)
    unit.session.add(row)
    unit.session.flush()
    unit.note("session.begin", subject(row), None, shown_token(row))
    own = select(TokenRow.id).where(TokenRow.account == row.account, TokenRow.session, is_valid(unit.now_s))
    oldest = unit.session.scalars(own.order_by(TokenRow.id.desc()).offset(MAX_SESSIONS)).all()
    end(unit, TokenRow.id.in_(oldest))
    return fresh


def _end(session: Session, row: TokenRow, now_s: Instant) -> Instant:
    """Return the end of a session that is used at `now_s`."""
    is_bound = row.made_with is not None and row.passkey is None
    maker = session.get(TokenRow, row.made_with) if is_bound else None
    ends = [now_s + IDLE_S, row.created_s + LONGEST_S]
    if maker is not None and maker.account == row.account and maker.expires_s is not None:
        ends.append(maker.expires_s)
    return min(ends)
