"""dnsfilterctl update: new names of services, before they refuse anything."""

from collections.abc import Iterator

from api.ctl.command import PROGRAM, Group, Options, Result, given
from api.ctl.display.account_names import Accounts
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.numbered import Numbered
from api.ctl.remote.client import Client, path
from api.updates.schemas import ObjectionRead, UpdatedNameRead, UpdateRead, UpdateState

DEFAULT_NAMES = 40


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("update")
    lister = group.add_verb("list", _list, "List updates, newest first.", "update list --state held_back")
    lister.add_state(UpdateState)
    lister.add_slug("--authority", "only updates of this authority's own services")
    lister.add_limit()
    group.add_numbered(
        "show", _show, "Show an update with the first of its names, the most queried first.", "update show 1"
    )
    summary = (
        "Bring an update that was held back into force, or enforce pending names at once. "
        "The new names of one that was held back are then pending, unless --at-once is given."
    )
    accept = group.add_numbered("accept", _UPDATES.act("accept", "note", "at_once"), summary, "update accept 1")
    accept.add_argument("--at-once", action="store_true", default=None, help="enforce the new names now")
    accept.add_argument("--note", metavar="TEXT", help="note of the approver")
    example = 'update reject 1 --reason "the list was cut"'
    reject = group.add_numbered("reject", _UPDATES.act("reject", "reason"), "Reject an update.", example)
    reject.add_reason()
    summary = "Leave names out of an update, and out of all later ones that no person edits."
    example = 'update object 1 cdn.example.org --reason "our own shop"'
    objecting = group.add_numbered("object", _UPDATES.act("object", "names", "reason"), summary, example)
    objecting.add_argument("names", nargs="+", metavar="NAME", help="a name that the update adds")
    objecting.add_reason()
    lister = group.add_verb(
        "objections",
        _objections,
        "List the names that were left out of services: by whom, since when and why.",
        "update objections --service tiktok",
    )
    lister.add_service("--service", "only names of this service")
    lister.add_limit()
    summary = "Withdraw an objection. The name comes back with the next update that has it, and is monitored first."
    example = 'update withdraw ghent:games cdn.example.org --reason "the shop has closed"'
    withdrawing = group.add_verb("withdraw", _withdraw, summary, example)
    withdrawing.add_service()
    withdrawing.add_argument("name", metavar="NAME", help="the name that was left out")
    withdrawing.add_reason()


def _list(client: Client, options: Options) -> Result:
    where = ("updates",) if options.authority is None else ("authorities", options.authority, "updates")
    page = client.list(UpdateRead, path(*where), options.limit, given(options, "state"))
    return listed(page, lambda: _table(page.items, Names(client)), "updates")


def _show(client: Client, options: Options) -> Result:
    found = client.get(UpdateRead, path("updates", options.number))
    page = client.list(UpdatedNameRead, path("updates", options.number, "names"), DEFAULT_NAMES)
    data = {"update": found.model_dump(mode="json"), "names": [item.model_dump(mode="json") for item in page.items]}
    return Result(data, lambda: [*_lines(found, Names(client), Accounts(client)), *_names(page.items, found)])


def _objections(client: Client, options: Options) -> Result:
    page = client.list(ObjectionRead, path("objections"), options.limit, given(options, "service"))
    return listed(page, lambda: _objection_table(page.items, Names(client), Accounts(client)), "objections")


def _objection_table(items: list[ObjectionRead], names: Names, accounts: Accounts) -> Iterator[str]:
    rows = [
        (
            item.service,
            item.name,
            at_words(item.recorded, None if item.authority is None else names.time_zone(item.authority)),
            accounts.words(item.recorded_by),
            item.reason,
        )
        for item in items
    ]
    yield from table(("service", "name", "since", "by", "reason"), rows)


def _withdraw(client: Client, options: Options) -> Result:
    where = path("objections", options.service, options.name, "withdraw")
    done = client.send(ObjectionRead, "POST", where, given(options, "reason"))
    return Result(done, lambda: [f"withdrew the objection to {done.name} of {done.service}"])


def _lines(found: UpdateRead, names: Names, accounts: Accounts) -> Iterator[str]:
    zone = None if found.authority is None else names.time_zone(found.authority)
    rows = [
        ("update", str(found.number)),
        ("service", found.service),
        ("source", found.source),
        ("state", found.state),
        ("names", f"{found.added} added, {found.removed} removed, {found.pending} only monitored"),
        ("proposed", f"{at_words(found.proposed, zone)} by {accounts.words(found.proposed_by)}"),
    ]
    if found.enforced_from is not None:
        rows.append(("enforced from", at_words(found.enforced_from, zone)))
    if found.decided is not None and found.decided_by is not None:
        rows.append(("decided", f"{at_words(found.decided, zone)} by {accounts.words(found.decided_by)}"))
    if found.note:
        rows.append(("note", found.note))
    yield from columns(rows)
    if found.reasons:
        yield "It is held back because:" if found.state is UpdateState.HELD_BACK else "It was held back because:"
        yield from (f"  {reason.text}" for reason in found.reasons)
    if found.state is UpdateState.HELD_BACK:
        yield f"What was in force stays until somebody types: {PROGRAM} update accept {found.number}"


_UPDATES = Numbered(UpdateRead, "updates", _lines)


def _names(items: list[UpdatedNameRead], found: UpdateRead) -> Iterator[str]:
    rows = [
        (
            item.name,
            "exactly" if item.exact else "and below",
            str(item.tier),
            item.change,
            "" if item.queries is None else f"{item.queries} or more" if item.queries else "few",
        )
        for item in items
    ]
    yield from table(("name", "covers", "tier", "change", "queries while pending"), rows)
    rest = found.added + found.removed - len(items)
    if rest > 0:
        yield f"and {rest} more"


def _table(items: list[UpdateRead], names: Names) -> Iterator[str]:
    rows = [
        (
            str(item.number),
            item.service,
            item.source,
            item.state,
            str(item.added),
            str(item.removed),
            str(item.pending),
            at_words(item.proposed, None if item.authority is None else names.time_zone(item.authority)),
        )
        for item in items
    ]
    yield from table(("no.", "service", "source", "state", "added", "removed", "pending", "proposed"), rows)
