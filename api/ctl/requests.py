"""dnsfilterctl request, and what `ban` says of bans that are off: for how long, and who decides about that."""

from collections.abc import Iterator

from api.ctl.accounts import Accounts
from api.ctl.client import Client, path
from api.ctl.commands import (
    Body,
    Group,
    Options,
    Parser,
    Result,
    Run,
    add_group,
    add_limit,
    add_reason,
    add_verb,
    decision_body,
    given,
    number,
)
from api.ctl.decisions import Ban, Request
from api.ctl.errors import WrongInput
from api.ctl.listing import listed
from api.ctl.moments import at_words
from api.ctl.names import Names
from api.ctl.terminal import columns, table

STATES = ("requested", "approved", "rejected", "withdrawn", "lapsed")


def add(groups: Group) -> None:
    """Add the group's commands."""
    group = add_group(groups, "request", "requests to switch a ban off that wait for an approver")
    lister = add_verb(group, "list", _list, "list requests", "request list --state requested")
    lister.add_argument("--state", choices=STATES, metavar="STATE", help=", ".join(STATES))
    add_limit(lister)
    _add_number(group, "show", _show, "show a request", "request show 1")
    approve = _add_number(group, "approve", _approve, "approve a request: the mode is set", "request approve 1")
    approve.add_argument("--note", metavar="TEXT", help="what the approver adds")
    add_reason(_add_number(group, "reject", _reject, "reject a request", 'request reject 1 --reason "no need"'))
    summary = "take a request back that nobody has decided about"
    add_reason(_add_number(group, "withdraw", _withdraw, summary, 'request withdraw 1 --reason "a mistake"'))


def _add_number(group: Group, name: str, run: Run, summary: str, example: str) -> Parser:
    parser = add_verb(group, name, run, summary, example)
    parser.add_argument("number", type=number, metavar="NUMBER")
    return parser


def waiting(found: Request) -> Result:
    """That an act waits as a request."""
    authority = found.ban.partition("/")[0]
    return Result(
        found.model_dump(mode="json"), lambda: [f"Request {found.number} waits for an approver of {authority}."]
    )


def off_term(options: Options) -> Body:
    """How long the options of `ban set` switch a ban off; empty if they say something else. Raises WrongInput."""
    reach = given(options, "end", "until", "for_")
    more = {**decision_body(options), **given(options, "start", "review_by")}
    if options.mode is None or not reach or more or options.provisional or options.confirm:
        return {}
    if options.mode != "off":
        words = " and ".join(f"--{name.rstrip('_')}" for name in reach)
        ways = f"leave out {words}, or give the decision too if the ban gets a term by it"
        raise WrongInput(f"only --mode off takes an end, --mode {options.mode} does not: {ways}")
    if "end" in reach:
        raise WrongInput("with --mode off say --until or --for: when the mode that the ban has now returns")
    return {key.rstrip("_"): value for key, value in reach.items()}


def off_end(ban: Ban, zone: str | None) -> str:
    """Until when a ban is off."""
    return "set again" if ban.off_until is None else f"{at_words(ban.off_until, zone)}, then {ban.returns_to}"


def table_of_off(items: list[Ban], names: Names, accounts: Accounts) -> Iterator[str]:
    """Bans that are off: since when, until when, by whom and why."""
    names.prepare({item.authority for item in items}, {item.service for item in items})
    accounts.prepare({item.mode_set_by for item in items})
    rows = []
    for item in items:
        zone = names.time_zone(item.authority)
        since = "" if item.mode_set is None else at_words(item.mode_set, zone)
        by = "" if item.mode_set_by is None else accounts.words(item.mode_set_by)
        subject = (item.authority, names.authority(item.authority), item.service, names.service(item.service))
        rows.append((*subject, since, off_end(item, zone), by, item.mode_reason))
    yield from table(("authority", "name", "service", "name", "off since", "until", "by", "reason"), rows, ("name",))


def _list(client: Client, options: Options) -> Result:
    page = client.list(Request, path("requests"), options.limit, given(options, "state"))
    return listed(page, lambda: _table(page.items, Names(client), Accounts(client)), "requests")


def _show(client: Client, options: Options) -> Result:
    return _shown(client, client.get(Request, path("requests", options.number)))


def _approve(client: Client, options: Options) -> Result:
    return _decide(client, options, "approve")


def _reject(client: Client, options: Options) -> Result:
    return _decide(client, options, "reject")


def _withdraw(client: Client, options: Options) -> Result:
    return _decide(client, options, "withdraw")


def _decide(client: Client, options: Options, act: str) -> Result:
    body = given(options, "note", "reason")
    return _shown(client, client.send(Request, "POST", path("requests", options.number, act), body))


def _shown(client: Client, found: Request) -> Result:
    return Result(found.model_dump(mode="json"), lambda: _lines(found, Names(client), Accounts(client)))


def _lines(found: Request, names: Names, accounts: Accounts) -> Iterator[str]:
    zone = _zone(found, names)
    rows = [
        ("request", str(found.number)),
        ("for the ban", f"{found.ban}: {names.words(found.ban)}"),
        ("mode", _mode(found, zone)),
        ("reason", found.reason or "none"),
        ("state", found.state),
        ("requested", f"{at_words(found.requested, zone)} by {accounts.words(found.requested_by)}"),
    ]
    for act, at in (("approved", found.approved), ("rejected", found.rejected), ("withdrawn", found.withdrawn)):
        if at is not None:
            rows.append((act, at_words(at, zone)))
    if found.decided_by is not None:
        who = accounts.words(found.decided_by)
        rows.append(("decided by", f"{who}: {found.note}" if found.note else who))
    yield from columns(rows)


def _table(items: list[Request], names: Names, accounts: Accounts) -> Iterator[str]:
    accounts.prepare({item.requested_by for item in items})
    rows = [
        (
            str(item.number),
            *names.both(item.ban),
            _mode(item, _zone(item, names)),
            item.state,
            accounts.words(item.requested_by),
            item.reason,
        )
        for item in items
    ]
    yield from table(
        ("no.", "ban of", "name", "service", "name", "mode", "state", "asked by", "reason"), rows, ("name",)
    )


def _mode(found: Request, zone: str | None) -> str:
    return found.mode if found.until is None else f"{found.mode} until {at_words(found.until, zone)}"


def _zone(found: Request, names: Names) -> str | None:
    return names.time_zone(found.ban.partition("/")[0])
