"""dnsfilterctl request: acts after which less is refused, which an approver decides."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from api.bans.requests.schemas import LiftRead, RequestRead, RequestState
from api.ctl.command import (
    PROGRAM,
    Group,
    Options,
    Result,
    given,
)
from api.ctl.display.account_names import Accounts
from api.ctl.display.act_lines import act_lines
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import WAITING
from api.ctl.numbered import Numbered
from api.ctl.policy.approvals import add_deciding, outcome_rows, prepare
from api.ctl.remote.client import Client, path
from api.lists.schemas import LinkRead

_HEADINGS: Mapping[RequestState, tuple[str, str]] = {
    RequestState.REQUESTED: ("It would do:", "It would no longer refuse:"),
    RequestState.APPROVED: ("Done as requested:", "No longer refused:"),
}
_UNDONE = ("It would have done:", "It would no longer have refused:")


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("request")
    lister = group.add_verb("list", _list, "List requests.", "request list --state requested")
    lister.add_state(RequestState)
    lister.add_limit()
    group.add_numbered("show", _REQUESTS.show, "Show a request.", "request show 1")
    add_deciding(group, "request", _REQUESTS)


def waiting_result(found: RequestRead) -> Result:
    """Return the result of an act that waits for approval."""
    said = f"Request {found.number} waits for an approver of {found.authority}."
    advice = f"Nothing has changed yet. The approver types: {PROGRAM} request approve {found.number}"
    return Result(found, lambda: [said], WAITING, notes=(advice,))


def _list(client: Client, options: Options) -> Result:
    page = client.list(RequestRead, path("requests"), options.limit, given(options, "state"))
    result = listed(page, lambda: _table(page.items, Names(client), Accounts(client)), "requests")
    if options.state not in (None, RequestState.REQUESTED):
        return result
    return replace(result, notes=result.notes + _of_lists(client))


def _of_lists(client: Client) -> tuple[str, ...]:
    """Return a note if a list is followed or agreed on, and services of it wait for an authority."""
    waiting = client.list(LinkRead, path("list-links"), 1, {"waiting": "true"}).items
    command = f"{PROGRAM} list-link list --waiting"
    return (f"Services of prohibited lists wait to be accepted or adopted: see {command}",) if waiting else ()


def _lines(found: RequestRead, names: Names, accounts: Accounts) -> Iterator[str]:
    zone = names.time_zone(found.authority)
    subject = ("about", found.object)
    if found.ban is not None:
        subject = ("for the ban", f"{found.ban}: {names.words(found.ban)}")
    rows = [
        ("request", str(found.number)),
        ("authority", names.labelled(found.authority)),
        subject,
        ("asks for", _wish(found, zone)),
        ("reason", found.reason or "none"),
        ("state", found.state),
        *outcome_rows(found, zone, accounts),
    ]
    yield from columns(rows)
    acts, lifts = _HEADINGS.get(found.state, _UNDONE)
    yield acts
    for act in found.acts:
        yield from act_lines(act)
    if found.act_count > len(found.acts):
        yield f"and {found.act_count - len(found.acts)} more"
    yield lifts
    yield from (f"  {_lifted(one, zone)}" for one in found.lifts)
    if found.lift_count > len(found.lifts):
        yield f"  and {found.lift_count - len(found.lifts)} more"


_REQUESTS = Numbered(RequestRead, "requests", _lines)


def _table(items: list[RequestRead], names: Names, accounts: Accounts) -> Iterator[str]:
    prepare(items, names, accounts)
    rows = [
        (
            str(item.number),
            item.authority,
            names.authority(item.authority),
            item.object,
            _wish(item, names.time_zone(item.authority)),
            item.state,
            accounts.words(item.requested_by),
            item.reason,
        )
        for item in items
    ]
    yield from table(("no.", "authority", "name", "about", "asks for", "state", "asked by", "reason"), rows, ("name",))


def _wish(found: RequestRead, zone: str | None) -> str:
    """Return the mode that the request sets, or the acts that it leads to."""
    if found.mode is not None:
        return found.mode if found.until is None else f"{found.mode} until {at_words(found.until, zone)}"
    return ", ".join(dict.fromkeys(act.act for act in found.acts))


def _lifted(one: LiftRead, zone: str | None) -> str:
    where = one.prefix or f"{one.funding} {one.audience}"
    end = "" if one.end is None else f" until {at_words(one.end, zone)}"
    given = f", but give {', '.join(one.addresses)}" if one.addresses else ""
    name = f"{one.name} of " if one.name else ""
    what = f"{name}{one.service}, tier {one.tier}" if one.service else f"{one.name} of any later ban"
    return f"{one.authority}, {where}: {what}, from {at_words(one.start, zone)}{end}{given}"
