"""The descent of tokens and grants: which tokens and grants of roles exist only through others.

Descent counts persons and programs. The installation's own administrator made the first tokens and grants, so all
others descend from it: if it counted, nobody could decide what it asks for.
"""

from collections import defaultdict

from sqlalchemy import CTE, ColumnElement, and_, select
from sqlalchemy.orm import Session, aliased

from api.auth.roles import Role
from api.db.models import GrantRow, TokenRow
from api.db.unit_of_work import INSTALLATION_ACCOUNT

OWN_LABEL = "the installation's"
"""The label of the tokens of the installation's administrator. Those are made with access to its files only."""
GRANTING = (str(Role.APPROVER), str(Role.ADMINISTRATOR))
"""The roles that may grant roles: an approver in its authority, an administrator everywhere."""


def descendants(makers: ColumnElement[bool]) -> CTE:
    """Select the `id` of the tokens that `makers` selects, of the tokens made with these, and so on."""
    found = select(TokenRow.id).where(makers).cte("descendants", recursive=True)
    return found.union(select(TokenRow.id).where(TokenRow.made_with == found.c.id))


def made_for_others(account: int) -> ColumnElement[bool]:
    """Select the tokens of other accounts that were made with a token of `account`."""
    own = aliased(TokenRow)
    with_own = TokenRow.made_with.in_(select(own.id).where(own.account == account))
    return and_(TokenRow.account != account, with_own)


def makers(session: Session, token: int) -> frozenset[int]:
    """Return the accounts that made `token`, the token with which it was made, and so on; not the installation's."""
    own = select(TokenRow.made_with, TokenRow.made_by).where(TokenRow.id == token).cte("makers", recursive=True)
    found = own.union(select(TokenRow.made_with, TokenRow.made_by).where(TokenRow.id == own.c.made_with))
    return frozenset(session.scalars(select(found.c.made_by))) - _installations(session)


def derived_grants(session: Session, account: int) -> frozenset[int]:
    """Return the numbers of the grants of `GRANTING` roles that `account` made, or made possible.

    It made a grant possible if the maker of that grant could make it, at that instant, only through such grants. No
    grant counts as made by the installation's administrator.
    """
    if account in _installations(session):
        return frozenset()
    statement = select(GrantRow).where(GrantRow.role.in_(GRANTING)).order_by(GrantRow.number)
    found: set[int] = set()
    held: defaultdict[int, list[GrantRow]] = defaultdict(list)
    for row in session.scalars(statement):
        through = {other.number for other in held[row.recorded_by] if _allows(other, row)}
        if row.recorded_by == account or (through and through <= found):
            found.add(row.number)
        held[row.account].append(row)
    return frozenset(found)


def _installations(session: Session) -> frozenset[int]:
    """Return the account of the installation's administrator."""
    own = TokenRow.made_by == INSTALLATION_ACCOUNT, TokenRow.label == OWN_LABEL
    return frozenset(session.scalars(select(TokenRow.account).where(*own)))


def _allows(held: GrantRow, made: GrantRow) -> bool:
    """Return whether the holder of grant `held` could make grant `made` at the time."""
    return held.authority in (None, made.authority) and held.period.holds(made.recorded_s)
