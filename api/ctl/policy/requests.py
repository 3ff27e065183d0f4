"""dnsfilterctl request: requests to set a ban to off or monitor, which an approver decides."""

from collections.abc import Iterator

from api.ctl.command import Group, Options, Result, add_group, add_limit, add_numbered, add_state, add_verb, given
from api.ctl.display.account_names import Accounts
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.numbered import Numbered
from api.ctl.policy.approvals import add_deciding, outcome_rows, prepare
from api.ctl.remote.client import Client, path
from api.requests.schemas import RequestRead, RequestState


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = add_group(groups, "request", "Manage requests to set a ban to off or monitor, which an approver decides.")
    lister = add_verb(group, "list", _list, "List requests.", "request list --state requested")
    add_state(lister, RequestState)
    add_limit(lister)
    add_numbered(group, "show", _REQUESTS.show, "Show a request.", "request show 1")
    add_deciding(group, "request", _REQUESTS)


def waiting_result(found: RequestRead) -> Result:
    """Return the result of an act that waits for approval."""
    authority = found.ban.partition("/")[0]
    return Result(found, lambda: [f"Request {found.number} waits for an approver of {authority}."])


def _list(client: Client, options: Options) -> Result:
    page = client.list(RequestRead, path("requests"), options.limit, given(options, "state"))
    return listed(page, lambda: _table(page.items, Names(client), Accounts(client)), "requests")


def _lines(found: RequestRead, names: Names, accounts: Accounts) -> Iterator[str]:
    zone = _zone(found, names)
    rows = [
        ("request", str(found.number)),
        ("for the ban", f"{found.ban}: {names.words(found.ban)}"),
        ("mode", _mode(found, zone)),
        ("reason", found.reason or "none"),
        ("state", found.state),
        *outcome_rows(found, zone, accounts),
    ]
    yield from columns(rows)


_REQUESTS = Numbered(RequestRead, "requests", _lines)


def _table(items: list[RequestRead], names: Names, accounts: Accounts) -> Iterator[str]:
    prepare(items, names, accounts)
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


def _mode(found: RequestRead, zone: str | None) -> str:
    return found.mode if found.until is None else f"{found.mode} until {at_words(found.until, zone)}"


def _zone(found: RequestRead, names: Names) -> str | None:
    return names.time_zone(found.ban.partition("/")[0])
