"""The caller of a request, the roles that it holds now, and what an operation permits."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth.roles import READERS, Role
from api.db.models import AuthorityRow, GrantRow, TokenRow
from api.db.unit_of_work import Actor
from dnsfilter.policy.calendar import last_day
from dnsfilter.policy.model import Instant
from dnsfilter.translatable import Text


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role in an authority or (None) in the installation."""

    role: Role
    authority: str | None


@dataclass(frozen=True, slots=True)
class EndedRole:
    """A role that was held until `end` and is not held now."""

    held: HeldRole
    end: Instant
    time_zone: str

    @property
    def text(self) -> Text:
        """Return a clause for people."""
        where = self.held.authority or Text("this installation")
        day = last_day(self.end, self.time_zone)
        return Text("your role {role} in {where} ended on {day}", role=self.held.role, where=where, day=day)


@dataclass(frozen=True, slots=True)
class Caller:
    """An account with the current roles that its token passes on. `ended` are former roles, newest first."""

    actor: Actor
    held: frozenset[HeldRole]
    ended: tuple[EndedRole, ...] = ()
    used_day: int | None = None
    """The last day of use of its token, in days since 1970, or None."""

    @property
    def token(self) -> int:
        """Return the number of the token that it presents."""
        assert self.actor.token is not None
        return self.actor.token

    @property
    def account(self) -> int:
        """Return the account's number."""
        return self.actor.account

    def has(self, roles: frozenset[Role], authority: str | None) -> bool:
        """Return whether it holds one of `roles` in `authority` or in the installation."""
        return any(held.role in roles and held.authority in (None, authority) for held in self.held)

    @property
    def administers(self) -> bool:
        """Return whether it is an administrator of the installation."""
        return self.has(frozenset({Role.ADMINISTRATOR}), None)

    @property
    def authorities(self) -> frozenset[str] | None:
        """Return the authorities in which it holds a role, or None for all, which a role in the installation reads."""
        if self.has(READERS, None):
            return None
        return frozenset(held.authority for held in self.held if held.authority is not None)

    def anywhere(self, roles: frozenset[Role]) -> bool:
        """Return whether it holds one of `roles` anywhere."""
        return any(held.role in roles for held in self.held)


def roles_at(session: Session, account: int, now_s: int) -> tuple[frozenset[HeldRole], tuple[EndedRole, ...]]:
    """Return the roles that an account holds at an instant, and its former roles, newest end first."""
    begun = (
        select(GrantRow, AuthorityRow.time_zone)
        .outerjoin(AuthorityRow, AuthorityRow.slug == GrantRow.authority)
        .where(GrantRow.account == account, GrantRow.start_s <= now_s)
    )
    held, ended = set[HeldRole](), list[EndedRole]()
    for row, time_zone in session.execute(begun):
        if row.period.holds(now_s):
            held.add(held_role(row))
        elif row.period.end is not None and not row.period.is_void:
            ended.append(EndedRole(held_role(row), row.period.end, time_zone or "UTC"))
    newest = {each.held: each for each in sorted(ended, key=lambda each: each.end) if each.held not in held}
    return frozenset(held), tuple(sorted(newest.values(), key=lambda each: -each.end))


def held_role(row: GrantRow) -> HeldRole:
    """Return the role that a grant gives."""
    return HeldRole(Role(row.role), row.authority)


def narrowed(held: Iterable[HeldRole], token: TokenRow) -> frozenset[HeldRole]:
    """Return the roles of its account that a token passes on.

    A token narrowed to authorities passes on no role in the installation: such a role cannot be held in part.
    """
    roles, authorities = set(token.roles), set(token.authorities)
    return frozenset(
        item
        for item in held
        if (not roles or str(item.role) in roles) and (not authorities or item.authority in authorities)
    )
