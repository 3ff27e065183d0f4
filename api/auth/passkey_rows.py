"""The passkeys of an account, and what a challenge is for, without the library that makes and verifies challenges."""

from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import PasskeyRow


class Purpose(StrEnum):
    """The purpose of a challenge."""

    SIGN_IN = "sign-in"
    REGISTER = "register"
    CONFIRM = "confirm"


def of_account(session: Session, account: int) -> Sequence[PasskeyRow]:
    """Return the passkeys of an account by number."""
    return session.scalars(select(PasskeyRow).where(PasskeyRow.account == account).order_by(PasskeyRow.number)).all()
