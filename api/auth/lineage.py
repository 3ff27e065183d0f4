"""What descends from whom: whoever has a token may have what was made with it, and who granted a role passed it on."""

from collections import defaultdict

from sqlalchemy import CTE, ColumnElement, and_, select
from sqlalchemy.orm import Session, aliased

from api.auth.roles import Role
from api.db.models import GrantRow, TokenRow

GRANTING = (str(Role.APPROVER), str(Role.ADMINISTRATOR))
"""The roles that grant roles: an approver in its authority, an administrator everywhere."""


def heirs(makers: ColumnElement[bool]) -> CTE:
    """The numbers of the tokens that `makers` selects, of those made with them, and so on; the column is `id`."""
    found = select(TokenRow.id).where(makers).cte("heirs", recursive=True)
    return found.union(select(TokenRow.id).where(TokenRow.made_with == found.c.id))


def made_for_others(account: int) -> ColumnElement[bool]:
    """Select the tokens of other accounts that were made with a token of `account`."""
    own = aliased(TokenRow)
    with_own = TokenRow.made_with.in_(select(own.id).where(own.account == account))
    return and_(TokenRow.account != account, with_own)


def makers(session: Session, token: int) -> frozenset[int]:
    """The accounts that made `token`, the token with which it was made, and so on."""
    own = select(TokenRow.made_with, TokenRow.made_by).where(TokenRow.id == token).cte("makers", recursive=True)
    found = own.union(select(TokenRow.made_with, TokenRow.made_by).where(TokenRow.id == own.c.made_with))
    return frozenset(session.scalars(select(found.c.made_by)))


def derived(session: Session, account: int) -> frozenset[int]:
    """The numbers of the grants of roles that approve which `account` made, or made possible.

    One is made possible by it where whoever made it could do so, at that instant, through such grants only.
    """
    statement = select(GrantRow).where(GrantRow.role.in_(GRANTING)).order_by(GrantRow.number)
    found: set[int] = set()
    held: defaultdict[int, list[GrantRow]] = defaultdict(list)
    for row in session.scalars(statement):
        through = {other.number for other in held[row.recorded_by] if _lets(other, row)}
        if row.recorded_by == account or (through and through <= found):
            found.add(row.number)
        held[row.account].append(row)
    return frozenset(found)


def _lets(held: GrantRow, made: GrantRow) -> bool:
    """Whether who held the one grant could make the other, when that was made."""
    return held.authority in (None, made.authority) and held.period.holds(made.recorded_s)
