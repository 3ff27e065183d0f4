"""dnsfilterctl suspend, and the banner of other commands while a suspension is in force."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from api.ctl.command import (
    MAX_LIMIT,
    PROGRAM,
    WHEN,
    Group,
    Options,
    Parser,
    Result,
    given,
    term_body,
)
from api.ctl.display.account_names import Accounts
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words, effective_end
from api.ctl.display.safe_text import columns, cut, table
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import WrongInput
from api.ctl.numbered import Numbered
from api.ctl.remote.client import Client, path
from api.ranges.schemas import RangeRead
from api.suspensions.schemas import LocalSuspensionRead, SuspensionRead, SuspensionState
from dnsfilter.policy.calendar import parse_instant

EVERYBODY = "everybody"
MAX_REASON_SHOWN = 100
"""Maximum width of a reason in a banner; `suspend show` prints the complete reason."""


@dataclass(frozen=True, slots=True)
class Current:
    """Suspensions in force: of the control plane, newest first, and local ones of nodes."""

    suspensions: list[SuspensionRead]
    local: list[LocalSuspensionRead]


def add(groups: Group) -> None:
    """Add the commands."""
    group = groups.add_group("suspend", implied="start")
    start = group.add_verb(
        "start",
        _start,
        "Start a suspension. `start` may be left out.",
        'suspend ghent --for 30m --reason "crisis centre"',
        'suspend --for 10m --reason "is it the filter?"',
    )
    _add_whom(start, "authority to suspend (default: everybody, including unregistered clients)")
    reach = start.add_mutually_exclusive_group(required=True)
    span = "duration: 30m, 1h30m, 4h; an operator may suspend at most 4h within 24h"
    reach.add_argument("--for", dest="for_", metavar="SPAN", help=span)
    reach.add_argument("--until", metavar="WHEN", help=f"end: {WHEN}")
    start.add_reason()
    lister = group.add_verb("list", _list, "List suspensions, newest first.", "suspend list --state in_force")
    lister.add_state(SuspensionState)
    lister.add_slug("--authority", "only suspensions that concern this authority, including those of everybody")
    lister.add_limit()
    group.add_numbered("show", _SUSPENSIONS.show, "Show a suspension.", "suspend show 1")
    summary = "End all suspensions of an authority, or those of everybody."
    end = group.add_verb("end", _end, summary, 'suspend end ghent --reason "it was not the filter"')
    _add_whom(end, "authority whose suspensions end (default: those of everybody)")
    end.add_reason()


def _add_whom(parser: Parser, text: str) -> None:
    parser.add_slug("authority", text, nargs="?")


def _start(client: Client, options: Options) -> Result:
    body = {"authority": options.authority, **given(options, "reason"), **term_body(options)}
    made = client.send(SuspensionRead, "POST", path("suspensions"), body)
    return Result(made, lambda: _made(made, client))


def _end(client: Client, options: Options) -> Result:
    """End suspensions of exactly this authority, or of everybody."""
    current = find_current(client, options.authority)
    own = [found.number for found in current.suspensions if found.authority == options.authority]
    if own:
        ended = client.send(SuspensionRead, "POST", path("suspensions", own[0], "end"), given(options, "reason"))
        return Result(ended, lambda: _ended_lines(client, ended, {ended.number, *own}, Names(client)))
    local = [_where(one) for one in current.local if one.authority == options.authority]
    raise WrongInput(
        f"no suspension of {options.authority or EVERYBODY} is in force. "
        "Type `dnsfilterctl suspend list --state in_force` to see which are",
        *(
            f"{where} has a local suspension. Type `dnsfilter suspend --end` there; a newer revision also ends it."
            for where in local
        ),
    )


def _ended_lines(client: Client, ended: SuspensionRead, numbers: set[int], names: Names) -> Iterator[str]:
    """Yield what is still in force first, so that nobody believes that bans apply again."""
    left = find_current(client, ended.authority)
    yield from banner_lines(left, names)
    which = ", ".join(map(str, sorted(numbers)))
    ended_words = f"suspension {which} has ended" if len(numbers) == 1 else f"suspensions {which} have ended"
    if any(found.authority is None for found in left.suspensions):
        yield f"{ended_words}, but all are still suspended: nothing is refused for {_subject(ended.authority, names)}"
    else:
        yield f"{ended_words}: bans apply again for {_subject(ended.authority, names)}"


def _made(made: SuspensionRead, client: Client) -> Iterator[str]:
    names = Names(client)
    zone = names.time_zone(made.authority)
    yield f"suspension {made.number}: from now on NOTHING is refused for {_subject(made.authority, names)}"
    if made.authority is None:
        yield "unregistered clients also get answers"
    yield f"it ends by itself at {at_words(made.end, zone)}"
    if made.since != made.start:
        yield f"suspended without a break since {at_words(made.since, zone)}"
    if (
        made.authority is not None
        and not client.list(RangeRead, path("ranges"), 1, {"authority": made.authority}).items
    ):
        yield f"{made.authority} has no range: this affects no client"
    yield " ".join(["to undo:", PROGRAM, "suspend end", *filter(None, [made.authority]), "--reason TEXT"])


def _list(client: Client, options: Options) -> Result:
    page = client.list(SuspensionRead, path("suspensions"), options.limit, given(options, "state", "authority"))
    local = [] if options.state == "ended" else _local(client, options.authority)
    found = listed(page, lambda: _listed(page.items, local, client), "suspensions")
    data = {**page.model_dump(mode="json"), "local": [one.model_dump(mode="json") for one in local]}
    return replace(found, data=data, notes=() if local and not page.items else found.notes)


def _listed(items: list[SuspensionRead], local: list[LocalSuspensionRead], client: Client) -> Iterator[str]:
    names = Names(client)
    yield from banner_lines(Current([], local), names)
    yield from _table(items, Accounts(client), names)


def _lines(found: SuspensionRead, names: Names, accounts: Accounts) -> Iterator[str]:
    zone = names.time_zone(found.authority)
    rows = [
        ("suspension", str(found.number)),
        ("of", _subject(found.authority, names)),
        ("state", found.state.replace("_", " ")),
        ("from", at_words(found.start, zone)),
        ("until", at_words(found.end, zone)),
        ("unbroken since", at_words(found.since, zone)),
        ("reason", found.reason),
        ("started by", accounts.words(found.recorded_by)),
    ]
    if found.ended is not None:
        rows.append(("ended", f"{at_words(found.ended, zone)} by {accounts.words(found.ended_by or 0)}"))
        rows.append(("because", found.ended_reason))
    yield from columns(rows)


_SUSPENSIONS = Numbered(SuspensionRead, "suspensions", _lines)


def _table(items: list[SuspensionRead], accounts: Accounts, names: Names) -> Iterator[str]:
    accounts.prepare({item.recorded_by for item in items})
    names.prepare({item.authority for item in items if item.authority is not None})
    rows = [
        (
            str(item.number),
            item.authority or EVERYBODY,
            item.state.replace("_", " "),
            at_words(item.start, names.time_zone(item.authority)),
            at_words(effective_end(item), names.time_zone(item.authority)),
            accounts.login(item.recorded_by),
            item.reason,
        )
        for item in items
    ]
    yield from table(("no.", "of", "state", "from", "until", "started by", "reason"), rows, ("started by", "from"))


def find_current(client: Client, authority: str | None = None) -> Current:
    """Return suspensions in force, with an authority those that concern it. Raise CtlError."""
    query = {"state": "in_force", "authority": authority}
    suspensions = client.list(SuspensionRead, path("suspensions"), MAX_LIMIT, query).items
    return Current(suspensions, _local(client, authority))


def _local(client: Client, authority: str | None, site: str | None = None) -> list[LocalSuspensionRead]:
    query = {"authority": authority, "site": site}
    return client.list(LocalSuspensionRead, path("suspensions", "local"), MAX_LIMIT, query).items


def _where(one: LocalSuspensionRead) -> str:
    """Return the node, or its site if the caller may not know the node."""
    return f"node {one.node}" if one.node is not None else f"a node of site {one.site}"


def banner_lines(current: Current, names: Names) -> Iterator[str]:
    """Yield a line for each suspended authority, by its suspension that ends last, and an empty line."""
    longest: dict[str | None, SuspensionRead] = {}
    for found in current.suspensions:
        other = longest.get(found.authority)
        if other is None or parse_instant(found.end) > parse_instant(other.end):
            longest[found.authority] = found
    for authority in sorted(longest, key=lambda slug: slug or ""):
        yield _first_line(authority, longest[authority].end, longest[authority].reason, names)
    for one in current.local:
        until = at_words(one.until, names.time_zone(one.authority))
        yield f"LOCAL: {_where(one)} refuses nothing for {_subject(one.authority, names)} until {until}"
    if current.suspensions or current.local:
        yield ""


def local_lines(client: Client, authority: str | None, site: str, names: Names) -> Iterator[str]:
    """Yield the banner about local suspensions of nodes that concern a client of a site."""
    found = _local(client, authority, site)
    # Without an authority the API lists all, but suspensions of an authority do not concern unregistered clients.
    yield from banner_lines(Current([], [one for one in found if one.authority in (None, authority)]), names)


def suspended_lines(authority: str | None, until: str, reason: str, names: Names) -> Iterator[str]:
    """Yield the banner about a client that is suspended, and an empty line."""
    yield _first_line(authority, until, reason, names)
    yield ""


def _first_line(authority: str | None, until: str, reason: str, names: Names) -> str:
    end = at_words(until, names.time_zone(authority))
    return (
        f"SUSPENDED: nothing is refused for {_subject(authority, names)} until {end} ({cut(reason, MAX_REASON_SHOWN)})"
    )


def _subject(authority: str | None, names: Names) -> str:
    return names.labelled(authority, EVERYBODY)
