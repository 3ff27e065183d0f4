"""dnsfilterctl binding: bans that also apply in another authority."""

from collections.abc import Iterator

from api.bindings.schemas import BindingRead
from api.ctl.arguments import words_of
from api.ctl.ban_references import METAVAR, reference
from api.ctl.command import (
    Body,
    Group,
    Options,
    Parser,
    Result,
    given,
    term_body,
)
from api.ctl.display.account_names import Accounts
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words, effective_end, end_words, period_words
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.numbered import Numbered
from api.ctl.remote.client import Client, path
from dnsfilter.policy.model import Ground

NEW_NAMES = ("new names", "refused at once")
"""The row of a binding or a link that asks for new names at once."""


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("binding")
    lister = group.add_verb("list", _list, "List bindings.", "binding list --authority ghent")
    lister.add_slug("--authority", "only bindings of this authority to bans of others")
    lister.add_argument("--ban", type=reference, metavar=METAVAR, help="only bindings to this ban")
    lister.add_limit()
    group.add_numbered("show", _BINDINGS.show, "Show a binding.", "binding show 1")
    _add_add(group)
    add_new_names(
        group.add_numbered(
            "set",
            _set,
            "Set whether the law asks that new names of an update are refused at once.",
            "binding set 1 --new-names-at-once yes",
        ),
        required=True,
    )
    group.add_numbered(
        "accept", _BINDINGS.act("accept"), "Accept an agreement, as the bound authority.", "binding accept 1"
    )
    _add_finish(group, "withdraw", "Withdraw from an agreement, as the bound authority.")
    _add_finish(group, "end", "Record that the law or the agreement itself has ended.")


def _add_add(group: Group) -> None:
    parser = group.add_verb(
        "add",
        _add,
        "Bind an authority to a ban: record a law, or propose an agreement. An agreement takes effect when accepted.",
        'binding add ghent brussels-region/tiktok --ground agreement --instrument "2026/7" --date 2026-03-16 '
        "--until 2026-09-30",
    )
    parser.add_slug("authority", "authority to bind")
    parser.add_ban("ban to apply")
    parser.add_argument("--ground", choices=words_of(Ground), required=True, metavar="GROUND", help="law or agreement")
    parser.add_argument("--instrument", required=True, metavar="TEXT", help="reference of the law or the agreement")
    parser.add_argument("--date", required=True, metavar="DATE", help="date of the instrument")
    add_new_names(parser)
    parser.add_term()


def add_new_names(parser: Parser, *, required: bool = False) -> None:
    """Add the option by which a law asks for new names at once."""
    what = "refuse new names of an update there at once, not only after 72 hours; by law only"
    parser.add_argument("--new-names-at-once", choices=("yes", "no"), required=required, metavar="YES/NO", help=what)


def new_names(options: Options) -> Body:
    """Return the option's field of a body, if it is given."""
    said = options.new_names_at_once
    return {} if said is None else {"new_names_at_once": said == "yes"}


def _add_finish(group: Group, name: str, summary: str) -> None:
    example = f'binding {name} 1 --at 2026-10-01 --reason "council of 24 September"'
    run = _BINDINGS.act(name, "at", "reason", "reference")
    parser = group.add_numbered(name, run, summary, example)
    parser.add_at()
    parser.add_reason()
    parser.add_argument("--reference", metavar="TEXT", help="reference of the decision behind it, if there is one")


def _list(client: Client, options: Options) -> Result:
    page = client.list(BindingRead, path("bindings"), options.limit, given(options, "authority", "ban"))
    return listed(page, lambda: _table(page.items, Names(client)), "bindings")


def _add(client: Client, options: Options) -> Result:
    body = {**given(options, "ban", "authority", "ground", "instrument", "date"), **term_body(options)}
    return _BINDINGS.make(client, {**body, **new_names(options)})


def _set(client: Client, options: Options) -> Result:
    found = client.send(BindingRead, "PATCH", path("bindings", options.number), new_names(options))
    return _BINDINGS.shown(client, found)


def _lines(found: BindingRead, names: Names, accounts: Accounts) -> Iterator[str]:
    zone = names.time_zone(found.authority)
    rows = [
        ("binding", str(found.number)),
        ("ban", f"{found.ban}: {names.words(found.ban)}"),
        ("applies in", names.labelled(found.authority)),
        ("ground", found.ground),
        ("instrument", f"{found.instrument} ({found.date})" if found.date else found.instrument),
        ("term", period_words(found.start, found.end, zone)),
        ("state", found.state.replace("_", " ")),
        *([NEW_NAMES] if found.new_names_at_once else []),
    ]
    verb = "proposed" if found.ground is Ground.AGREEMENT else "recorded"
    rows.append((verb, _act(found.recorded, found.recorded_by, zone, accounts)))
    if found.accepted is not None:
        rows.append(("accepted", _act(found.accepted, found.accepted_by, zone, accounts)))
    if found.ended is not None:
        reference = f" ({found.ended_reference})" if found.ended_reference else ""
        rows.append(("ended", f"{end_words(found.ended, zone)}: {found.ended_reason}{reference}"))
    yield from columns(rows)


def _act(at: str, account: int | None, zone: str | None, accounts: Accounts) -> str:
    words = at_words(at, zone)
    return words if account is None else f"{words} by {accounts.words(account)}"


_BINDINGS = Numbered(BindingRead, "bindings", _lines)


def _table(items: list[BindingRead], names: Names) -> Iterator[str]:
    parts = [item.ban.partition("/") for item in items]
    names.prepare({part[0] for part in parts} | {item.authority for item in items}, {part[2] for part in parts})
    rows = [
        (
            str(item.number),
            *names.both(item.ban),
            item.authority,
            names.authority(item.authority),
            item.ground,
            item.state.replace("_", " "),
            _reach(item, names.time_zone(item.authority)),
        )
        for item in items
    ]
    header = ("no.", "ban of", "name", "service", "name", "applies in", "name", "ground", "state", "term")
    yield from table(header, rows, ("name", "ground"))


def standing_words(item: BindingRead, zone: str | None) -> str:
    """Return ground, state and end of a binding: "agreement, in force, through 30 September 2026"."""
    return f"{item.ground}, {item.state.replace('_', ' ')}, {_reach(item, zone)}"


def _reach(item: BindingRead, zone: str | None) -> str:
    end = effective_end(item)
    return "no end" if end is None else end_words(end, zone)
