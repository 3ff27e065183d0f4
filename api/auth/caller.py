"""Who calls, which roles it holds at this instant, and what an operation lets it do."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth.lineage import derived, makers
from api.auth.roles import OF_AUTHORITY, OF_INSTALLATION, Role, Rule, Where
from api.db.models import AuthorityRow, GrantRow, TokenRow
from api.db.unit_of_work import Actor
from api.errors import Forbidden
from dnsfilter.policy.calendar import last_day
from dnsfilter.policy.model import Instant

MAX_ENDED = 5
"""How many roles that have ended one refusal names."""

OWN = "nobody approves a request of their own: somebody else has to"


@dataclass(frozen=True, slots=True)
class Held:
    """A role, in an authority or, with None, in the installation."""

    role: Role
    authority: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A role that was held until `end`, and is not held now."""

    held: Held
    end: Instant
    time_zone: str

    def __str__(self) -> str:
        where = self.held.authority or "this installation"
        return f"your role {self.held.role} in {where} ended on {last_day(self.end, self.time_zone)}"


@dataclass(frozen=True, slots=True)
class Caller:
    """An account with the roles that hold now and that its token lets through; `ended` held before, newest first."""

    actor: Actor
    held: frozenset[Held]
    ended: tuple[Ended, ...] = ()
    used_day: int | None = None
    """The day on which its token was last used, as far as that is kept."""

    @property
    def token(self) -> int:
        """The number of the token that it presents."""
        assert self.actor.token is not None
        return self.actor.token

    @property
    def account(self) -> int:
        """The account's number."""
        return self.actor.account

    def has(self, roles: frozenset[Role], authority: str | None) -> bool:
        """Whether it holds one of `roles` in `authority` or in the installation."""
        return any(held.role in roles and held.authority in (None, authority) for held in self.held)

    @property
    def administers(self) -> bool:
        """Whether it is an administrator of the installation."""
        return self.has(frozenset({Role.ADMINISTRATOR}), None)

    def anywhere(self, roles: frozenset[Role]) -> bool:
        """Whether it holds one of `roles` at all."""
        return any(held.role in roles for held in self.held)


@dataclass(slots=True)
class Permit:
    """What one request may do: its caller, and its operation's rule.

    A route whose rule is `OBJECT` asks `demand`, one whose rule is `SOME` or `ACTED` asks `visible`: `settled` says
    whether it did, so that a route that forgets does nothing.
    """

    caller: Caller
    rule: Rule
    settled: bool = field(default=False, init=False)

    def enter(self, path: Mapping[str, object]) -> None:
        """Raises Forbidden unless the rule's roles are held where the rule says, as far as the path tells."""
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
                raise Forbidden("this is for nodes, which have tokens of their own")
        if not allowed:
            raise self._refused(authority)

    def demand(self, *authorities: str | None) -> None:
        """Raises Forbidden unless the rule's roles are held in one of `authorities`, or in the installation.

        The refusal names none of them: whose an object is, is not everybody's to know.
        """
        self.settled = True
        if not any(self.caller.has(self.rule.roles, authority) for authority in authorities or (None,)):
            raise self._refused(None, self.rule.roles, "the authority concerned")

    def demand_named(self, authority: str | None) -> None:
        """As `demand`, of an authority that the caller itself has named, or of all: the refusal repeats it."""
        self.settled = True
        if self.caller.has(self.rule.roles, authority):
            return
        if authority is None:
            roles = " or ".join(sorted(self.rule.roles & OF_INSTALLATION))
            raise Forbidden(f"this needs the role {roles}: it is for all where no authority is named{self.ended(())}")
        raise self._refused(authority)

    def visible(self) -> frozenset[str] | None:
        """The authorities in which the rule's roles are held; None for all of them."""
        self.settled = True
        if self.caller.has(self.rule.roles, None):
            return None
        return frozenset(
            held.authority for held in self.caller.held if held.role in self.rule.roles and held.authority is not None
        )

    def not_oneself(self, account: int, what: str) -> None:
        """Raises Forbidden where `account` is the caller's own."""
        if account == self.caller.account:
            raise Forbidden(what)

    def not_for_oneself(self, session: Session, account: int, what: str) -> None:
        """As `not_oneself`; also where the token at hand was made by `account`, or with a token that it made.

        Whoever made a token may have it, whoever's it is.
        """
        self.not_oneself(account, what)
        if account in makers(session, self.caller.token):
            raise Forbidden(f"{what}; account {account} made the token at hand")

    def not_given_by(
        self, session: Session, account: int, roles: frozenset[Role], authority: str, now_s: int, what: str
    ) -> None:
        """Raises Forbidden where the caller holds one of `roles` in `authority` by grants of `account` only.

        A grant by somebody who could make it only through grants of `account` is one of `account`, and so on.
        """
        counting = {held for held in self.caller.held if held.role in roles and held.authority in (None, authority)}
        own = session.scalars(select(GrantRow).where(GrantRow.account == self.caller.account))
        grants = {row.number for row in own if row.period.holds(now_s) and _held(row) in counting}
        if grants and grants <= derived(session, account):
            raise Forbidden(f"{what}; account {account} granted the role by which it would be approved")

    def another_person(
        self, session: Session, account: int, roles: frozenset[Role], authority: str, now_s: int
    ) -> None:
        """Raise Forbidden if it was `account`, or somebody by a token or a role of it, that asked what is approved."""
        self.not_for_oneself(session, account, OWN)
        self.not_given_by(session, account, roles, authority, now_s, OWN)

    def ended(self, authorities: Collection[str] | None) -> str:
        """What a refusal adds on the caller's own roles in `authorities` that have ended; None: in any authority.

        None is for a refusal that does not reveal whose an object is: it has to be the same for every object.
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
        """`roles` are those that are named; without them all but the administrator's, who may do everything."""
        roles = roles or self.rule.roles - {Role.ADMINISTRATOR} or self.rule.roles
        held = ((roles & OF_AUTHORITY, f"of {authority or unnamed}"), (roles & OF_INSTALLATION, "in this installation"))
        named = (f"{' or '.join(sorted(some))} {where}" for some, where in held if some)
        ended = self.ended(None if authority is None else (authority,))
        return Forbidden(f"this needs the role {', or '.join(named)}{ended}")


def roles_at(session: Session, account: int, now_s: int) -> tuple[frozenset[Held], tuple[Ended, ...]]:
    """The roles that an account holds at an instant; and those that it held before, the newest end first."""
    begun = (
        select(GrantRow, AuthorityRow.time_zone)
        .outerjoin(AuthorityRow, AuthorityRow.slug == GrantRow.authority)
        .where(GrantRow.account == account, GrantRow.start_s <= now_s)
    )
    held, ended = set[Held](), list[Ended]()
    for row, time_zone in session.execute(begun):
        if row.period.holds(now_s):
            held.add(_held(row))
        elif row.period.end is not None and not row.period.is_void:
            ended.append(Ended(_held(row), row.period.end, time_zone or "UTC"))
    newest = {each.held: each for each in sorted(ended, key=lambda each: each.end) if each.held not in held}
    return frozenset(held), tuple(sorted(newest.values(), key=lambda each: -each.end))


def _held(row: GrantRow) -> Held:
    return Held(Role(row.role), row.authority)


def narrowed(held: Iterable[Held], token: TokenRow) -> frozenset[Held]:
    """What a token lets through of its account's roles.

    Narrowed to authorities, a role in the installation becomes nothing: it cannot be held in part.
    """
    roles, authorities = set(token.roles), set(token.authorities)
    return frozenset(
        item
        for item in held
        if (not roles or str(item.role) in roles) and (not authorities or item.authority in authorities)
    )
