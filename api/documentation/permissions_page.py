"""Make docs/permissions.md from the routes: `python -m api.documentation.permissions_page docs/permissions.md`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import assert_never

from api.application import routes
from api.auth.roles import OF_AUTHORITY, Role, Rule, Where
from api.http.routes import Route

MARK = "<!-- Generated from the routes by `python -m api.documentation.permissions_page`; a test compares. -->"
YES, NO, OWN, PART, SELF = "yes", "–", "own", "part", "self"
COLUMNS = ("no token", "no role", *Role)

BESIDES: Mapping[str, str] = {
    "put_range": (
        "an operator inside space of the authority, not inside another authority's range, "
        "nor around another's space; on record also for those whose bans are bound to the authority"
    ),
    "patch_range": "as for registering",
    "delete_range": "as for registering",
    "import_ranges": "each row as for registering",
    "get_import": "one's own",
    "list_overlaps": "the matter of the inner range's authority",
    "patch_off_rules": "only administrators lift the need for an approver",
    "put_ban": "where the authority wants a second person to switch a ban off, an operator's change waits as a request",
    "patch_ban": "as for adopting",
    "get_request": "the matter of the ban's authority",
    "approve_request": "as for an exemption",
    "reject_request": "the matter of the ban's authority",
    "withdraw_request": "the matter of the ban's authority",
    "create_binding": "an agreement is the matter of the ban's authority, a law the administrators'",
    "accept_binding": "the matter of the bound authority",
    "withdraw_binding": "the matter of the bound authority",
    "end_binding": "an agreement is the matter of the ban's authority, a law the administrators'",
    "get_exemption": "the matter of the ban's authority and of those of its ranges",
    "request_exemption": "the matter of each authority whose ranges it names",
    "approve_exemption": (
        "the matter of the ban's authority; "
        "nobody approves their own request, nor one of whoever made the token at hand"
    ),
    "reject_exemption": "the matter of the ban's authority",
    "revoke_exemption": "the matter of the ban's authority",
    "withdraw_exemption": "the matter of each authority whose ranges it names",
    "start_suspension": (
        "of all: administrators; approvers and administrators where a ban of another authority holds by law, "
        "and for more than four hours within 24"
    ),
    "end_suspension": "of all: administrators",
    "get_decision": "the matter of the authority of the client's range",
    "get_who": "the matter of the authority of the address's range",
    "get_trace": "the matter of the authority of the client's range then",
    "list_accounts": "those that made an act that is a matter of the authority",
    "get_account": "the matter of each authority in which it made an act",
    "disable_account": "nobody their own",
    "enable_account": "not once its name was erased",
    "erase_account": "nobody their own",
    "list_tokens": "with a narrowed token: that one, and what was made with it",
    "make_token": (
        "for oneself: none that may more than the token at hand; none that outlives it, unless an administrator says so"
    ),
    "revoke_token": "goes with what was made with it; with a narrowed token: that one, and what was made with it",
    "make_grant": (
        "nobody for themselves, nor for whoever made the token at hand; roles in the installation by administrators"
    ),
    "enrol_node": "whoever has the token that registering the node has shown, once",
    "get_own_snapshot": "a node, with the token that it got when it enrolled",
    "get_own_file": "as for the snapshot",
    "report_node": "as for the snapshot",
    "end_grant": "roles in the installation by administrators",
}
"""What a request has to be besides, where the rule alone does not say it."""


def render() -> str:
    """The table, as Markdown, with a row per route."""
    head = f"| request | does | {' | '.join(COLUMNS)} | besides |\n|{'---|' * (len(COLUMNS) + 3)}\n"
    return head + "".join(_row(route) for route in routes())


def renewed(page: str) -> str:
    """The page with what follows the mark made anew; raises ValueError without the mark."""
    prose, mark, _ = page.partition(MARK)
    if not mark:
        raise ValueError(f"the page has no line {MARK}")
    return f"{prose}{mark}\n\n{render()}"


def cell(rule: Rule, column: str) -> str:
    """What the rule says in the column of a role, of no role, or of no token."""
    match rule.where:
        case Where.OPEN:
            return YES
        case Where.ACCOUNT:
            return NO if column == "no token" else YES
        case Where.PATH | Where.OBJECT:
            held = OWN if column in OF_AUTHORITY else YES
        case Where.SOME:
            held = PART if column in OF_AUTHORITY else YES
        case Where.INSTALLATION:
            held = YES
        case Where.ENROLMENT | Where.NODE:
            return NO
        case Where.SELF | Where.ACTED:
            if column not in rule.roles:
                return NO if column == "no token" else SELF
            held = f"{SELF}, {OWN}" if column in OF_AUTHORITY else YES
        case _:
            assert_never(rule.where)
    return held if column in rule.roles else NO


def _row(route: Route) -> str:
    method = next(iter(route.methods or ()))
    operation = route.operation_id or ""
    summary = route.summary or operation.replace("_", " ")
    cells = " | ".join(cell(route.rule, column) for column in COLUMNS)
    besides = BESIDES.get(operation, "")
    return f"| `{method} {route.path}` | {summary[0].lower()}{summary[1:]} | {cells} | {besides} |\n"


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(renewed(document.read_text(encoding="utf-8")), encoding="utf-8")
