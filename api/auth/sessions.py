"""Sessions of the console: tokens that only its pages accept, and the links that begin them.

A session allows no more than the token with which its link was made, and ends with it, unless an administrator made the
link for another account. A session that begins without a link has no such token. A session ends after an hour without
a request, and after twelve hours.
"""

import secrets

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from api.auth.revocation import revoke, shown_token
from api.auth.state import is_valid, token_refusal
from api.auth.tokens import NewToken, digest, new_token
from api.db.models import AccountRow, SignInLinkRow, TokenRow
from api.db.session import Database
from api.db.subjects import subject
from api.db.unit_of_work import Access, Actor, UnitOfWork
from api.errors import Conflict, NotAuthenticated
from dnsfilter.policy.model import DAY_S, Instant

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
MAX_SESSIONS = 10
"""Most sessions of one account: one more ends the oldest."""
LABEL = "console"
NOT_ACCEPTED = "This link was used already, or is older than ten minutes. Ask for another one."


def make_link(unit: UnitOfWork, key: bytes, token: TokenRow, account: AccountRow) -> str:
    """Return the code of a new link, made with `token`, to a session for `account`. Only a hash of the code is stored.

    Raise `Conflict` if the account is disabled.
    """
    if account.disabled_s is not None:
        raise Conflict(f"account {account.id} is disabled: enable it first")
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
    return _made(unit, key, link.made_by, maker)


def begin_verified(unit: UnitOfWork, key: bytes) -> NewToken:
    """Begin a session of the unit's account, which was verified without a token. The unit's access says how."""
    return _made(unit, key, unit.actor.account, None)


def may_prolong(row: TokenRow, session: Session, now_s: Instant) -> bool:
    """Return whether a session in use would end at least a minute later if it was prolonged."""
    assert row.expires_s is not None
    return row.expires_s + RENEWED_S <= _end(session, row, now_s)


def prolong(database: Database, number: int, now_s: Instant) -> None:
    """Let a session that is in use end later."""
    with database.writing() as session:
        row = session.get_one(TokenRow, number)
        row.expires_s = _end(session, row, now_s)


def _is_valid(session: Session, maker: TokenRow, now_s: Instant) -> bool:
    return token_refusal(maker, session.get_one(AccountRow, maker.account), now_s) is None


def _made(unit: UnitOfWork, key: bytes, made_by: int, maker: TokenRow | None) -> NewToken:
    fresh, account = new_token(key), unit.actor.account
    narrowing = maker if maker is not None and maker.account == account else None
    row = TokenRow(
        public=fresh.public,
        account=account,
        label=LABEL,
        digest=fresh.digest,
        roles=[] if narrowing is None else narrowing.roles,
        authorities=[] if narrowing is None else narrowing.authorities,
        created_s=unit.now_s,
        made_with=None if maker is None else maker.id,
        made_by=made_by,
        session=True,
    )
    row.expires_s = _end(unit.session, row, unit.now_s)
    unit.session.add(row)
    unit.session.flush()
    unit.note("session.begin", subject(row), None, shown_token(row))
    own = select(TokenRow.id).where(TokenRow.account == account, TokenRow.session, is_valid(unit.now_s))
    oldest = unit.session.scalars(own.order_by(TokenRow.id.desc()).offset(MAX_SESSIONS)).all()
    revoke(unit, TokenRow.id.in_(oldest))
    return fresh


def _end(session: Session, row: TokenRow, now_s: Instant) -> Instant:
    """Return the end of a session that is used at `now_s`."""
    maker = None if row.made_with is None else session.get(TokenRow, row.made_with)
    ends = [now_s + IDLE_S, row.created_s + LONGEST_S]
    if maker is not None and maker.account == row.account and maker.expires_s is not None:
        ends.append(maker.expires_s)
    return min(ends)
