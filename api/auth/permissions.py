"""Who may do what: one row per operation."""

from enum import StrEnum


class Permission(StrEnum):
    """What an operation asks of its caller."""

    OPEN = "open"
    ADMINISTRATOR = "administrator"


OF_OPERATION = {
    # system
    "health": Permission.OPEN,
    "readiness": Permission.OPEN,
    "version": Permission.OPEN,
    "description": Permission.OPEN,
    "documentation": Permission.OPEN,
    "documentation_script": Permission.OPEN,
    "documentation_style": Permission.OPEN,
    # authorities
    "list_authorities": Permission.ADMINISTRATOR,
    "get_authority": Permission.ADMINISTRATOR,
    "put_authority": Permission.ADMINISTRATOR,
    "patch_authority": Permission.ADMINISTRATOR,
    "delete_authority": Permission.ADMINISTRATOR,
    # sites and ranges
    "list_sites": Permission.ADMINISTRATOR,
    "get_site": Permission.ADMINISTRATOR,
    "put_site": Permission.ADMINISTRATOR,
    "delete_site": Permission.ADMINISTRATOR,
    "list_ranges": Permission.ADMINISTRATOR,
    "get_range": Permission.ADMINISTRATOR,
    "put_range": Permission.ADMINISTRATOR,
    "patch_range": Permission.ADMINISTRATOR,
    "delete_range": Permission.ADMINISTRATOR,
    # services
    "list_services": Permission.ADMINISTRATOR,
    "get_service": Permission.ADMINISTRATOR,
    # bans
    "list_bans": Permission.ADMINISTRATOR,
    "list_authority_bans": Permission.ADMINISTRATOR,
    "get_ban": Permission.ADMINISTRATOR,
    "put_ban": Permission.ADMINISTRATOR,
    "patch_ban": Permission.ADMINISTRATOR,
    "delete_ban": Permission.ADMINISTRATOR,
    "renew_ban": Permission.ADMINISTRATOR,
    "end_ban": Permission.ADMINISTRATOR,
    # bindings
    "list_bindings": Permission.ADMINISTRATOR,
    "get_binding": Permission.ADMINISTRATOR,
    "create_binding": Permission.ADMINISTRATOR,
    "accept_binding": Permission.ADMINISTRATOR,
    "withdraw_binding": Permission.ADMINISTRATOR,
    "end_binding": Permission.ADMINISTRATOR,
    # exemptions
    "list_exemptions": Permission.ADMINISTRATOR,
    "get_exemption": Permission.ADMINISTRATOR,
    "request_exemption": Permission.ADMINISTRATOR,
    "approve_exemption": Permission.ADMINISTRATOR,
    "reject_exemption": Permission.ADMINISTRATOR,
    "revoke_exemption": Permission.ADMINISTRATOR,
    # the policy as a whole
    "get_decision": Permission.ADMINISTRATOR,
    "get_who": Permission.ADMINISTRATOR,
    "export_policy": Permission.ADMINISTRATOR,
    "diff_policy": Permission.ADMINISTRATOR,
    "apply_policy": Permission.ADMINISTRATOR,
    "list_audit": Permission.ADMINISTRATOR,
}
"""By operation id. An operation that is missing here is refused to everybody."""
