"""dnsfilterctl ban: bans of authorities on services."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

from api.bans.schemas import BanRead, State
from api.bindings.schemas import BindingRead
from api.ctl.arguments import AUDIENCE, FUNDING, tiers, words_of
from api.ctl.ban_references import METAVAR, reference
from api.ctl.command import (
    KEPT,
    PROGRAM,
    Body,
    Group,
    Options,
    Parser,
    Result,
    add_end,
    decision_body,
    given,
    term_body,
    with_decision,
)
from api.ctl.display.account_names import Accounts
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words, term_words
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import WrongInput
from api.ctl.explain.reports import add_reports
from api.ctl.policy.adoption import ask_for_missing
from api.ctl.policy.ban_lines import ban_lines, ban_notes, ban_table, off_table, warning_notes
from api.ctl.policy.bindings import standing_words
from api.ctl.policy.suspensions import banner_lines, find_current
from api.ctl.remote.client import Client, Query, path, where_of
from dnsfilter.policy.model import Mode, Reply
from dnsfilter.shell_completion import Words

Table: TypeAlias = Callable[[list[BanRead], Names, Accounts], Iterator[str]]
MAX_RELATED = 1_000
"""Maximum number of bindings, and of followers, shown with a ban."""
_SWITCHES = {Mode.ENFORCE: "on", Mode.OFF: "off", Mode.MONITOR: "watch"}
"""The commands that set the modes."""
_FIELDS = ("mode", "reply", "tiers", "funding", "audience")


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("ban")
    _add_switches(group)
    lister = group.add_verb(
        "list", _list, "List bans.", "ban list --authority ghent --state in_force", "ban list --state off"
    )
    lister.add_slug("--authority", "only bans of this authority")
    lister.add_service("--service", "only bans on this service")
    lister.add_argument("--follows", type=reference, metavar=METAVAR, help="only bans that follow this ban")
    lister.add_state(State)
    lister.add_limit()
    summary = "Show a ban with its decision, terms, bindings and followers."
    group.add_verb("show", _show, summary, "ban show ghent tiktok").add_ban()
    _add_adopt(group)
    _add_set(group)
    renew = group.add_verb(
        "renew",
        _renew,
        "Renew a ban: add a term, with the decision to renew.",
        'ban renew ghent tiktok --start 2026-10-01 --for "6 months" --reference 2026/311',
        "ban renew mechelen tiktok --following federal/tiktok --reference 2026/40",
    )
    renew.add_ban()
    renew.add_argument(
        "--following",
        type=reference,
        metavar=METAVAR,
        help="copy the remaining terms and the scope of this ban; later changes to it have no effect",
    )
    renew.add_why()
    renew.add_term(review=True, start="the end of the terms in force")
    renew.add_decision("decision to renew")
    end = group.add_verb("end", _end, "End a ban early.", 'ban end ghent tiktok --reason "decision annulled"')
    end.add_ban()
    end.add_at()
    end.add_reason()
    end.add_decision("decision to end it")
    add_reports(group)
    remove = group.add_verb("remove", _remove, "Remove a ban that has not begun.", "ban remove ghent tiktok")
    remove.add_ban()
    remove.add_why()


def _add_switches(group: Group) -> None:
    for name, mode, summary, *examples in (
        ("on", Mode.ENFORCE, "Switch a ban on: refuse the service.", "ban on ghent tiktok"),
        (
            "off",
            Mode.OFF,
            "Switch a ban off: answer and do not count. With an end, the present mode returns then.",
            'ban off ghent tiktok --for 8h --reason "election night"',
            'ban off ghent tiktok --until "tomorrow 08:00" --reason "election night"',
        ),
        ("watch", Mode.MONITOR, "Answer and count instead of refusing.", "ban watch ghent tiktok"),
    ):
        parser = group.add_verb(name, _switch, summary, *examples)
        parser.set_defaults(mode=mode)
        parser.add_ban()
        if mode is Mode.OFF:
            add_end(parser)
        parser.add_argument("--reason", metavar="TEXT", help=f"why, {KEPT}")
        parser.add_wait("the change")


def _add_adopt(group: Group) -> None:
    parser = group.add_verb(
        "adopt",
        _adopt,
        "Adopt a ban: with a decision and a term, by following another ban, or provisionally. "
        "On a terminal it asks for what the options leave out.",
        'ban adopt ghent tiktok --legal-basis "decree" --reference 2026/118 --for "6 months"',
        'ban adopt mechelen tiktok --following federal/tiktok --legal-basis "decree" --reference 2026/9',
        "ban adopt diest tiktok --provisional",
    )
    parser.add_ban()
    parser.add_argument(
        "--following",
        type=reference,
        metavar=METAVAR,
        help="copy terms, scope and mode of this ban, by a decision of your own; later changes to it have no effect",
    )
    parser.add_argument("--provisional", action="store_true", help="adopt without a decision, for 72 hours")
    add_ban_fields(parser)
    parser.add_term(review=True)
    parser.add_decision()


def _add_set(group: Group) -> None:
    parser = group.add_verb(
        "set",
        _set,
        "Switch or change a ban, or adopt one. Adopting needs a decision and a term, or --provisional.",
        'ban set ghent tiktok --mode off --for "8 hours" --reason "election night"',
        'ban set ghent tiktok --legal-basis "decree" --reference 2026/118 --for "6 months"',
        "ban set ghent tiktok --mode enforce --wait",
        "ban set ghent tiktok --provisional",
    )
    parser.add_ban()
    add_ban_fields(parser)
    standing = parser.add_mutually_exclusive_group()
    standing.add_argument("--provisional", action="store_true", help="adopt without a decision, for 72 hours")
    standing.add_argument("--confirm", action="store_true", help="turn a provisional ban into an ordinary one")
    parser.add_wait("the change")
    term = parser.add_term(review=True)
    term.description = f"{term.description} With only --mode off, --until and --for set how long the ban is off."
    parser.add_decision()


def add_ban_fields(parser: Parser) -> None:
    """Add the options of mode, reply and scope."""
    parser.add_argument(
        "--mode", choices=words_of(Mode), metavar="MODE", help="enforce, monitor (answer and count), or off"
    )
    parser.add_argument("--reason", metavar="TEXT", help=f"why the mode is set or less is refused, {KEPT}")
    parser.add_argument(
        "--reply",
        choices=words_of(Reply),
        metavar="REPLY",
        help="refused, nxdomain, nodata or address; after refused, many clients ask their next resolver",
    )
    parser.add_argument(
        "--address", action="append", dest="addresses", metavar="ADDRESS", help="for --reply address; may be repeated"
    )
    parser.add_argument("--tiers", type=tiers, metavar="LIST", help="tiers of the service (default for a new ban: 1,2)")
    parser.add_argument(
        "--funding", type=Words(*FUNDING), metavar="LIST", help="funding of the ranges to cover: " + ",".join(FUNDING)
    )
    parser.add_argument(
        "--audience",
        type=Words(*AUDIENCE),
        metavar="LIST",
        help="audience of the ranges to cover: " + ",".join(AUDIENCE),
    )


def _list(client: Client, options: Options) -> Result:
    query = given(options, "authority", "service", "state", "follows")
    page = client.list(BanRead, path("bans"), options.limit, query)
    table_of = off_table if options.state == "off" else ban_table
    return listed(page, lambda: _listed(client, page.items, options.authority, table_of), "bans")


def _show(client: Client, options: Options) -> Result:
    ban = client.get(BanRead, _where(options))
    return Result(ban, lambda: _complete(client, ban), notes=warning_notes(ban.warnings))


def _complete(client: Client, ban: BanRead) -> Iterator[str]:
    """Yield a ban with its bindings and followers."""
    subject, names = f"{ban.authority}/{ban.service}", Names(client)
    bound = client.list(BindingRead, path("bindings"), MAX_RELATED, {"ban": subject}).items
    followers = client.list(BanRead, path("bans"), MAX_RELATED, {"follows": subject}).items
    names.prepare({item.authority for item in bound} | {item.authority for item in followers})
    rows = [("applies in", f"{names.labelled(item.authority)}: {_standing(item, names)}") for item in bound]
    if ban.mode_set_by is not None:
        rows.append(("mode set by", Accounts(client).words(ban.mode_set_by)))
    rows += [("followed by", names.labelled(item.authority)) for item in followers]
    yield from ban_lines(ban, names, rows)


def _standing(item: BindingRead, names: Names) -> str:
    return standing_words(item, names.time_zone(item.authority))


def _adopt(client: Client, options: Options) -> Result:
    ask_for_missing(options)
    body = _change(options)
    if options.following is not None:
        body["decision"] = _following(options)
    if not body.keys() & {"decision", "terms", "provisional"}:
        raise WrongInput(
            "a ban needs a decision and a term, --following, or --provisional. Type: dnsfilterctl ban adopt --help"
        )
    return _shown(client, client.send(BanRead, "PUT", _where(options), body, query=_why(options)))


def _switch(client: Client, options: Options) -> Result:
    before = client.get(BanRead, _where(options))
    ban = client.send(BanRead, "PATCH", _where(options), {**ban_fields(options), **term_body(options)})
    names = Names(client)
    return _changed(client, ban, options, lambda: ban_lines(ban, names, _undo(before, ban, names)))


def _undo(before: BanRead, ban: BanRead, names: Names) -> Iterator[tuple[str, str]]:
    """Yield the rows with the commands that set the earlier mode, until its end and the mode after it if it had one."""
    if (before.mode, before.off_until) == (ban.mode, ban.off_until):
        return
    subject, label = f"{ban.authority} {ban.service}", "to undo"
    words = [PROGRAM, "ban", _SWITCHES[before.mode], subject]
    if before.off_until is not None:
        words += ["--until", f'"{at_words(before.off_until, names.time_zone(ban.authority))}"']
        if before.returns_to is not None and ban.mode not in (Mode.OFF, before.returns_to):
            # A ban that is switched off returns to the mode that it has then.
            yield label, f"{PROGRAM} ban {_SWITCHES[before.returns_to]} {subject}"
            label = "then"
    if before.mode == Mode.OFF:
        words += ["--reason", "TEXT"]
    yield label, " ".join(words)


def _off_term(options: Options) -> Body:
    """Return how long `ban set` switches a ban off; empty if its options give a term instead. Raise WrongInput."""
    reach = given(options, "until", "for_")
    more = {**decision_body(options), **given(options, "start", "review_by")}
    if options.mode is None or not reach or more or options.provisional or options.confirm:
        return {}
    if options.mode != "off":
        (option,) = reach
        ways = f"Leave out --{option.rstrip('_')}, or add a decision to give the ban a term"
        raise WrongInput(f"--mode {options.mode} does not take an end, only --mode off does. {ways}.")
    return {key.rstrip("_"): value for key, value in reach.items()}


def _set(client: Client, options: Options) -> Result:
    off = _off_term(options)
    body = {**ban_fields(options), **off} if off else _change(options)
    if not body:
        raise WrongInput("nothing to set. Give for example --mode. Type: dnsfilterctl ban set --help")
    # Only these fields may create a ban. Another change of an unknown ban is an error in its name.
    method = "PUT" if body.keys() & {"decision", "terms", "provisional"} else "PATCH"
    ban = client.send(BanRead, method, _where(options), body, query=_why(options))
    return _changed(client, ban, options, lambda: ban_lines(ban, Names(client)))


def _changed(client: Client, ban: BanRead, options: Options, lines: Callable[[], Iterable[str]]) -> Result:
    """Return the result of a change, after the nodes have it if the options want that."""
    result = Result(ban, lines, notes=ban_notes(ban))
    if ban.state == "lapsed":
        lapsed = f"The ban has lapsed and refuses nothing in any mode. Type `{PROGRAM} ban renew` to add a term."
        result = replace(result, notes=(*result.notes, lapsed))
    if not options.wait:
        return result
    # Imported here, because most toggles do not wait.
    from api.ctl.network import reached_nodes

    found = reached_nodes.nodes_of(client, ban.revision, wait=True)
    notes = (*result.notes, *reached_nodes.notes(client, found))
    return replace(result, code=reached_nodes.exit_code(found), notes=notes)


def ban_fields(options: Options) -> Body:
    """Return the fields of a ban that the options give, except its decision and term."""
    sets_mode = options.mode is not None and options.reason is not None
    reason = {"mode_reason": options.reason} if sets_mode else {}
    return {**given(options, *_FIELDS, "addresses"), **reason}


def _why(options: Options) -> Query:
    """Return the reason of a change that sets no mode."""
    return {"reason": options.reason} if options.mode is None else {}


def _change(options: Options) -> Body:
    body = with_decision(options, ban_fields(options))
    term = term_body(options)
    if term:
        body["terms"] = [term]
    if options.provisional or vars(options).get("confirm"):
        body["provisional"] = options.provisional
    return body


def _following(options: Options) -> Body:
    """Return the decision that copies the terms of the ban that --following names."""
    if term_body(options) or options.follows is not None:
        raise WrongInput("--following copies the terms of a ban. Leave out --follows and the options of a term.")
    return {**decision_body(options), "follows": options.following}


def _renew(client: Client, options: Options) -> Result:
    if not options.reference:
        raise WrongInput("a renewal needs a decision of its own. Give its --reference.")
    if options.following is not None:
        body: Body = {"decision": _following(options)}
    else:
        body = with_decision(options, term_body(options))
    return _shown(client, client.send(BanRead, "POST", _where(options, "terms"), body, query=given(options, "reason")))


def _end(client: Client, options: Options) -> Result:
    before = client.get(BanRead, _where(options))
    ended = client.send(BanRead, "POST", _where(options, "end"), with_decision(options, given(options, "at", "reason")))
    return Result(ended, lambda: ban_lines(ended, Names(client), _removed(client, before, ended)))


def _removed(client: Client, before: BanRead, ended: BanRead) -> Iterator[tuple[str, str]]:
    """Yield the planned terms that an early end removed, because they would have begun after it."""
    zone = Names(client).time_zone(ended.authority)
    left = {(term.start, term.end) for term in ended.terms}
    for term in before.terms:
        if (term.start, term.end) not in left:
            yield "removed", f"the term {term_words(term, zone)}"


def _remove(client: Client, options: Options) -> Result:
    client.delete(_where(options), given(options, "reason"))
    return Result({"removed": options.ban}, lambda: [f"removed ban {options.ban}"])


def _where(options: Options, *parts: str) -> str:
    return where_of(options.ban, *parts)


def _shown(client: Client, ban: BanRead) -> Result:
    return Result(ban, lambda: ban_lines(ban, Names(client)), notes=ban_notes(ban))


def _listed(client: Client, items: list[BanRead], authority: str | None, table_of: Table) -> Iterator[str]:
    names = Names(client)
    yield from banner_lines(find_current(client, authority), names)
    yield from table_of(items, names, Accounts(client))
