"""Permits of routes: every route has one of these, or of `api.nodes.node_permits`, in its signature.

They are checked before the route's other dependencies and before its transaction.
`docs/reference/permissions.md` is made from them.
"""

from typing import Annotated

from fastapi import Depends

from api.auth.permit import Permit
from api.auth.roles import (
    ACCOUNTABLE,
    ADMINISTRATORS,
    APPROVERS,
    AUDITORS,
    BACKUP_MAKERS,
    OPERATORS,
    OWN_APPROVERS,
    READERS,
    RoleScope,
    Rule,
)
from api.http.dependencies import permit


async def _anybody() -> None:
    """Check nothing."""


Anybody = Annotated[None, Depends(_anybody), Rule(RoleScope.OPEN)]
"""Anybody, without a token."""

AnyAccount = Annotated[Permit, Depends(permit), Rule(RoleScope.ACCOUNT)]
"""Any account of the installation, with or without a role."""

ReaderOfPath = Annotated[Permit, Depends(permit), Rule(RoleScope.PATH, READERS)]
"""Any role in the authority `{slug}` of the path, or in the installation."""

OperatorOfPath = Annotated[Permit, Depends(permit), Rule(RoleScope.PATH, OPERATORS)]
"""An operator of the authority `{slug}` of the path, or an administrator."""

ApproverOfPath = Annotated[Permit, Depends(permit), Rule(RoleScope.PATH, APPROVERS)]
"""An approver of the authority `{slug}` of the path, or an administrator."""

AccountableOfPath = Annotated[Permit, Depends(permit), Rule(RoleScope.PATH, ACCOUNTABLE)]
"""An operator or approver of the authority `{slug}` of the path, an auditor or an administrator."""

ReaderOfObject = Annotated[Permit, Depends(permit), Rule(RoleScope.OBJECT, READERS)]
"""Any role in the authority of the object, which the route gives to `Permit.demand`, or in the installation."""

OperatorOfObject = Annotated[Permit, Depends(permit), Rule(RoleScope.OBJECT, OPERATORS)]
"""An operator of the authority of the object, which the route gives to `Permit.demand`, or an administrator."""

OwnApproverOfPath = Annotated[Permit, Depends(permit), Rule(RoleScope.PATH, OWN_APPROVERS)]
"""An approver of the authority `{slug}` of the path, and nobody else."""

OwnApproverOfObject = Annotated[Permit, Depends(permit), Rule(RoleScope.OBJECT, OWN_APPROVERS)]
"""An approver of the authority that the route gives to `Permit.demand`, and nobody else."""

ApproverOfObject = Annotated[Permit, Depends(permit), Rule(RoleScope.OBJECT, APPROVERS)]
"""An approver of the authority of the object, which the route gives to `Permit.demand`, or an administrator."""

SuspenderOfObject = Annotated[Permit, Depends(permit), Rule(RoleScope.OBJECT, OPERATORS | APPROVERS)]
"""An operator or approver of the authority that the route gives to `Permit.demand`, or an administrator."""

ReaderOfSome = Annotated[Permit, Depends(permit), Rule(RoleScope.SOME, READERS)]
"""Any role in any authority: the route shows what concerns `Permit.visible`. Roles in the installation show all."""

Auditor = Annotated[Permit, Depends(permit), Rule(RoleScope.INSTALLATION, AUDITORS)]
"""An auditor or administrator of the installation."""

BackupMaker = Annotated[Permit, Depends(permit), Rule(RoleScope.INSTALLATION, BACKUP_MAKERS)]
"""A program that makes backups, or an administrator of the installation."""

Administrator = Annotated[Permit, Depends(permit), Rule(RoleScope.INSTALLATION, ADMINISTRATORS)]
"""An administrator of the installation."""

SelfOrAuditor = Annotated[Permit, Depends(permit), Rule(RoleScope.SELF, AUDITORS)]
"""The account `{account}` of the path, an auditor or an administrator."""

SelfOrAdministrator = Annotated[Permit, Depends(permit), Rule(RoleScope.SELF, ADMINISTRATORS)]
"""The account `{account}` of the path, or an administrator."""

SelfOrReader = Annotated[Permit, Depends(permit), Rule(RoleScope.ACTED, READERS)]
"""The account `{account}` of the path; others with any role in an authority of `Permit.visible` where it has acted."""
