"""Bearer tokens: made once, shown once, found by their public part, stored as a keyed hash.

`dnsf_` PUBLIC `_` SECRET, where PUBLIC are 12 hexadecimal digits and SECRET 256 random bits in URL-safe base64. What is
stored is HMAC-SHA256 of the whole under a key that the database does not have: whoever can write into the database
can make no token, and a copy of it tests no guess.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth.caller import Caller, Held, narrowed, roles_at
from api.auth.revocation import Revoked, revoke
from api.auth.roles import Role
from api.auth.state import Refusal, token_refusal
from api.db.models import AccountRow, AuditRow, GrantRow, NameRow, TokenRow
from api.db.session import Database
from api.db.unit_of_work import LOCAL, Access, Actor, UnitOfWork
from api.files import read_key_file, write_secret

PREFIX = "dnsf_"
ADMINISTRATOR = "administrator"
KEY_ACT = "token.key"
MAX_LENGTH = 200
KEY_BYTES = 32
DAY_S = 86_400
_HELD = select(TokenRow, AccountRow).join(AccountRow, AccountRow.id == TokenRow.account)
_TOKEN = re.compile(r"dnsf_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Refused:
    """A token that is not taken; `token` is its number, where it is one of ours."""

    reason: Refusal
    token: int | None = None


@dataclass(frozen=True, slots=True)
class Fresh:
    """A token just made: its text, which is kept nowhere, and what is stored of it."""

    text: str
    public: str
    digest: str


def new_token(key: bytes) -> Fresh:
    """A token of 256 random bits."""
    public = secrets.token_hex(6)
    text = f"{PREFIX}{public}_{secrets.token_urlsafe(32)}"
    return Fresh(text, public, digest(key, text))


def digest(key: bytes, token: str) -> str:
    """What is stored of a token."""
    return hmac.digest(key, token.encode(), hashlib.sha256).hex()


def public_part(token: str) -> str | None:
    """The public part of what looks like a token of ours, else None."""
    found = _TOKEN.fullmatch(token) if len(token) <= MAX_LENGTH else None
    return found.group(1) if found is not None else None


def authenticate(session: Session, key: bytes, token: str, now_s: int, request: str) -> Caller | Refused:
    """The caller that presents `token`, with the roles that hold at `now_s`. Compares in constant time."""
    public = public_part(token)
    found = None if public is None else session.execute(_HELD.where(TokenRow.public == public)).one_or_none()
    row, account = found if found is not None else (None, None)
    presented = digest(key, token)
    known = hmac.compare_digest(presented, row.digest if row is not None else "0" * len(presented))
    if not known or row is None or account is None:
        return Refused(Refusal.UNKNOWN)
    return standing(session, row, account, now_s, request)


def held_token(session: Session, number: int) -> tuple[TokenRow, AccountRow]:
    """Return a token that there is, and its account."""
    token, account = session.execute(_HELD.where(TokenRow.id == number)).one()
    return token, account


def standing(session: Session, row: TokenRow, account: AccountRow, now_s: int, request: str) -> Caller | Refused:
    """The caller of a token that was presented, with the roles that hold at `now_s`; or why it is not taken."""
    refusal = token_refusal(row, account, now_s)
    if refusal is not None:
        return Refused(refusal, row.id)
    held, ended = roles_at(session, row.account, now_s)
    passed = tuple(each for each in ended if narrowed({each.held}, row))
    return Caller(Actor(row.account, Access.TOKEN, request, row.id), narrowed(held, row), passed, row.used_day)


def note_use(database: Database, caller: Caller, now_s: int) -> bool:
    """Keep the day of a token's last use; writes once a day and token, and says whether it did."""
    day = now_s // DAY_S
    if caller.used_day == day:
        return False
    with database.writing() as session:
        row = session.get_one(TokenRow, caller.token)
        # Other requests with the token may have come first.
        noted, row.used_day = row.used_day != day, day
    return noted


def load_key(path: Path) -> bytes:
    """The key of the installation's token hashes.

    Raises OSError, and ValueError where the file holds something else, or is not its owner's alone.
    """
    key = read_key_file(path, KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        held = str(len(key)) if len(key) <= KEY_BYTES else f"more than {KEY_BYTES}"
        raise ValueError(f"{path} holds {held} octets, not the {KEY_BYTES} of a key")
    return key


def make_key(path: Path) -> None:
    """Make the key of the installation's token hashes, readable by its owner only.

    Raises OSError, FileExistsError if the file exists.
    """
    write_secret(path, secrets.token_bytes(KEY_BYTES), exclusive=True)


def fingerprint(key: bytes) -> str:
    """What the audit log keeps of a key of token hashes: it identifies the key and does not reveal it."""
    return digest(key, KEY_ACT)


def fingerprint_on_record(session: Session) -> str | None:
    """The fingerprint of the newest key that the audit log knows; None if it knows none."""
    statement = select(AuditRow.after).where(AuditRow.act == KEY_ACT).order_by(AuditRow.seq.desc()).limit(1)
    after = session.scalar(statement)
    return None if after is None else str(after["key"])


def record_key(unit: UnitOfWork, key: bytes) -> None:
    """Record which key the database's token hashes are made with, unless the audit log knows that."""
    known = fingerprint_on_record(unit.session)
    if known != fingerprint(key):
        before = None if known is None else {"key": known}
        unit.note(KEY_ACT, "installation", before, {"key": fingerprint(key)})


def make_first_token(database: Database, key: bytes, path: Path, now_s: int) -> bool:
    """Make the first administrator and its token if the database knows no account; True if it did.

    The token's file may be moved away afterwards: it is never made again by itself.
    """
    with database.reading() as session:
        if session.scalar(select(AccountRow.id).limit(1)) is not None:
            return False
    replace_token(database, key, path, now_s)
    return True


def replace_token(database: Database, key: bytes, path: Path, now_s: int, *, keep: bool = False) -> Revoked:
    """Make a new token of the installation's administrator, which always may; return what was revoked.

    Its old tokens are revoked with all that were made with them, unless `keep`: then they stay valid. Those of a
    disabled account are not valid, and are revoked in any case. The acts change no policy, so that they make no
    revision. The file is readable by its owner only, from the moment it exists.
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
            label="the installation's",
            digest=fresh.digest,
            roles=[],
            authorities=[],
            created_s=now_s,
            expires_s=None,
            revoked_s=None,
            used_day=None,
        )
        session.add(row)
        session.flush()
        unit.note("token.make", f"token/{row.id}", None, {"account": account.id, "expires": None})
        write_secret(path, fresh.text.encode() + b"\n")
    return revoked


def _administrator(unit: UnitOfWork) -> AccountRow:
    """Return the account of the installation's administrator. Make it and grant its role where that is needed."""
    session = unit.session
    name = session.scalar(select(NameRow).where(NameRow.login == ADMINISTRATOR))
    if name is None:
        row = AccountRow(kind="service", authority=None, created_s=unit.now_s, disabled_s=None, revision=unit.revision)
        session.add(row)
        session.flush()
        session.add(NameRow(account=row.id, login=ADMINISTRATOR, name="the installation's administrator"))
        unit.note("account.make", f"account/{row.id}", None, {"kind": "service"})
    else:
        row = session.get_one(AccountRow, name.account)
    held, _ = roles_at(session, row.id, unit.now_s)
    if Held(Role.ADMINISTRATOR, None) not in held:
        _grant(unit, row.id)
    return row


def _enable(unit: UnitOfWork, row: AccountRow) -> None:
    if row.disabled_s is not None:
        row.disabled_s = None
        row.revision += 1
        unit.note("account.enable", f"account/{row.id}", {"disabled": True}, {"disabled": False})


def _grant(unit: UnitOfWork, account: int) -> None:
    row = GrantRow(
        account=account,
        role=str(Role.ADMINISTRATOR),
        authority=None,
        start_s=unit.now_s,
        end_s=None,
        reason="the installation's own",
        recorded_s=unit.now_s,
        recorded_by=unit.actor.account,
        ended_s=None,
        ended_reason="",
        revision=unit.revision,
    )
    unit.session.add(row)
    unit.session.flush()
    unit.note("grant.make", f"grant/{row.number}", None, {"account": account, "role": str(Role.ADMINISTRATOR)})
