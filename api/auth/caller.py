"""The caller of a request, the roles that it holds now, and what an operation permits."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth.lineage import derived_grants, makers
from api.auth.roles import OF_AUTHORITY, OF_INSTALLATION, Role, Rule, Where
from api.db.models import AuthorityRow, GrantRow, TokenRow
from api.db.unit_of_work import Actor
from api.errors import Forbidden
from dnsfilter.policy.calendar import last_day
from dnsfilter.policy.model import Instant

MAX_ENDED = 5
"""The most ended roles that a refusal names."""

OWN = "you cannot approve your own request: ask another person"


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

    def __str__(self) -> str:
        where = self.held.authority or "this installation"
        return f"your role {self.held.role} in {where} ended on {last_day(self.end, self.time_zone)}"


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

    def anywhere(self, roles: frozenset[Role]) -> bool:
        """Return whether it holds one of `roles` anywhere."""
        return any(held.role in roles for held in self.held)


@dataclass(slots=True)
class Permit:
    """The permission check of one request: its caller, and its operation's rule.

    A route whose rule is `OBJECT` must call `demand`. A route whose rule is `SOME` or `ACTED` must call `visible`.
    `settled` says whether it did. A route that forgets this has no effect.
    """

    caller: Caller
    rule: Rule
    settled: bool = field(default=False, init=False)

    def enter(self, path: Mapping[str, object]) -> None:
        """Raise Forbidden unless the caller holds the rule's roles, as far as the path decides that."""
        named = path.get("slug")
        authority = named if isinstance(named, str) and self.rule.where is Where.PATH else None
        match self.rule.where:
            case Where.OPEN | Where.ACCOUNT:
                allowed, self.settled = True, True
            case Where.PATH:
                allowed, self.settled = self.caller.has(self.rule.roles, authority), True
            case Where.SELF:
                allowed, self.settled = self._is_own(path) or self.caller.has(self.rule.roles, None), True
            case Where.ACTED:
                self.settled = self._is_own(path)
                allowed = self.settled or self.caller.anywhere(self.rule.roles)
            case Where.INSTALLATION:
                allowed, self.settled = self.caller.has(self.rule.roles, None), True
            case Where.OBJECT | Where.SOME:
                allowed = self.caller.anywhere(self.rule.roles)
            case Where.ENROLMENT | Where.NODE:
                raise Forbidden("this is for nodes, which have their own tokens")
        if not allowed:
            raise self._refused(authority)

    def demand(self, *authorities: str | None) -> None:
        """Raise Forbidden unless the caller holds the rule's roles in one of `authorities`, or in the installation.

        The refusal does not name them: not everybody may know to which authority an object belongs.
        """
        self.settled = True
        if not any(self.caller.has(self.rule.roles, authority) for authority in authorities or (None,)):
            raise self._refused(None, self.rule.roles, "the authority concerned")

    def demand_named(self, authority: str | None) -> None:
        """Do as `demand`, for an authority that the caller named, or for all (None). The refusal repeats the name."""
        self.settled = True
        if self.caller.has(self.rule.roles, authority):
            return
        if authority is None:
            roles = " or ".join(sorted(self.rule.roles & OF_INSTALLATION))
            message = f"this needs the role {roles}: it concerns all authorities if none is named{self.ended(())}"
            raise Forbidden(message)
        raise self._refused(authority)

    def visible(self) -> frozenset[str] | None:
        """Return the authorities in which the caller holds the rule's roles, or None for all."""
        self.settled = True
        if self.caller.has(self.rule.roles, None):
            return None
        return frozenset(
            held.authority for held in self.caller.held if held.role in self.rule.roles and held.authority is not None
        )

    def demand_other_account(self, account: int, what: str) -> None:
        """Raise Forbidden if `account` is the caller's own."""
        if account == self.caller.account:
            raise Forbidden(what)

    def demand_unrelated_account(self, session: Session, account: int, what: str) -> None:
        """Raise Forbidden if `account` is the caller's own, or made the caller's token or an ancestor of it.

        The maker of a token may still have it, even if it belongs to another account.
        """
        self.demand_other_account(account, what)
        if account in makers(session, self.caller.token):
            raise Forbidden(f"{what}; account {account} made your token")

    def demand_independent_role(
        self, session: Session, account: int, roles: frozenset[Role], authority: str, now_s: int, what: str
    ) -> None:
        """Raise Forbidden if the caller holds `roles` in `authority` only through grants that derive from `account`.

        A grant derives from `account` if its maker could make it only through grants that derive from `account`.
        """
        counting = {held for held in self.caller.held if held.role in roles and held.authority in (None, authority)}
        own = session.scalars(select(GrantRow).where(GrantRow.account == self.caller.account))
        grants = {row.number for row in own if row.period.holds(now_s) and _held(row) in counting}
        if grants and grants <= derived_grants(session, account):
            raise Forbidden(f"{what}; account {account} granted you the role that approves it")

    def demand_second_person(
        self, session: Session, account: int, roles: frozenset[Role], authority: str, now_s: int
    ) -> None:
        """Raise Forbidden if `account`, who made the request, may also control the approving token or role."""
        self.demand_unrelated_account(session, account, OWN)
        self.demand_independent_role(session, account, roles, authority, now_s, OWN)

    def ended(self, authorities: Collection[str] | None) -> str:
        """Return what a refusal adds about the caller's ended roles in `authorities`, or in any authority (None).

        None is for a refusal that does not reveal an object's authority: it must be the same for every object.
        """
        found = [
            str(each)
            for each in self.caller.ended
            if each.held.role in self.rule.roles
            and (authorities is None or each.held.authority is None or each.held.authority in authorities)
        ]
        if not found:
            return ""
        return f"; {', '.join(found[:MAX_ENDED])}. Ask an approver or an administrator to grant it again"

    def _is_own(self, path: Mapping[str, object]) -> bool:
        return path.get("account") == str(self.caller.account)

    def _refused(
        self, authority: str | None, roles: frozenset[Role] | None = None, unnamed: str = "an authority"
    ) -> Forbidden:
        """Return the error that names `roles`, or without them all roles but administrator, who may do everything."""
        roles = roles or self.rule.roles - {Role.ADMINISTRATOR} or self.rule.roles
        held = ((roles & OF_AUTHORITY, f"of {authority or unnamed}"), (roles & OF_INSTALLATION, "in this installation"))
        named = (f"{' or '.join(sorted(some))} {where}" for some, where in held if some)
        ended = self.ended(None if authority is None else (authority,))
        return Forbidden(f"this needs the role {', or '.join(named)}{ended}")


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
            held.add(_held(row))
        elif row.period.end is not None and not row.period.is_void:
            ended.append(EndedRole(_held(row), row.period.end, time_zone or "UTC"))
    newest = {each.held: each for each in sorted(ended, key=lambda each: each.end) if each.held not in held}
    return frozenset(held), tuple(sorted(newest.values(), key=lambda each: -each.end))


def _held(row: GrantRow) -> HeldRole:
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
