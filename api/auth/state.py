"""Decide whether a token is valid at an instant, also as SQL."""

from enum import StrEnum

from sqlalchemy import ColumnElement, and_, or_

from api.db.models import AccountRow, TokenRow
from dnsfilter.policy.model import Instant


class Refusal(StrEnum):
    """The reason for refusing a token."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"
    DISABLED = "disabled"


def token_refusal(row: TokenRow, account: AccountRow, now: Instant) -> Refusal | None:
    """Return why a known token of that account is not accepted at `now`, or None if it is.

    A revoked token stays revoked even if a clock is set back.
    """
    if row.revoked_s is not None:
        return Refusal.REVOKED
    if has_expired(row, now):
        return Refusal.EXPIRED
    return None if account.disabled_s is None else Refusal.DISABLED


def has_expired(row: TokenRow, now: Instant) -> bool:
    """Return whether the token has expired at `now`."""
    return row.expires_s is not None and row.expires_s <= now


def is_valid(now: Instant) -> ColumnElement[bool]:
    """Select the tokens that are neither revoked nor expired at `now`."""
    return and_(TokenRow.revoked_s.is_(None), or_(TokenRow.expires_s.is_(None), TokenRow.expires_s > now))
