"""dnsfilterctl suspend and suspension: the emergency switch, and the line that stands first while one holds."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from api.ctl.command import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Group,
    Options,
    Result,
    add_group,
    add_limit,
    add_numbered,
    add_reason,
    add_state,
    add_verb,
    given,
    reason,
    slug,
)
from api.ctl.display.account_names import Accounts
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words, effective_end, next_local
from api.ctl.display.safe_text import columns, cut, table
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import WrongInput
from api.ctl.numbered import Numbered
from api.ctl.remote.client import Client, path
from api.ranges.schemas import RangeRead
from api.suspensions.schemas import LocalSuspensionRead, SuspensionRead, SuspensionState
from dnsfilter.policy.calendar import instant_text, parse_instant

EVERYBODY = "everybody"
MAX_REASON_SHOWN = 100
"""In the first line of every list; `suspension show` tells all of a reason."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is suspended now: by the control plane, newest first, and on nodes by hand."""

    suspensions: list[SuspensionRead]
    local: list[LocalSuspensionRead]


def add(groups: Group) -> None:
    """Add the commands."""
    suspend = add_verb(
        groups,
        "suspend",
        _suspend,
        "refuse nothing for an authority, or for all, for some minutes; it ends by itself, after four hours at most",
        'suspend ghent --for 30m --reason "crisis centre"',
        'suspend --for 10m --reason "is it the filter?"',
        'suspend ghent --end --reason "it was not the filter"',
    )
    suspend.add_argument(
        "authority", nargs="?", type=slug, metavar="AUTHORITY", help="without it for all, unregistered clients too"
    )
    reach = suspend.add_mutually_exclusive_group(required=True)
    reach.add_argument(
        "--for", dest="for_", metavar="SPAN", help="how long: 30m, 1h30m, 4h; an operator may suspend 4h within 24h"
    )
    reach.add_argument("--until", metavar="WHEN", help="a time of day such as 23:00, a date, or both")
    reach.add_argument("--end", action="store_true", help="end it now")
    reach.add_argument("--list", action="store_true", help="list what is suspended now")
    suspend.add_argument(
        "--reason", type=reason, metavar="TEXT", help="why; it stays on record, and only --list needs none"
    )
    group = add_group(groups, "suspension", "when nothing was, or is, refused")
    lister = add_verb(group, "list", _list, "list suspensions, newest first", "suspension list --state in_force")
    add_state(lister, SuspensionState)
    lister.add_argument("--authority", type=slug, metavar="AUTHORITY", help="those that concern it, of all too")
    add_limit(lister)
    add_numbered(group, "show", _SUSPENSIONS.show, "show a suspension", "suspension show 1")
    summary = "end it, with every other of its authority"
    add_reason(add_numbered(group, "end", _end, summary, 'suspension end 1 --reason "a false alarm"'))


def _suspend(client: Client, options: Options) -> Result:
    if options.list:
        options.state, options.limit = "in_force", DEFAULT_LIMIT
        return _list(client, options)
    if options.reason is None:
        raise WrongInput("give --reason: why; it stays on record")
    if options.end:
        return _end_all(client, options)
    body = {key.rstrip("_"): value for key, value in given(options, "for_", "until", "reason").items()}
    # Every date has a hyphen or a blank; a time of day has neither.
    if "until" in body and not re.search("[- ]", body["until"]):
        body["until"] = _until(body["until"], options.authority, Names(client))
    made = client.send(SuspensionRead, "POST", path("suspensions"), {"authority": options.authority, **body})
    return Result(made, lambda: _made(made, client))


def _until(clock: str, authority: str | None, names: Names) -> str:
    """Return when a clock of the authority, or for all of the default zone, shows that next. Raise WrongInput."""
    try:
        at = next_local(clock, int(time.time()), names.time_zone(authority))
    except ValueError as error:
        raise WrongInput(f"cannot suspend until {clock}: {error}") from error
    return instant_text(at)


def _end_all(client: Client, options: Options) -> Result:
    """End what holds for exactly this authority, or for all."""
    held = holding(client, options.authority)
    own = [found for found in held.suspensions if found.authority == options.authority]
    if own:
        return _ended(client, own[0].number, options)
    local = [_where(one) for one in held.local if one.authority == options.authority]
    raise WrongInput(
        f"no suspension of {options.authority or EVERYBODY} is in force",
        *(
            f"{where} was told so by hand: `dnsfilter suspend --end` there ends it, or a newer revision"
            for where in local
        ),
    )


def _end(client: Client, options: Options) -> Result:
    return _ended(client, options.number, options)


def _ended(client: Client, which: int, options: Options) -> Result:
    before = holding(client).suspensions
    ended = client.send(SuspensionRead, "POST", path("suspensions", which, "end"), given(options, "reason"))
    numbers = {ended.number, *(found.number for found in before if found.authority == ended.authority)}
    return Result(ended, lambda: _no_longer(client, ended, numbers, Names(client)))


def _no_longer(client: Client, ended: SuspensionRead, numbers: set[int], names: Names) -> Iterator[str]:
    """What still holds comes first: somebody may believe that what is banned is refused again."""
    held = holding(client, ended.authority)
    # One that was ended in its first second holds until that is over.
    left = replace(held, suspensions=[found for found in held.suspensions if found.number not in numbers])
    yield from first_lines(left, names)
    which = ", ".join(map(str, sorted(numbers)))
    told = f"suspension {which} has ended" if len(numbers) == 1 else f"suspensions {which} have ended"
    if any(found.authority is None for found in left.suspensions):
        yield f"{told}, and all are still suspended: nothing is refused yet for {_whom(ended.authority, names)}"
    else:
        yield f"{told}: what is banned is refused again for {_whom(ended.authority, names)}"


def _made(made: SuspensionRead, client: Client) -> Iterator[str]:
    names = Names(client)
    zone = names.time_zone(made.authority)
    yield f"suspension {made.number}: from now on NOTHING is refused for {_whom(made.authority, names)}"
    if made.authority is None:
        yield "unregistered clients are answered too"
    yield f"it ends by itself at {at_words(made.end, zone)}"
    if made.since != made.start:
        yield f"suspended without a break since {at_words(made.since, zone)}"
    if (
        made.authority is not None
        and not client.list(RangeRead, path("ranges"), 1, {"authority": made.authority}).items
    ):
        yield f"no range is {made.authority}'s: this reaches no client"


def _list(client: Client, options: Options) -> Result:
    page = client.list(SuspensionRead, path("suspensions"), options.limit, given(options, "state", "authority"))
    local = [] if options.state == "ended" else _local(client, options.authority)
    found = listed(page, lambda: _listed(page.items, local, client), "suspensions")
    data = {**page.model_dump(mode="json"), "local": [one.model_dump(mode="json") for one in local]}
    return replace(found, data=data, notes=() if local and not page.items else found.notes)


def _listed(items: list[SuspensionRead], local: list[LocalSuspensionRead], client: Client) -> Iterator[str]:
    names = Names(client)
    yield from first_lines(Held([], local), names)
    yield from _table(items, Accounts(client), names)


def _lines(found: SuspensionRead, names: Names, accounts: Accounts) -> Iterator[str]:
    zone = names.time_zone(found.authority)
    rows = [
        ("suspension", str(found.number)),
        ("of", _whom(found.authority, names)),
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


def holding(client: Client, authority: str | None = None) -> Held:
    """What is suspended now; with an authority what concerns it. Raises CtlError."""
    query = {"state": "in_force", "authority": authority}
    suspensions = client.list(SuspensionRead, path("suspensions"), MAX_LIMIT, query).items
    return Held(suspensions, _local(client, authority))


def _local(client: Client, authority: str | None, site: str | None = None) -> list[LocalSuspensionRead]:
    query = {"authority": authority, "site": site}
    return client.list(LocalSuspensionRead, path("suspensions", "local"), MAX_LIMIT, query).items


def _where(one: LocalSuspensionRead) -> str:
    """The node, as far as whoever asks may know it."""
    return f"node {one.node}" if one.node is not None else f"a node of site {one.site}"


def first_lines(held: Held, names: Names) -> Iterator[str]:
    """What stands first while suspensions hold: of each authority the one that holds longest, and an empty line."""
    longest: dict[str | None, SuspensionRead] = {}
    for found in held.suspensions:
        other = longest.get(found.authority)
        if other is None or parse_instant(found.end) > parse_instant(other.end):
            longest[found.authority] = found
    for authority in sorted(longest, key=lambda slug: slug or ""):
        yield _first_line(authority, longest[authority].end, longest[authority].reason, names)
    for one in held.local:
        until = at_words(one.until, names.time_zone(one.authority))
        yield f"LOCAL: {_where(one)} refuses nothing for {_whom(one.authority, names)} until {until}"
    if held.suspensions or held.local:
        yield ""


def local_lines(client: Client, authority: str | None, site: str, names: Names) -> Iterator[str]:
    """What stands first about a client of a site, while nodes there were told by hand to refuse it nothing."""
    found = _local(client, authority, site)
    # Without an authority the API lists all, but suspensions of an authority do not concern unregistered clients.
    yield from first_lines(Held([], [one for one in found if one.authority in (None, authority)]), names)


def suspended_lines(authority: str | None, until: str, reason: str, names: Names) -> Iterator[str]:
    """What stands first about a client for whom nothing is refused, and an empty line."""
    yield _first_line(authority, until, reason, names)
    yield ""


def _first_line(authority: str | None, until: str, reason: str, names: Names) -> str:
    end = at_words(until, names.time_zone(authority))
    return f"SUSPENDED: nothing is refused for {_whom(authority, names)} until {end} ({cut(reason, MAX_REASON_SHOWN)})"


def _whom(authority: str | None, names: Names) -> str:
    return names.labelled(authority, EVERYBODY)
