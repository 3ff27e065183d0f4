"""Bearer tokens: shown once, found by their public part, stored as a keyed hash.

A token is `dnsf_` PUBLIC `_` SECRET. PUBLIC is 12 hexadecimal digits, SECRET 256 random bits in URL-safe base64. The
database stores the HMAC-SHA256 of the token, but not the key of the HMAC. So write access to the database is not
enough to make a token, and a copy of the database is not enough to test a guess.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth.caller import Caller, HeldRole, narrowed, roles_at
from api.auth.lineage import OWN_LABEL
from api.auth.revocation import Revoked, revoke
from api.auth.roles import Role
from api.auth.state import Refusal, token_refusal
from api.db.models import AccountRow, AuditRow, GrantRow, NameRow, TokenRow
from api.db.session import Database
from api.db.subjects import subject
from api.db.unit_of_work import LOCAL, Access, Actor, UnitOfWork
from api.files import read_key_file, write_secret
from dnsfilter.policy.model import DAY_S

PREFIX = "dnsf_"
ADMINISTRATOR = "administrator"
KEY_ACT = "token.key"
MAX_LENGTH = 200
KEY_BYTES = 32
_HELD = select(TokenRow, AccountRow).join(AccountRow, AccountRow.id == TokenRow.account)
_TOKEN = re.compile(r"dnsf_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Refused:
    """A token that is not accepted. `token` is its number if it is a known one."""

    reason: Refusal
    token: int | None = None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A new token: its text, which is not stored, and the parts that are stored."""

    text: str
    public: str
    digest: str


def new_token(key: bytes) -> NewToken:
    """Return a new token of 256 random bits."""
    public = secrets.token_hex(6)
    text = f"{PREFIX}{public}_{secrets.token_urlsafe(32)}"
    return NewToken(text, public, digest(key, text))


def digest(key: bytes, token: str) -> str:
    """Return the keyed hash of a token, in hexadecimal."""
    return hmac.digest(key, token.encode(), hashlib.sha256).hex()


def public_part(token: str) -> str | None:
    """Return the public part of a text in the form of a token, else None."""
    found = _TOKEN.fullmatch(token) if len(token) <= MAX_LENGTH else None
    return found.group(1) if found is not None else None


def authenticate(
    session: Session, key: bytes, token: str, now_s: int, request: str, *, in_console: bool = False
) -> Caller | Refused:
    """Return the caller that presents `token`, with its roles at `now_s`, or why it is refused. Use constant time.

    Only the console accepts the token of a session, and it accepts no other.
    """
    public = public_part(token)
    found = None if public is None else session.execute(_HELD.where(TokenRow.public == public)).one_or_none()
    row, account = found if found is not None else (None, None)
    presented = digest(key, token)
    known = hmac.compare_digest(presented, row.digest if row is not None else "0" * len(presented))
    if not known or row is None or account is None or row.session is not in_console:
        return Refused(Refusal.UNKNOWN)
    return caller_of_token(session, row, account, now_s, request)


def held_token(session: Session, number: int) -> tuple[TokenRow, AccountRow]:
    """Return an existing token and its account."""
    token, account = session.execute(_HELD.where(TokenRow.id == number)).one()
    return token, account


def caller_of_token(session: Session, row: TokenRow, account: AccountRow, now_s: int, request: str) -> Caller | Refused:
    """Return the caller of a presented token, with its roles at `now_s`, or why the token is refused."""
    refusal = token_refusal(row, account, now_s)
    if refusal is not None:
        return Refused(refusal, row.id)
    held, ended = roles_at(session, row.account, now_s)
    passed = tuple(each for each in ended if narrowed({each.held}, row))
    return Caller(Actor(row.account, Access.TOKEN, request, row.id), narrowed(held, row), passed, row.used_day)


def note_use(database: Database, caller: Caller, now_s: int) -> bool:
    """Store the day of a token's last use, at most once per day and token. Return whether it was stored."""
    day = now_s // DAY_S
    if caller.used_day == day:
        return False
    with database.writing() as session:
        row = session.get_one(TokenRow, caller.token)
        # Another request with the token may have stored it first.
        noted, row.used_day = row.used_day != day, day
    return noted


def load_key(path: Path) -> bytes:
    """Return the key of the installation's token hashes.

    Raise OSError. Raise ValueError if the file holds something else, or if others than its owner may access it.
    """
    key = read_key_file(path, KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        held = str(len(key)) if len(key) <= KEY_BYTES else f"more than {KEY_BYTES}"
        raise ValueError(f"{path} holds {held} bytes, not the {KEY_BYTES} of a key")
    return key


def make_key(path: Path) -> None:
    """Make the key of the installation's token hashes. Only its owner can read it.

    Raise OSError, FileExistsError if the file exists.
    """
    write_secret(path, secrets.token_bytes(KEY_BYTES), exclusive=True)


def fingerprint(key: bytes) -> str:
    """Return a fingerprint of a key of token hashes for the audit log. It identifies the key without revealing it."""
    return digest(key, KEY_ACT)


def recorded_fingerprint(session: Session) -> str | None:
    """Return the fingerprint of the newest key in the audit log, or None."""
    statement = select(AuditRow.after).where(AuditRow.act == KEY_ACT).order_by(AuditRow.seq.desc()).limit(1)
    after = session.scalar(statement)
    return None if after is None else str(after["key"])


def record_key(unit: UnitOfWork, key: bytes) -> None:
    """Record the key of the database's token hashes, unless the audit log has it."""
    known = recorded_fingerprint(unit.session)
    if known != fingerprint(key):
        before = None if known is None else {"key": known}
        unit.note(KEY_ACT, "installation", before, {"key": fingerprint(key)})


def make_first_token(database: Database, key: bytes, path: Path, now_s: int) -> bool:
    """Make the first administrator and its token if the database has no account. Return whether it did.

    The token's file may be moved away later: it is not made again automatically.
    """
    with database.reading() as session:
        if session.scalar(select(AccountRow.id).limit(1)) is not None:
            return False
    replace_token(database, key, path, now_s)
    return True


def replace_token(database: Database, key: bytes, path: Path, now_s: int, *, keep: bool = False) -> Revoked:
    """Make a new token of the installation's administrator, and enable its account. Return what was revoked.

    Its old tokens and all tokens made with them are revoked. With `keep` they stay valid, unless the account was
    disabled. The acts do not change the policy, so they make no revision. Only the owner can ever read the file.
    """
    fresh = new_token(key)
    with database.writing() as session:
        unit = UnitOfWork(session, LOCAL, now_s)
        account = _administrator(unit)
        keep = keep and account.disabled_s is None
        revoked = Revoked(0, 0) if keep else revoke(unit, TokenRow.account == account.id)
        _enable(unit, account)
        row = TokenRow(
            public=fresh.public,
            account=account.id,
            label=OWN_LABEL,
            digest=fresh.digest,
            roles=[],
            authorities=[],
            created_s=now_s,
        )
        session.add(row)
        session.flush()
        unit.note("token.make", subject(row), None, {"account": account.id, "expires": None})
        write_secret(path, fresh.text.encode() + b"\n")
    return revoked


def _administrator(unit: UnitOfWork) -> AccountRow:
    """Return the account of the installation's administrator. Make it and grant its role if needed."""
    session = unit.session
    name = session.scalar(select(NameRow).where(NameRow.login == ADMINISTRATOR))
    if name is None:
        row = AccountRow(kind="service", created_s=unit.now_s, revision=unit.revision)
        session.add(row)
        session.flush()
        session.add(NameRow(account=row.id, login=ADMINISTRATOR, name="the installation's administrator"))
        unit.note("account.make", subject(row), None, {"kind": "service"})
    else:
        row = session.get_one(AccountRow, name.account)
    held, _ = roles_at(session, row.id, unit.now_s)
    if HeldRole(Role.ADMINISTRATOR, None) not in held:
        _grant(unit, row.id)
    return row


def _enable(unit: UnitOfWork, row: AccountRow) -> None:
    if row.disabled_s is not None:
        row.disabled_s = None
        row.revision += 1
        unit.note("account.enable", subject(row), {"disabled": True}, {"disabled": False})


def _grant(unit: UnitOfWork, account: int) -> None:
    row = GrantRow(
        account=account,
        role=str(Role.ADMINISTRATOR),
        start_s=unit.now_s,
        reason="the installation's own",
        recorded_s=unit.now_s,
        recorded_by=unit.actor.account,
        revision=unit.revision,
    )
    unit.session.add(row)
    unit.session.flush()
    unit.note("grant.make", subject(row), None, {"account": account, "role": str(Role.ADMINISTRATOR)})
