"""The second person: which acts need none, and who may not decide on a request.

Nobody decides on their own request, nor through a token or role that they control.
"""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth.caller import Caller, held_role
from api.auth.lineage import derived_grants, makers
from api.auth.roles import Role
from api.db.models import GrantRow
from api.errors import Forbidden
from dnsfilter.translatable import Text

ALONE: Mapping[str, str] = {
    "start_suspension": "it ends by itself: after four hours within 24 for an operator",
    "end_suspension": "it refuses again",
    "request_exemption": "it has no effect before another person approves it",
    "withdraw_exemption": "the request has had no effect",
    "approve_exemption": "another person has asked for it",
    "withdraw_request": "the request has had no effect",
}
"""The operations that need no second person, and why. Every other one is judged.

`docs/reference/permissions.md` lists them.
"""
OWN = Text("you cannot approve your own request: ask another person")


def demand_other_account(caller: Caller, account: int, what: str) -> None:
    """Raise Forbidden if `account` is the caller's own."""
    if account == caller.account:
        raise Forbidden(what)


def demand_unrelated_account(caller: Caller, session: Session, account: int, what: str) -> None:
    """Raise Forbidden if `account` is the caller's own, or made the caller's token or an ancestor of it.

    The maker of a token may still have it, even if it belongs to another account.
    """
    demand_other_account(caller, account, what)
    if account in makers(session, caller.token):
        raise Forbidden(Text("{what}; account {account} made your token", what=what, account=account))


def demand_independent_role(
    caller: Caller, session: Session, account: int, roles: frozenset[Role], authority: str, now_s: int, what: str
) -> None:
    """Raise Forbidden if the caller holds `roles` in `authority` only through grants that derive from `account`.

    A grant derives from `account` if its maker could make it only through grants that derive from `account`.
    """
    counting = {held for held in caller.held if held.role in roles and held.authority in (None, authority)}
    own = session.scalars(select(GrantRow).where(GrantRow.account == caller.account))
    grants = {row.number for row in own if row.period.holds(now_s) and held_role(row) in counting}
    if grants and grants <= derived_grants(session, account):
        raise Forbidden(
            Text("{what}; account {account} granted you the role that approves it", what=what, account=account)
        )


def demand_second_person(
    caller: Caller, session: Session, account: int, roles: frozenset[Role], authority: str, now_s: int
) -> None:
    """Raise Forbidden if `account`, who made the request, may also control the approving token or role."""
    demand_unrelated_account(caller, session, account, OWN)
    demand_independent_role(caller, session, account, roles, authority, now_s, OWN)
