"""Remove passkeys. Their rows go; the audit log keeps that they were there."""

from collections.abc import Collection

from sqlalchemy import select

from api.db.base import Json
from api.db.models import PasskeyRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.timestamps import timestamp_text


def remove_passkey(unit: UnitOfWork, row: PasskeyRow) -> None:
    """Remove a passkey. It begins no session from now on."""
    unit.session.delete(row)
    unit.note("passkey.remove", subject(row), shown_passkey(row), None)


def remove_made_with(unit: UnitOfWork, tokens: Collection[int]) -> None:
    """Remove the passkeys that were added with these tokens."""
    added = select(PasskeyRow).where(PasskeyRow.made_with.in_(tokens)).order_by(PasskeyRow.number)
    for row in unit.session.scalars(added).all():
        remove_passkey(unit, row)


def shown_passkey(row: PasskeyRow) -> Json:
    """Return the passkey as the audit log keeps it."""
    return {
        "number": row.number,
        "account": row.account,
        "label": row.label,
        "recorded": timestamp_text(row.created_s),
        "made_with": row.made_with,
    }
