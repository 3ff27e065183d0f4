"""The tables and lists of docs/reference/permissions.md, from the routes. `scripts/permissions` writes the page."""

from collections.abc import Mapping, Sequence
from typing import assert_never

from api.auth.roles import (
    ACCOUNTABLE,
    ADMINISTRATORS,
    APPROVERS,
    AUDITORS,
    BACKUP_MAKERS,
    OF_AUTHORITY,
    OPERATORS,
    OWN_APPROVERS,
    READERS,
    Role,
    RoleScope,
    Rule,
)
from api.auth.second_person import ALONE
from api.console.frame.page_route import PageRoute
from api.http.routes import Route

ALONE_MARK = "<!-- Generated from `ALONE` of `api/auth/second_person.py` by `scripts/permissions`; a test compares. -->"
PAGES_MARK = "<!-- Generated from the pages of the console by `scripts/permissions`; a test compares. -->"
MARK = "<!-- Generated from the routes by `scripts/permissions`; a test compares. -->"
YES, NO, OWN, PART, SELF = "yes", "–", "own", "part", "self"
COLUMNS = ("no token", "no role", *Role)

CONDITIONS: Mapping[str, str] = {
    "put_range": (
        "operators: inside space of the authority, not inside another authority's range, and not around another's "
        "space; the audit entry also concerns authorities whose bans are bound to this one"
    ),
    "patch_range": "as for registering",
    "remove_range": "as for registering",
    "import_ranges": "each row as for registering",
    "get_import": "your own import",
    "list_overlaps": "in the inner range's authority",
    "patch_off_rules": "only administrators may remove the need for an approver",
    "get_request": "in the request's authority",
    "approve_request": "in the request's authority; not your own request, nor that of an account that made your token",
    "reject_request": "in the request's authority",
    "withdraw_request": "in the request's authority",
    "create_binding": "agreement: in the ban's authority; law: administrators",
    "accept_binding": "in the bound authority",
    "withdraw_binding": "in the bound authority",
    "end_binding": "agreement: in the ban's authority; law: administrators",
    "get_exemption": "in the ban's authority, or in an authority of its ranges",
    "request_exemption": "in each authority whose ranges it names",
    "approve_exemption": "in the ban's authority; not your own request, nor that of an account that made your token",
    "reject_exemption": "in the ban's authority",
    "revoke_exemption": "in the ban's authority",
    "withdraw_exemption": "in each authority whose ranges it names",
    "start_suspension": (
        "of all: administrators; approvers and administrators if a ban of another authority applies by law, "
        "and for more than four hours within 24"
    ),
    "end_suspension": "of all: administrators",
    "get_decision": "in the authority of the client's range",
    "get_who": "in the authority of the address's range",
    "get_trace": "in the authority of the client's range at that time",
    "list_accounts": "accounts with an act that concerns the authority",
    "get_account": "in an authority that one of its acts concerns",
    "disable_account": "not your own account",
    "enable_account": "not after its name was erased",
    "erase_account": "not your own account",
    "list_tokens": "with a narrowed token: that token, and tokens made with it",
    "make_token": (
        "for yourself: not with more permissions than your token, and not with a later end, unless you are an "
        "administrator"
    ),
    "revoke_token": (
        "also revokes tokens made with it; with a narrowed token: only that token, and tokens made with it"
    ),
    "make_grant": (
        "not for yourself, and not for an account that made your token; roles in the installation: administrators"
    ),
    "enrol_node": "with the one-time token that registering the node has shown",
    "get_own_snapshot": "a node, with the token that it got when it enrolled",
    "get_own_file": "as for the snapshot",
    "report_node": "as for the snapshot",
    "end_grant": "roles in the installation: administrators",
}
"""Conditions of a request that its rule alone does not express."""


def cell(rule: Rule, column: str) -> str:
    """Return the rule's text in the column of a role, of no role, or of no token."""
    match rule.where:
        case RoleScope.OPEN:
            return YES
        case RoleScope.ACCOUNT:
            return NO if column == "no token" else YES
        case RoleScope.PATH | RoleScope.OBJECT:
            held = OWN if column in OF_AUTHORITY else YES
        case RoleScope.SOME:
            held = PART if column in OF_AUTHORITY else YES
        case RoleScope.INSTALLATION:
            held = YES
        case RoleScope.ENROLMENT | RoleScope.NODE:
            return NO
        case RoleScope.SELF | RoleScope.ACTED:
            if column not in rule.roles:
                return NO if column == "no token" else SELF
            held = f"{SELF}, {OWN}" if column in OF_AUTHORITY else YES
        case _:
            assert_never(rule.where)
    return held if column in rule.roles else NO


def cells(rule: Rule) -> tuple[str, ...]:
    """Return the texts of a rule in all columns."""
    return tuple(cell(rule, column) for column in COLUMNS)


GROUPS: Mapping[tuple[str, ...], str] = {
    cells(Rule(RoleScope.OPEN)): "Without a token",
    cells(Rule(RoleScope.NODE)): "A node",
    cells(Rule(RoleScope.ACCOUNT)): "Every account",
    cells(Rule(RoleScope.ACTED, READERS)): "An account",
    cells(Rule(RoleScope.SELF, AUDITORS)): "List tokens",
    cells(Rule(RoleScope.SELF, ADMINISTRATORS)): "Make and revoke tokens",
    cells(Rule(RoleScope.OBJECT, READERS)): "Read in an authority",
    cells(Rule(RoleScope.SOME, READERS)): "List in authorities",
    cells(Rule(RoleScope.OBJECT, ACCOUNTABLE)): "Read reports",
    cells(Rule(RoleScope.OBJECT, OPERATORS)): "Decide for an authority",
    cells(Rule(RoleScope.OBJECT, OPERATORS | APPROVERS)): "Suspend",
    cells(Rule(RoleScope.OBJECT, APPROVERS)): "Approve and grant",
    cells(Rule(RoleScope.OBJECT, OWN_APPROVERS)): "Note clients",
    cells(Rule(RoleScope.INSTALLATION, AUDITORS)): "Read the installation",
    cells(Rule(RoleScope.INSTALLATION, BACKUP_MAKERS)): "Back up",
    cells(Rule(RoleScope.INSTALLATION, ADMINISTRATORS)): "Administer",
}
"""The titles of the groups of requests that the same callers may make."""


def render(routes: Sequence[Route]) -> str:
    """Return who may make which group of requests, and the requests of each group. Raise KeyError for a new group."""
    groups: dict[str, list[Route]] = {title: [] for title in GROUPS.values()}
    for route in routes:
        groups[GROUPS[cells(route.rule)]].append(route)
    rows = (f"| [{title}](#{title.lower().replace(' ', '-')}) | {' | '.join(who)} |\n" for who, title in GROUPS.items())
    lists = (f"\n### {title}\n\n{''.join(map(_line, found))}" for title, found in groups.items())
    return f"| requests | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}\n{''.join(rows)}{''.join(lists)}"


def render_alone(routes: Sequence[Route]) -> str:
    """Return the table of the requests that need no second person, and why."""
    acting = {route.operation_id: route for route in routes}
    rows = (f"| `{_request(acting[name])}` | {why} |\n" for name, why in ALONE.items())
    return f"| request | why |\n|---|---|\n{''.join(rows)}"


def render_pages(pages: Sequence[PageRoute], routes: Sequence[Route]) -> str:
    """Return the table of the console's pages, with the requests of the API that each makes with its session."""
    titles = {route.operation_id: GROUPS[cells(route.rule)] for route in routes}
    rows = (
        f"| `{next(iter(page.methods or ()))} {page.path}` | {_called(page, titles)} |\n"
        for page in pages
        if page.operations
    )
    return f"| page | requests of the API |\n|---|---|\n{''.join(rows)}"


def _called(page: PageRoute, titles: Mapping[str | None, str]) -> str:
    return ", ".join(f"`{name}` ({titles[name].lower()})" for name in sorted(page.operations))


def renewed(page: str, routes: Sequence[Route], pages: Sequence[PageRoute]) -> str:
    """Return the page with the parts below its marks replaced. Raise ValueError if it lacks a mark."""
    parts = ((ALONE_MARK, render_alone(routes)), (PAGES_MARK, render_pages(pages, routes)), (MARK, render(routes)))
    for mark, text in parts:
        prose, found, rest = page.partition(mark)
        if not found:
            raise ValueError(f"the page has no line {mark}")
        _, heading, after = rest.partition("\n## ")
        page = f"{prose}{mark}\n\n{text}{heading}{after}"
    return page


def _line(route: Route) -> str:
    operation = route.operation_id or ""
    summary = route.summary or operation.replace("_", " ")
    condition = f" ({CONDITIONS[operation]})" if operation in CONDITIONS else ""
    return f"- `{_request(route)}`: {summary[0].lower()}{summary[1:]}{condition}\n"


def _request(route: Route) -> str:
    return f"{next(iter(route.methods or ()))} {route.path}"
