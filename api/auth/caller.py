"""Who calls, which roles it holds at this instant, and what an operation lets it do."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from api.auth.descent import derived, makers
from api.auth.permissions import OF_AUTHORITY, OF_INSTALLATION, Role, Rule, Where
from api.db.models import GrantRow, TokenRow
from api.db.unit import Actor
from api.errors import Forbidden


@dataclass(frozen=True, slots=True)
class Held:
    """A role, in an authority or, with None, in the installation."""

    role: Role
    authority: str | None


@dataclass(frozen=True, slots=True)
class Caller:
    """An account with the roles that hold now and that its token lets through."""

    actor: Actor
    held: frozenset[Held]

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

    A route whose rule is `OBJECT` asks `demand`, one whose rule is `SOME` asks `visible`: `settled` tells whether it
    did, so that a route that forgets does nothing.
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
                own = path.get("account") == str(self.caller.account)
                allowed, self.settled = own or self.caller.has(self.rule.roles, None), True
            case Where.INSTALLATION:
                allowed, self.settled = self.caller.has(self.rule.roles, None), True
            case Where.OBJECT | Where.SOME:
                allowed = self.caller.anywhere(self.rule.roles)
            case Where.ENROLMENT | Where.NODE:
                raise Forbidden("this is for nodes, which have tokens of their own")
        if not allowed:
            raise self._refused(authority or "an authority")

    def demand(self, *authorities: str | None) -> None:
        """Raises Forbidden unless the rule's roles are held in one of `authorities`, or in the installation.

        The refusal names none of them: whose an object is, is not everybody's to know.
        """
        self.settled = True
        if not any(self.caller.has(self.rule.roles, authority) for authority in authorities or (None,)):
            raise self._refused("the authority concerned", self.rule.roles)

    def demand_named(self, authority: str | None) -> None:
        """As `demand`, of an authority that the caller itself has named, or of all: the refusal repeats it."""
        self.settled = True
        if self.caller.has(self.rule.roles, authority):
            return
        if authority is None:
            roles = " or ".join(sorted(self.rule.roles & OF_INSTALLATION))
            raise Forbidden(f"this needs the role {roles}: it is for all where no authority is named")
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
        grants = [row for row in _grants(session, self.caller.account, now_s) if _held(row) in counting]
        if grants and {row.number for row in grants} <= derived(session, account):
            raise Forbidden(f"{what}; account {account} granted the role by which it would be approved")

    def _refused(self, authority: str, roles: frozenset[Role] | None = None) -> Forbidden:
        """`roles` are those that are told; without them all but the administrator's, who may do everything."""
        roles = roles or self.rule.roles - {Role.ADMINISTRATOR} or self.rule.roles
        held = ((roles & OF_AUTHORITY, f"of {authority}"), (roles & OF_INSTALLATION, "in this installation"))
        told = (f"{' or '.join(sorted(some))} {where}" for some, where in held if some)
        return Forbidden(f"this needs the role {', or '.join(told)}")


def roles_of(session: Session, account: int, now_s: int) -> frozenset[Held]:
    """The roles that an account holds at an instant."""
    return frozenset(map(_held, _grants(session, account, now_s)))


def _grants(session: Session, account: int, now_s: int) -> Sequence[GrantRow]:
    statement = select(GrantRow).where(
        GrantRow.account == account,
        GrantRow.start_s <= now_s,
        or_(GrantRow.end_s.is_(None), GrantRow.end_s > now_s),
        or_(GrantRow.ended_s.is_(None), GrantRow.ended_s > now_s),
    )
    return session.scalars(statement).all()


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
