"""dnsfilterctl ban: bans of authorities on services."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

from api.bans.schemas import BanRead, BanWarningRead, FormalRead, State
from api.bindings.schemas import BindingRead
from api.ctl.ban_references import METAVAR, add_ban, reference
from api.ctl.command import (
    AUDIENCE,
    FUNDING,
    KEPT,
    PROGRAM,
    Body,
    Group,
    Options,
    Parser,
    Result,
    add_at,
    add_decision,
    add_group,
    add_limit,
    add_reason,
    add_state,
    add_term,
    add_verb,
    add_wait,
    add_why,
    decision_body,
    given,
    slug,
    term_body,
    tiers,
    with_decision,
    words_of,
)
from api.ctl.display.account_names import Accounts
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words, reach_words, term_words
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import WrongInput
from api.ctl.explain.reports import add_report
from api.ctl.policy.bindings import standing_words
from api.ctl.policy.off_bans import off_end, off_table, off_term
from api.ctl.policy.suspensions import banner_lines, find_current
from api.ctl.remote.client import Client, Query, path, where_of
from dnsfilter.policy.calendar import parse_instant
from dnsfilter.policy.model import Mode, Reply
from dnsfilter.shell_completion import Words

Table: TypeAlias = Callable[[list[BanRead], Names, Accounts], Iterator[str]]
MAX_RELATED = 1_000
"""Maximum number of bindings, and of followers, shown with a ban."""
_FIELDS = ("mode", "reply", "tiers", "funding", "audience")


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = add_group(groups, "ban")
    lister = add_verb(
        group, "list", _list, "List bans.", "ban list --authority ghent --state in_force", "ban list --state off"
    )
    lister.add_argument("--authority", type=slug, metavar="AUTHORITY", help="only bans of this authority")
    lister.add_argument("--service", type=slug, metavar="SERVICE", help="only bans on this service")
    lister.add_argument("--follows", type=reference, metavar=METAVAR, help="only bans that follow this ban")
    add_state(lister, State)
    add_limit(lister)
    summary = "Show a ban with its decision, terms, bindings and followers."
    add_ban(add_verb(group, "show", _show, summary, "ban show ghent tiktok"))
    _add_adopt(group)
    _add_set(group)
    renew = add_verb(
        group,
        "renew",
        _renew,
        "Renew a ban: add a term, with the decision to renew.",
        'ban renew ghent tiktok --start 2026-10-01 --for "6 months" --reference 2026/311',
        "ban renew mechelen tiktok --following federal/tiktok --reference 2026/40",
    )
    add_ban(renew)
    renew.add_argument(
        "--following",
        type=reference,
        metavar=METAVAR,
        help="copy the remaining terms and the scope of this ban; later changes to it have no effect",
    )
    add_why(renew)
    add_term(renew, review=True, start="the end of the terms in force")
    add_decision(renew, "decision to renew")
    end = add_verb(group, "end", _end, "End a ban early.", 'ban end ghent tiktok --reason "decision annulled"')
    add_ban(end)
    add_at(end)
    add_reason(end)
    add_decision(end, "decision to end it")
    add_report(group)
    remove = add_verb(group, "remove", _remove, "Remove a ban that has not begun.", "ban remove ghent tiktok")
    add_ban(remove)
    add_why(remove)


def _add_adopt(group: Group) -> None:
    parser = add_verb(
        group,
        "adopt",
        _adopt,
        "Adopt a ban: with a decision and a term, by following another ban, or provisionally.",
        'ban adopt ghent tiktok --legal-basis "decree" --reference 2026/118 --for "6 months"',
        'ban adopt mechelen tiktok --following federal/tiktok --legal-basis "decree" --reference 2026/9',
        "ban adopt diest tiktok --provisional",
    )
    add_ban(parser)
    parser.add_argument(
        "--following",
        type=reference,
        metavar=METAVAR,
        help="copy terms, scope and mode of this ban, by a decision of your own; later changes to it have no effect",
    )
    parser.add_argument("--provisional", action="store_true", help="adopt without a decision, for 72 hours")
    _add_fields(parser)
    add_term(parser, review=True)
    add_decision(parser)


def _add_set(group: Group) -> None:
    parser = add_verb(
        group,
        "set",
        _set,
        "Switch or change a ban, or adopt one. Adopting needs a decision and a term, or --provisional.",
        'ban set ghent tiktok --mode off --for "8 hours" --reason "election night"',
        'ban set ghent tiktok --legal-basis "decree" --reference 2026/118 --for "6 months"',
        "ban set ghent tiktok --mode enforce --wait",
        "ban set ghent tiktok --provisional",
    )
    add_ban(parser)
    _add_fields(parser)
    standing = parser.add_mutually_exclusive_group()
    standing.add_argument("--provisional", action="store_true", help="adopt without a decision, for 72 hours")
    standing.add_argument("--confirm", action="store_true", help="turn a provisional ban into an ordinary one")
    add_wait(parser, "the change")
    term = add_term(parser, review=True)
    term.description = f"{term.description} With only --mode off, --until and --for set how long the ban is off."
    add_decision(parser)


def _add_fields(parser: Parser) -> None:
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
    table_of = off_table if options.state == "off" else _table
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
    yield from _lines(ban, names, rows)


def _standing(item: BindingRead, names: Names) -> str:
    return standing_words(item, names.time_zone(item.authority))


def _adopt(client: Client, options: Options) -> Result:
    body = _change(options)
    if options.following is not None:
        body["decision"] = _following(options)
    if not body.keys() & {"decision", "terms", "provisional"}:
        raise WrongInput(
            "a ban needs a decision and a term, --following, or --provisional. Type: dnsfilterctl ban adopt --help"
        )
    return _shown(client, client.send(BanRead, "PUT", _where(options), body, query=_why(options)))


def _set(client: Client, options: Options) -> Result:
    off = off_term(options)
    body = {**_fields(options), **off} if off else _change(options)
    if not body:
        raise WrongInput("nothing to set. Give for example --mode. Type: dnsfilterctl ban set --help")
    # Only these fields may create a ban. Another change of an unknown ban is an error in its name.
    method = "PUT" if body.keys() & {"decision", "terms", "provisional"} else "PATCH"
    ban = client.send(BanRead, method, _where(options), body, query=_why(options))
    lapsed = f"The ban has lapsed and refuses nothing in any mode. Type `{PROGRAM} ban renew` to add a term."
    result = _shown(client, ban)
    if ban.state == "lapsed":
        result = replace(result, notes=(*result.notes, lapsed))
    if not options.wait:
        return result
    # Imported here, because most toggles do not wait.
    from api.ctl.network import reached_nodes

    found = reached_nodes.nodes_of(client, ban.revision, wait=True)
    notes = (*result.notes, *reached_nodes.notes(client, found))
    return replace(result, code=reached_nodes.exit_code(found), notes=notes)


def _fields(options: Options) -> Body:
    """Return the fields of a ban that the options give, except its decision and term."""
    sets_mode = options.mode is not None and options.reason is not None
    reason = {"mode_reason": options.reason} if sets_mode else {}
    return {**given(options, *_FIELDS, "addresses"), **reason}


def _why(options: Options) -> Query:
    """Return the reason of a change that sets no mode."""
    return {"reason": options.reason} if options.mode is None else {}


def _change(options: Options) -> Body:
    body = with_decision(options, _fields(options))
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
    return Result(ended, lambda: _lines(ended, Names(client), _removed(client, before, ended)))


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


def warning_notes(warnings: Iterable[BanWarningRead] | None) -> tuple[str, ...]:
    """Return a line for each warning."""
    return tuple(f"warning: {one.message}" for one in warnings or ())


def _notes(ban: BanRead) -> tuple[str, ...]:
    return *ban.notes, *warning_notes(ban.warnings)


def _shown(client: Client, ban: BanRead) -> Result:
    return Result(ban, lambda: _lines(ban, Names(client)), notes=_notes(ban))


def _lines(ban: BanRead, names: Names, more: Iterable[tuple[str, str]] = ()) -> Iterator[str]:
    zone = names.time_zone(ban.authority)
    rows = [
        ("authority", names.labelled(ban.authority)),
        ("service", f"{ban.service}  {names.service(ban.service)}"),
        ("mode", _mode(ban, zone)),
        ("state", _state(ban)),
        ("reply", " ".join([ban.reply, *ban.addresses])),
        ("tiers", ",".join(map(str, ban.tiers))),
        ("funding", ", ".join(ban.funding)),
        ("audience", ", ".join(ban.audience)),
        ("number", f"{ban.number}, revision {ban.revision}"),
        *decision_rows(ban.decision),
    ]
    for term in ban.terms:
        rows.append(("term", term_words(term, zone)))
        rows += decision_rows(term.decision, "  ")
        if term.ended_decision is not None:
            rows += decision_rows(term.ended_decision, "  ended: ")
    yield from columns([*rows, *more])


def decision_rows(decision: FormalRead, prefix: str = "") -> list[tuple[str, str]]:
    """Return the rows of a formal decision, one for each known field."""
    fields = [
        ("organ", decision.organ),
        ("reference", decision.reference),
        ("decided", decision.date),
        ("legal basis", decision.legal_basis),
        ("advice", decision.advice),
        ("link", decision.link),
        ("follows", decision.follows or ""),
    ]
    return [(prefix + name, value) for name, value in fields if value]


def _mode(ban: BanRead, zone: str | None) -> str:
    words = ban.mode if ban.mode_set is None else f"{ban.mode}, set {at_words(ban.mode_set, zone)}"
    if ban.off_until is not None:
        words += f", until {off_end(ban, zone)}"
    return f"{words}: {ban.mode_reason}" if ban.mode_reason else words


def _state(ban: BanRead) -> str:
    words = [ban.state.replace("_", " ")]
    if ban.ending is not None:
        left, is_review = ban.ending.days_left, ban.ending.what == "review"
        if not left:
            words.append("review overdue")
        elif left == 1:  # A day that has begun is a day: perhaps only minutes are left.
            words.append("review within a day" if is_review else "within a day")
        else:
            words.append(f"review in {left} days" if is_review else f"{left} days left")
    return ", ".join([*words, "provisional"] if ban.provisional else words)


def _list_order(ban: BanRead) -> tuple[int, int]:
    """Return the sort key of a list: suspended bans first, then those that end, the earliest first."""
    if ban.state == "suspended":
        return 0, 0
    return (1, parse_instant(ban.ending.at)) if ban.ending is not None else (2, 0)


def _listed(client: Client, items: list[BanRead], authority: str | None, table_of: Table) -> Iterator[str]:
    names = Names(client)
    yield from banner_lines(find_current(client, authority), names)
    yield from table_of(items, names, Accounts(client))


def _table(items: list[BanRead], names: Names, _accounts: Accounts) -> Iterator[str]:
    names.prepare({item.authority for item in items}, {item.service for item in items})
    rows = [
        (
            item.authority,
            names.authority(item.authority),
            item.service,
            names.service(item.service),
            item.mode,
            item.reply,
            _state(item),
            reach_words(item.terms, names.time_zone(item.authority)),
        )
        for item in sorted(items, key=_list_order)
    ]
    yield from table(
        ("authority", "name", "service", "name", "mode", "reply", "state", "term"), rows, ("name", "reply")
    )
