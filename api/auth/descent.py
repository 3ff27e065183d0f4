"""Which tokens were made with which: whoever has one may have what was made with it."""

from sqlalchemy import CTE, select
from sqlalchemy.orm import Session

from api.db.models import TokenRow


def heirs(token: int) -> CTE:
    """The numbers of `token` and of the tokens made with it, with those in turn, and so on; the column is `id`."""
    found = select(TokenRow.id).where(TokenRow.id == token).cte("heirs", recursive=True)
    return found.union(select(TokenRow.id).where(TokenRow.made_with == found.c.id))


def makers(session: Session, token: int) -> frozenset[int]:
    """The accounts that made `token`, the token with which it was made, and so on."""
    own = select(TokenRow.made_with, TokenRow.made_by).where(TokenRow.id == token).cte("makers", recursive=True)
    found = own.union(select(TokenRow.made_with, TokenRow.made_by).where(TokenRow.id == own.c.made_with))
    return frozenset(session.scalars(select(found.c.made_by)))
