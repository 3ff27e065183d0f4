"""The permission check of one request: what its operation's rule permits its caller."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from api.auth.caller import Caller
from api.auth.roles import OF_AUTHORITY, OF_INSTALLATION, Role, RoleScope, Rule
from api.errors import Forbidden
from dnsfilter.translatable import Text, either

MAX_ENDED = 5
"""The most ended roles that a refusal names."""
THE_CONCERNED, AN_AUTHORITY = Text("the authority concerned"), Text("an authority")


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
        authority = named if isinstance(named, str) and self.rule.where is RoleScope.PATH else None
        match self.rule.where:
            case RoleScope.OPEN | RoleScope.ACCOUNT:
                allowed, self.settled = True, True
            case RoleScope.PATH:
                allowed, self.settled = self.caller.has(self.rule.roles, authority), True
            case RoleScope.SELF:
                allowed, self.settled = self._is_own(path) or self.caller.has(self.rule.roles, None), True
            case RoleScope.ACTED:
                self.settled = self._is_own(path)
                allowed = self.settled or self.caller.anywhere(self.rule.roles)
            case RoleScope.INSTALLATION:
                allowed, self.settled = self.caller.has(self.rule.roles, None), True
            case RoleScope.OBJECT | RoleScope.SOME:
                allowed = self.caller.anywhere(self.rule.roles)
            case RoleScope.ENROLMENT | RoleScope.NODE:
                raise Forbidden("this is for nodes, which have their own tokens")
        if not allowed:
            raise self._refused(authority)

    def demand(self, *authorities: str | None, words: str = THE_CONCERNED) -> None:
        """Raise Forbidden unless the caller holds the rule's roles in one of `authorities`, or in the installation.

        The refusal has `words` in place of them: not everybody may know to which authority an object belongs.
        """
        self.settled = True
        if not any(self.caller.has(self.rule.roles, authority) for authority in authorities or (None,)):
            raise self._refused(None, self.rule.roles, words)

    def demand_named(self, authority: str | None, location: str = "body.authority") -> None:
        """Do as `demand`, for an authority that the caller named at `location`, or for all (None).

        The refusal repeats the name.
        """
        self.settled = True
        if self.caller.has(self.rule.roles, authority):
            return
        if authority is None:
            roles = either(sorted(self.rule.roles & OF_INSTALLATION))
            raise Forbidden(
                Text(
                    "this needs the role {roles}: it concerns all authorities if none is named{ended}",
                    roles=roles,
                    ended=self.ended(()),
                )
            )
        raise self._refused(authority, location=location)

    def visible(self) -> frozenset[str] | None:
        """Return the authorities in which the caller holds the rule's roles, or None for all."""
        self.settled = True
        if self.caller.has(self.rule.roles, None):
            return None
        return frozenset(
            held.authority for held in self.caller.held if held.role in self.rule.roles and held.authority is not None
        )

    def ended(self, authorities: Collection[str] | None) -> str:
        """Return what a refusal adds about the caller's ended roles in `authorities`, or in any authority (None).

        None is for a refusal that does not reveal an object's authority: it must be the same for every object.
        """
        found = [
            each.text
            for each in self.caller.ended
            if each.held.role in self.rule.roles
            and (authorities is None or each.held.authority is None or each.held.authority in authorities)
        ]
        if not found:
            return ""
        shown = found[0]
        for other in found[1:MAX_ENDED]:
            shown = Text("{one}, {other}", one=shown, other=other)
        return Text("; {roles}. Ask an approver or an administrator to grant it again", roles=shown)

    def _is_own(self, path: Mapping[str, object]) -> bool:
        return path.get("account") == str(self.caller.account)

    def _refused(
        self,
        authority: str | None,
        roles: frozenset[Role] | None = None,
        unnamed: str = AN_AUTHORITY,
        location: str = "path.slug",
    ) -> Forbidden:
        """Return the error that names `roles`, or without them all roles but administrator, who may do everything."""
        roles = roles or self.rule.roles - {Role.ADMINISTRATOR} or self.rule.roles
        theirs, ours = sorted(roles & OF_AUTHORITY), sorted(roles & OF_INSTALLATION)
        named = []
        if theirs:
            named.append(Text("{roles} of {authority}", roles=either(theirs), authority=authority or unnamed))
        if ours:
            named.append(Text("{roles} in this installation", roles=either(ours)))
        ended = self.ended(None if authority is None else (authority,))
        where = named[0] if len(named) == 1 else Text("{one}, or {other}", one=named[0], other=named[1])
        return Forbidden(Text("this needs the role {named}{ended}", named=where, ended=ended), authority, location)
