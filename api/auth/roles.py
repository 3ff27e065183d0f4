"""Roles, and the rules that are made of them. `api.http.permits` has those that routes name in their signatures."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What an account may be. The first three are held in an authority, the others in the installation."""

    READER = "reader"
    OPERATOR = "operator"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


OF_AUTHORITY = frozenset({Role.READER, Role.OPERATOR, Role.APPROVER})
OF_INSTALLATION = frozenset({Role.AUDITOR, Role.ADMINISTRATOR})


class Where(StrEnum):
    """Where a role has to be held for an operation."""

    OPEN = "open"
    """Nowhere: anybody may, without a token."""
    ACCOUNT = "account"
    """Nowhere: whoever has a token of the installation may."""
    PATH = "path"
    """In the authority that the path names."""
    OBJECT = "object"
    """In the authority whose object it is; the route asks with `Permit.demand`."""
    SOME = "some"
    """In any authority: the answer is narrowed to what the caller may see, with `Permit.visible`."""
    SELF = "self"
    """Nowhere, for the account that the path names; for others', in the installation."""
    ACTED = "acted"
    """Nowhere, for the account that the path names; for others', in an authority in which that account acted: the route
    asks with `Permit.visible`."""
    INSTALLATION = "installation"
    """In the installation."""
    ENROLMENT = "enrolment"
    """Nowhere: whoever has the token with which a node enrols may, once."""
    NODE = "node"
    """Nowhere: a node may, with the token that it got when it enrolled."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an operation asks of its caller: one of `roles`, held at `where`."""

    where: Where
    roles: frozenset[Role] = frozenset()


READERS = frozenset(Role)
"""All roles."""
OPERATORS = frozenset({Role.OPERATOR, Role.ADMINISTRATOR})
APPROVERS = frozenset({Role.APPROVER, Role.ADMINISTRATOR})
AUDITORS = frozenset({Role.AUDITOR, Role.ADMINISTRATOR})
ADMINISTRATORS = frozenset({Role.ADMINISTRATOR})
