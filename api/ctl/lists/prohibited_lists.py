"""dnsfilterctl prohibited-list: formal decisions that ban many services at once."""

from collections.abc import Iterable, Iterator

from api.ctl.command import (
    KEPT,
    PROGRAM,
    Body,
    Group,
    Options,
    Result,
    add_end,
    given,
    term_body,
    with_decision,
)
from api.ctl.display.listing import listed
from api.ctl.display.local_times import end_words, period_words
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import WrongInput
from api.ctl.explain.reports import add_list_report
from api.ctl.policy.ban_lines import decision_rows
from api.ctl.policy.bans import add_ban_fields, ban_fields
from api.ctl.remote.client import Client, path
from api.lists.schemas import DecidedVersionRead, ListedServiceRead, ListRead, ListSummary
from dnsfilter.policy.model import Mode

_VERBS = {Mode.ENFORCE: "on", Mode.OFF: "off", Mode.MONITOR: "watch"}


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("prohibited-list")
    lister = group.add_verb("list", _list, "List prohibited lists.", "prohibited-list list --authority ghent")
    lister.add_slug("--authority", "only lists of this authority")
    lister.add_limit()
    summary = "Show a list with its versions, and the ban on each service."
    group.add_verb("show", _show, summary, "prohibited-list show ghent prohibited-apps").add_list()
    _add_create(group)
    _add_adopt(group)
    _add_changes(group)
    _add_switches(group)
    add_list_report(group)
    renew = group.add_verb(
        "renew",
        _renew,
        "Renew the bans of a list: add a term to each, with the decision to renew.",
        'prohibited-list renew ghent prohibited-apps --for "6 months" --reference 2026/311',
    )
    renew.add_list()
    renew.add_term(review=True, start="the end of the terms in force")
    renew.add_decision("decision to renew", of_ban=False)
    end = group.add_verb(
        "end",
        _end,
        "End the bans of a list early. A ban that has not begun is removed.",
        'prohibited-list end ghent prohibited-apps --reason "decision annulled"',
    )
    end.add_list()
    end.add_at()
    end.add_reason()
    end.add_decision("decision to end it", of_ban=False)
    remove = group.add_verb(
        "remove", _remove, "Remove a list that was never adopted.", "prohibited-list remove ghent prohibited-apps"
    )
    remove.add_list()


def _add_create(group: Group) -> None:
    parser = group.add_verb(
        "create",
        _create,
        "Prepare a list, or change one that is not adopted. It has no effect before `adopt`.",
        'prohibited-list create ghent prohibited-apps tiktok deepseek weibo --title "Prohibited apps"',
        "prohibited-list create ghent prohibited-ai --category ai",
    )
    parser.add_list()
    parser.add_argument("services", nargs="*", metavar="SERVICE", help="services of the list")
    parser.add_argument(
        "--category", metavar="CATEGORY", help="take the services of this category; later ones are proposed"
    )
    parser.add_argument("--title", metavar="TEXT", help="title of the list")


def _add_adopt(group: Group) -> None:
    parser = group.add_verb(
        "adopt",
        _adopt,
        "Adopt a list: a ban on each of its services, by one decision with a term. "
        "A service that the authority bans already keeps its ban.",
        'prohibited-list adopt ghent prohibited-apps --legal-basis "decree" --reference 2026/118 --for "6 months"',
    )
    parser.add_list()
    add_ban_fields(parser)
    parser.add_term(review=True)
    parser.add_decision(of_ban=False)


def _add_changes(group: Group) -> None:
    adding = group.add_verb(
        "add",
        _add,
        "Add services to an adopted list, by a further decision with a term.",
        'prohibited-list add ghent prohibited-apps temu shein --legal-basis "decree" --reference 2026/201 '
        '--for "6 months"',
    )
    adding.add_list()
    adding.add_argument("services", nargs="+", metavar="SERVICE", help="services to add")
    add_ban_fields(adding)
    adding.add_term(review=True)
    adding.add_decision("decision to add them", of_ban=False)
    taking = group.add_verb(
        "remove-service",
        _remove_service,
        "Take services off an adopted list. The bans that the list adopted on them end now.",
        'prohibited-list remove-service ghent prohibited-apps weibo --reason "decision annulled"',
    )
    taking.add_list()
    taking.add_argument("services", nargs="+", metavar="SERVICE", help="services to take off")
    taking.add_reason()
    taking.add_decision("decision to take them off", of_ban=False)

    declining = group.add_verb(
        "decline",
        _decline,
        "Decline services that are proposed because the category of a list got them. They can still be added.",
        "prohibited-list decline ghent prohibited-ai newbot",
    )
    declining.add_list()
    declining.add_argument("services", nargs="+", metavar="SERVICE", help="services to decline")


def _add_switches(group: Group) -> None:
    for mode, summary, *examples in (
        (
            Mode.ENFORCE,
            "Switch the bans of a list on: refuse its services.",
            "prohibited-list on ghent prohibited-apps",
        ),
        (
            Mode.OFF,
            "Switch the bans of a list off: answer and do not count. With an end, their present modes return then.",
            'prohibited-list off ghent prohibited-apps --for 8h --reason "election night"',
        ),
        (Mode.MONITOR, "Answer and count instead of refusing.", "prohibited-list watch ghent prohibited-apps"),
    ):
        parser = group.add_verb(_VERBS[Mode(mode)], _switch, summary, *examples)
        parser.set_defaults(mode=mode)
        parser.add_list()
        if mode is Mode.OFF:
            add_end(parser)
        parser.add_argument("--reason", metavar="TEXT", help=f"why, {KEPT}")


def _list(client: Client, options: Options) -> Result:
    page = client.list(ListSummary, path("lists"), options.limit, given(options, "authority"))
    return listed(page, lambda: _table(page.items, Names(client)), "prohibited lists")


def _table(items: list[ListSummary], names: Names) -> Iterator[str]:
    names.prepare({item.authority for item in items})
    rows = [
        (
            item.authority,
            names.authority(item.authority),
            item.slug,
            item.title,
            item.state,
            str(item.service_count),
            str(item.version_count),
        )
        for item in items
    ]
    yield from table(("authority", "name", "list", "title", "state", "services", "versions"), rows, ("name", "title"))


def _show(client: Client, options: Options) -> Result:
    return _shown(client, client.get(ListRead, _where(options)))


def _create(client: Client, options: Options) -> Result:
    body = given(options, "title", "category")
    if options.services:
        body["services"] = options.services
    found = client.send(ListRead, "PUT", _where(options), body)
    undo = "" if found.versions else _command("remove", found)
    return _shown(client, found, undo)


def _adopt(client: Client, options: Options) -> Result:
    found = client.send(ListRead, "POST", _where(options, "adopt"), adoption(options))
    return _shown(client, found, _command("end", found, "--reason TEXT"))


def _add(client: Client, options: Options) -> Result:
    body = {**adoption(options), "add": options.services}
    found = client.send(ListRead, "POST", _where(options, "versions"), body)
    return _shown(client, found, _command("remove-service", found, *options.services, "--reason TEXT"))


def _remove_service(client: Client, options: Options) -> Result:
    body = with_decision(options, {"remove": options.services, "reason": options.reason})
    found = client.send(ListRead, "POST", _where(options, "versions"), body)
    undo = _command("add", found, *options.services, "--legal-basis BASIS --reference REFERENCE --for SPAN")
    return _shown(client, found, undo)


def _decline(client: Client, options: Options) -> Result:
    before = client.get(ListRead, _where(options))
    body = {"declined": [*before.declined, *options.services]}
    return _shown(client, client.send(ListRead, "PUT", _where(options), body))


def _switch(client: Client, options: Options) -> Result:
    before = client.get(ListRead, _where(options))
    body: Body = {"mode": options.mode, **term_body(options)}
    if options.reason is not None:
        body["mode_reason"] = options.reason
    found = client.send(ListRead, "PATCH", _where(options), body)
    return Result(found, lambda: _lines(found, Names(client), _undo_modes(before, found)))


def _undo_modes(before: ListRead, after: ListRead) -> Iterator[tuple[str, str]]:
    """Yield the commands that set the modes again: one for the list, or one for each ban if they differed."""
    was = {item.service: item.mode for item in before.services if item.from_list}
    changed = [item for item in after.services if item.from_list and was.get(item.service) not in (None, item.mode)]
    modes = {was[item.service] for item in changed}
    label = "to undo"
    for mode in sorted(modes, key=str):
        reason = ["--reason TEXT"] if mode is Mode.OFF else []
        if mode is None:
            continue
        if len(modes) == 1 and len(changed) == len(was):
            yield label, _command(_VERBS[mode], after, *reason)
            continue
        for item in changed:
            if was[item.service] is mode:
                yield label, " ".join([PROGRAM, "ban", _VERBS[mode], after.authority, item.service, *reason])
                label = ""


def _renew(client: Client, options: Options) -> Result:
    found = client.send(ListRead, "POST", _where(options, "terms"), renewal(options))
    return _shown(client, found, _command("end", found, "--at WHEN --reason TEXT"))


def _end(client: Client, options: Options) -> Result:
    body = with_decision(options, given(options, "at", "reason"))
    found = client.send(ListRead, "POST", _where(options, "end"), body)
    return _shown(client, found, _command("renew", found, "--for SPAN --reference REFERENCE"))


def _remove(client: Client, options: Options) -> Result:
    client.delete(_where(options))
    return Result({"removed": options.list}, lambda: [f"removed prohibited list {options.list}"])


def adoption(options: Options) -> Body:
    """Return the decision, the term and the scope that the options give."""
    body = with_decision(options, ban_fields(options))
    term = term_body(options)
    if term:
        body["terms"] = [term]
    return body


def renewal(options: Options) -> Body:
    """Return the term and the decision to renew that the options give. Raise WrongInput without a reference."""
    if not options.reference:
        raise WrongInput("a renewal needs a decision of its own. Give its --reference.")
    return with_decision(options, term_body(options))


def _where(options: Options, *parts: str) -> str:
    authority, _, slug = options.list.partition("/")
    return path("authorities", authority, "lists", slug, *parts)


def _command(verb: str, found: ListSummary, *more: str) -> str:
    return " ".join([PROGRAM, "prohibited-list", verb, found.authority, found.slug, *more])


def _shown(client: Client, found: ListRead, undo: str = "") -> Result:
    rows = [("to undo", undo)] if undo else []
    return Result(found, lambda: _lines(found, Names(client), rows), notes=_notes(found))


def _notes(found: ListRead) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    if found.kept:
        notes += (f"{found.authority} already bans {', '.join(found.kept)}: these bans stay as they are.",)
    if found.proposed:
        notes += (
            f"not on the list, but in its category: {', '.join(found.proposed)}. Add them by a decision, or type: "
            f"{_command('decline', found, *found.proposed)}",
        )
    return notes


def _lines(found: ListRead, names: Names, more: Iterable[tuple[str, str]]) -> Iterator[str]:
    names.prepare({found.authority}, {item.service for item in found.services})
    zone = names.time_zone(found.authority)
    rows = [
        ("list", f"{found.authority}/{found.slug}"),
        ("authority", names.labelled(found.authority)),
        ("title", found.title or "none"),
        *([("category", found.category)] if found.category else []),
        ("state", found.state),
        *([("declined", ", ".join(found.declined))] if found.declined else []),
    ]
    for version in found.versions:
        rows += _version(version, zone)
    yield from columns([*rows, *more])
    services = [
        (
            item.service,
            names.service(item.service),
            "" if item.version is None else str(item.version),
            item.mode or "",
            _standing(item, zone),
            "" if item.from_list or item.mode is None else "own ban",
        )
        for item in found.services
    ]
    yield from table(("service", "name", "version", "mode", "state", ""), services, ("name",))


def _version(version: DecidedVersionRead, zone: str | None) -> list[tuple[str, str]]:
    rows = []
    if version.adds:
        rows.append((f"version {version.version}", f"adds {', '.join(version.adds)}"))
    if version.removes:
        rows.append((f"version {version.version}", f"takes off {', '.join(version.removes)}"))
    rows += decision_rows(version.decision, "  ")
    return rows + [("  term", period_words(term.start, term.end, zone)) for term in version.terms]


def _standing(item: ListedServiceRead, zone: str | None) -> str:
    if item.state is None:
        return "no ban"
    words = item.state.replace("_", " ")
    return words if item.until is None else f"{words}, {end_words(item.until, zone)}"
