"""Who may do what: one row per operation, compared with docs/permissions.md by a test."""

from collections.abc import Mapping
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


_ADMIN = frozenset({Role.ADMINISTRATOR})
_READ = frozenset(Role)
_OPERATE = frozenset({Role.OPERATOR, Role.ADMINISTRATOR})
APPROVERS = frozenset({Role.APPROVER, Role.ADMINISTRATOR})
_SUSPENDING = _OPERATE | APPROVERS
_INSPECT = frozenset({Role.AUDITOR, Role.ADMINISTRATOR})

_OPEN = Rule(Where.OPEN)
_ACCOUNT = Rule(Where.ACCOUNT)
_READ_OBJECT = Rule(Where.OBJECT, _READ)
_READ_SOME = Rule(Where.SOME, _READ)
_READ_PATH = Rule(Where.PATH, _READ)
_OPERATE_PATH = Rule(Where.PATH, _OPERATE)
_OPERATE_OBJECT = Rule(Where.OBJECT, _OPERATE)
_SUSPEND_OBJECT = Rule(Where.OBJECT, _SUSPENDING)
_APPROVE_PATH = Rule(Where.PATH, APPROVERS)
_APPROVE_OBJECT = Rule(Where.OBJECT, APPROVERS)
_ADMINISTER = Rule(Where.INSTALLATION, _ADMIN)
_INSPECT_ALL = Rule(Where.INSTALLATION, _INSPECT)

OF_OPERATION: Mapping[str, Rule] = {
    # system
    "health": _OPEN,
    "readiness": _OPEN,
    "version": _OPEN,
    "description": _OPEN,
    "documentation": _OPEN,
    "documentation_script": _OPEN,
    "documentation_style": _OPEN,
    # authorities
    "list_authorities": _ACCOUNT,
    "get_authority": _ACCOUNT,
    "put_authority": _ADMINISTER,
    "patch_authority": _ADMINISTER,
    "patch_off_rules": _APPROVE_PATH,
    "delete_authority": _ADMINISTER,
    "get_onboarding": _READ_PATH,
    "close_authority": _ADMINISTER,
    "merge_authority": _ADMINISTER,
    # sites, space and ranges
    "list_sites": _ACCOUNT,
    "get_site": _ACCOUNT,
    "put_site": _ADMINISTER,
    "delete_site": _ADMINISTER,
    "list_spaces": _ACCOUNT,
    "get_space": _ACCOUNT,
    "put_space": _ADMINISTER,
    "delete_space": _ADMINISTER,
    "list_ranges": _READ_SOME,
    "get_range": _READ_OBJECT,
    "put_range": _OPERATE_OBJECT,
    "patch_range": _OPERATE_OBJECT,
    "delete_range": _OPERATE_OBJECT,
    "import_ranges": _OPERATE_OBJECT,
    "get_import": _ACCOUNT,
    "list_overlaps": _READ_SOME,
    "list_gaps": _READ_SOME,
    # services
    "list_services": _ACCOUNT,
    "get_service": _ACCOUNT,
    # bans: decisions of public bodies, which every account may read
    "list_bans": _ACCOUNT,
    "list_authority_bans": _ACCOUNT,
    "get_ban": _ACCOUNT,
    "put_ban": _OPERATE_PATH,
    "patch_ban": _OPERATE_PATH,
    "delete_ban": _OPERATE_PATH,
    "renew_ban": _OPERATE_PATH,
    "end_ban": _OPERATE_PATH,
    # requests to switch a ban off
    "list_requests": _READ_SOME,
    "get_request": _READ_OBJECT,
    "approve_request": _APPROVE_OBJECT,
    "reject_request": _APPROVE_OBJECT,
    "withdraw_request": _OPERATE_OBJECT,
    # bindings
    "list_bindings": _ACCOUNT,
    "get_binding": _ACCOUNT,
    "create_binding": _OPERATE_OBJECT,
    "accept_binding": _OPERATE_OBJECT,
    "withdraw_binding": _OPERATE_OBJECT,
    "end_binding": _OPERATE_OBJECT,
    # exemptions
    "list_exemptions": _READ_SOME,
    "get_exemption": _READ_OBJECT,
    "request_exemption": _OPERATE_OBJECT,
    "approve_exemption": _APPROVE_OBJECT,
    "reject_exemption": _APPROVE_OBJECT,
    "revoke_exemption": _APPROVE_OBJECT,
    "withdraw_exemption": _OPERATE_OBJECT,
    # suspensions: every account may see that nothing is refused
    "list_suspensions": _ACCOUNT,
    "list_suspensions_by_hand": _ACCOUNT,
    "get_suspension": _ACCOUNT,
    "start_suspension": _SUSPEND_OBJECT,
    "end_suspension": _SUSPEND_OBJECT,
    # the policy as a whole
    "get_decision": _READ_OBJECT,
    "get_who": _READ_OBJECT,
    "get_trace": _READ_OBJECT,
    "export_policy": _INSPECT_ALL,
    "export_policy_json": _INSPECT_ALL,
    "diff_policy": _ADMINISTER,
    "apply_policy": _ADMINISTER,
    "list_revisions": _INSPECT_ALL,
    "get_revision": _INSPECT_ALL,
    "roll_back": _ADMINISTER,
    "list_audit": _READ_SOME,
    "export_audit": _INSPECT_ALL,
    "list_checkpoints": _INSPECT_ALL,
    "make_checkpoint": _INSPECT_ALL,
    # notices
    "list_notices": _READ_SOME,
    # the installation
    "get_backup": _ADMINISTER,
    "get_archive": _INSPECT_ALL,
    # nodes
    "list_nodes": _INSPECT_ALL,
    "get_node": _INSPECT_ALL,
    "register_node": _ADMINISTER,
    "renew_enrolment": _ADMINISTER,
    "remove_node": _ADMINISTER,
    "list_unregistered": _INSPECT_ALL,
    "get_snapshot_key": _ACCOUNT,
    "enrol_node": Rule(Where.ENROLMENT),
    "get_own_snapshot": Rule(Where.NODE),
    "get_own_file": Rule(Where.NODE),
    "report_node": Rule(Where.NODE),
    # people
    "get_self": _ACCOUNT,
    "list_accounts": _READ_SOME,
    "make_account": _ADMINISTER,
    "get_account": Rule(Where.ACTED, _READ),
    "disable_account": _ADMINISTER,
    "enable_account": _ADMINISTER,
    "erase_account": _ADMINISTER,
    "list_tokens": Rule(Where.SELF, _INSPECT),
    "make_token": Rule(Where.SELF, _ADMIN),
    "revoke_token": Rule(Where.SELF, _ADMIN),
    "list_failed_tries": _INSPECT_ALL,
    "list_grants": _READ_SOME,
    "get_grant": _READ_OBJECT,
    "make_grant": _APPROVE_OBJECT,
    "end_grant": _APPROVE_OBJECT,
}
"""By operation id. An operation that is missing here is refused to everybody."""
