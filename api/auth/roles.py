"""Roles, and rules made of them. `api.http.permits` has the rules that routes name in their signatures."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """A role of an account. The first three are held in an authority, the others in the installation."""

    READER = "reader"
    OPERATOR = "operator"
    APPROVER = "approver"
    BACKUP = "backup"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


OF_AUTHORITY = frozenset({Role.READER, Role.OPERATOR, Role.APPROVER})
OF_INSTALLATION = frozenset({Role.BACKUP, Role.AUDITOR, Role.ADMINISTRATOR})


class RoleScope(StrEnum):
    """Where a role must be held for an operation."""

    OPEN = "open"
    """Nowhere: no token is needed."""
    ACCOUNT = "account"
    """Nowhere: any valid token of an account is enough."""
    PATH = "path"
    """In the authority that the path names."""
    OBJECT = "object"
    """In the authority of the object. The route checks this with `Permit.demand`."""
    SOME = "some"
    """In any authority. The route narrows the answer to what the caller may see, with `Permit.visible`."""
    SELF = "self"
    """Nowhere for the account that the path names. Other accounts need the role in the installation."""
    ACTED = "acted"
    """Nowhere for the account that the path names. Other accounts need the role in an authority in which that account
    acted. The route checks this with `Permit.visible`."""
    INSTALLATION = "installation"
    """In the installation."""
    ENROLMENT = "enrolment"
    """Nowhere: the one-time token with which a node enrols is needed."""
    NODE = "node"
    """Nowhere: the token that a node got when it enrolled is needed."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The requirement of an operation: its caller holds one of `roles` at `where`."""

    where: RoleScope
    roles: frozenset[Role] = frozenset()


READERS = frozenset(Role) - {Role.BACKUP}
"""All roles that may read policy. A machine that makes backups may do nothing else."""
OPERATORS = frozenset({Role.OPERATOR, Role.ADMINISTRATOR})
APPROVERS = frozenset({Role.APPROVER, Role.ADMINISTRATOR})
OWN_APPROVERS = frozenset({Role.APPROVER})
"""Approvers of the authority itself, and no role in the installation."""
AUDITORS = frozenset({Role.AUDITOR, Role.ADMINISTRATOR})
ACCOUNTABLE = OPERATORS | APPROVERS | AUDITORS
"""Those who act for an authority, and those who check them."""
BACKUP_MAKERS = frozenset({Role.BACKUP, Role.ADMINISTRATOR})
ADMINISTRATORS = frozenset({Role.ADMINISTRATOR})
