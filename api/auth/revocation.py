"""Revoke tokens, with all tokens that were made with them, and the passkeys that were added with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select

from api.auth.lineage import descendants
from api.auth.passkey_removal import remove_made_with
from api.auth.state import has_expired
from api.db.base import Json
from api.db.models import TokenRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.timestamps import optional_text, timestamp_text


@dataclass(frozen=True, slots=True)
class Revoked:
    """The revoked tokens. `tokens` of them had not expired: their `accounts` accounts need new ones."""

    tokens: int
    accounts: int
    rows: Sequence[TokenRow] = ()

    def __str__(self) -> str:
        of = "account" if self.accounts == 1 else "accounts"
        return f"{self.tokens} {'token' if self.tokens == 1 else 'tokens'} of {self.accounts} {of}"


def revoke(unit: UnitOfWork, makers: ColumnElement[bool]) -> Revoked:
    """Revoke the tokens that `makers` selects, and all tokens made with them. Record each in the audit log.

    The holder of a token may have made others with it, for any account. Tokens made with an already revoked token are
    revoked too, and passkeys added with one are removed.
    """
    concerned = unit.session.scalars(select(descendants(makers).c.id)).all()
    found = select(TokenRow).where(TokenRow.id.in_(concerned), TokenRow.revoked_s.is_(None))
    rows = unit.session.scalars(found.order_by(TokenRow.id)).all()
    remove_made_with(unit, concerned)
    for row in rows:
        before = shown_token(row)
        row.revoked_s = unit.now_s
        unit.note("token.revoke", subject(row), before, shown_token(row))
    missed = [row.account for row in rows if not has_expired(row, unit.now_s)]
    return Revoked(len(missed), len(set(missed)), rows)


def shown_token(row: TokenRow) -> Json:
    """Return the token as the audit log keeps it."""
    return {
        "number": row.id,
        "account": row.account,
        "public": row.public,
        "label": row.label,
        "roles": sorted(row.roles),
        "authorities": sorted(row.authorities),
        "recorded": timestamp_text(row.created_s),
        "expires": optional_text(row.expires_s),
        "revoked": optional_text(row.revoked_s),
        "recorded_by": row.made_by,
        "made_with": row.made_with,
        "session": row.session,
    }
