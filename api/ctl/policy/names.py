"""dnsfilterctl name: names that an authority refuses or allows by itself."""

from collections.abc import Iterator

from api.ctl.arguments import single_name
from api.ctl.command import PROGRAM, Group, Options, Parser, Result, add_end, given, term_body
from api.ctl.display.account_names import Accounts
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words, effective_end, end_words, soon_words
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.policy.suspensions import banner_lines, find_current
from api.ctl.remote.client import Client, path
from api.names.schemas import NameRead
from dnsfilter.policy.single_names import NameVerdict

_BELOW = {True: "exactly", False: "with all names below it"}
_WHEN = "Without any of these, the review is due in six months. All are at most a year ahead."


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("name")
    refuse = group.add_verb(
        "refuse",
        _put,
        "Refuse a name by itself, with all names below it.",
        'name refuse ghent example.com --reason "phishing" --for 7d',
        'name refuse ghent www.example.com --exact --reason "phishing"',
    )
    _add_name(refuse, NameVerdict.REFUSE)
    allow = group.add_verb(
        "allow",
        _put,
        "Free a name, with all names below it, from the bans of an authority. Bans that bind it still apply.",
        'name allow ghent cdn.example.net --reason "the tax portal needs it"',
    )
    _add_name(allow, NameVerdict.ALLOW)
    lister = group.add_verb("list", _list, "List refused and allowed names.", "name list ghent")
    lister.add_slug("authority", "only names of this authority", nargs="?")
    lister.add_argument(
        "--verdict", choices=tuple(map(str, NameVerdict)), metavar="VERDICT", help="only names to refuse, or to allow"
    )
    lister.add_argument("--ended", action="store_true", help="also those that have ended")
    lister.add_limit()
    show = group.add_verb("show", _show, "Show a refused or allowed name.", "name show ghent example.com")
    _add_which(show)
    remove = group.add_verb(
        "remove", _remove, "End now what refuses or allows a name.", "name remove ghent example.com"
    )
    _add_which(remove)
    remove.add_argument("--reason", metavar="TEXT", help="why; kept in the audit log")


def _add_which(parser: Parser) -> None:
    parser.add_slug("authority", "the authority")
    parser.add_argument("name", type=single_name, metavar="NAME", help="a domain name; of a URL, its host")


def _add_name(parser: Parser, verdict: NameVerdict) -> None:
    parser.set_defaults(verdict=verdict)
    _add_which(parser)
    parser.add_argument("--exact", action="store_true", help="only this name, without the names below it")
    parser.add_reason()
    term = parser.add_argument_group("term", f"Times without a time zone are in the authority's time zone. {_WHEN}")
    add_end(term)
    term.add_argument("--review-by", metavar="DATE", help="date of the next review, without an end")


def _put(client: Client, options: Options) -> Result:
    body = {"verdict": str(options.verdict), "exact": options.exact, **given(options, "reason"), **term_body(options)}
    made = client.send(NameRead, "PUT", _where(options), body)
    return _shown(client, made, [("to undo", f"{PROGRAM} name remove {made.authority} {made.name}")])


def _show(client: Client, options: Options) -> Result:
    return _shown(client, client.get(NameRead, _where(options)), [])


def _remove(client: Client, options: Options) -> Result:
    before = client.get(NameRead, _where(options))
    client.delete(_where(options), given(options, "reason"))
    return Result({"removed": before.name, "authority": before.authority}, lambda: _removed(before, Names(client)))


def _removed(before: NameRead, names: Names) -> Iterator[str]:
    does = "refuses" if before.verdict is NameVerdict.REFUSE else "allows"
    yield f"{before.authority} no longer {does} {before.name} by itself"
    words = [PROGRAM, "name", str(before.verdict), before.authority, before.name]
    words += ["--exact"] if before.exact else []
    zone = names.time_zone(before.authority)
    if before.end is not None:
        words += ["--until", f'"{at_words(before.end, zone)}"']
    elif before.review_by is not None:
        words += ["--review-by", f'"{at_words(before.review_by, zone)}"']
    yield " ".join(["to undo:", *words, "--reason TEXT"])


def _list(client: Client, options: Options) -> Result:
    query = given(options, "authority", "verdict")
    if options.ended:
        query["ended"] = "true"
    page = client.list(NameRead, path("names"), options.limit, query)
    return listed(page, lambda: _listed(client, page.items, options.authority), "names")


def _listed(client: Client, items: list[NameRead], authority: str | None) -> Iterator[str]:
    names, accounts = Names(client), Accounts(client)
    yield from banner_lines(find_current(client, authority), names)
    names.prepare({item.authority for item in items})
    accounts.prepare({item.recorded_by for item in items if item.recorded_by is not None})
    rows = [
        (
            item.authority,
            names.authority(item.authority),
            item.name,
            _BELOW[item.exact],
            str(item.verdict),
            item.state.replace("_", " "),
            _ends(item, names.time_zone(item.authority)),
            "" if item.recorded_by is None else accounts.login(item.recorded_by),
            item.reason,
        )
        for item in items
    ]
    headings = ("authority", "name", "single name", "reach", "verdict", "state", "ends", "by", "reason")
    yield from table(headings, rows, ("name", "by", "reach"))


def _shown(client: Client, found: NameRead, more: list[tuple[str, str]]) -> Result:
    return Result(found, lambda: _lines(found, Names(client), Accounts(client), more), notes=tuple(found.notes or ()))


def _lines(found: NameRead, names: Names, accounts: Accounts, more: list[tuple[str, str]]) -> Iterator[str]:
    zone = names.time_zone(found.authority)
    does = "refuses" if found.verdict is NameVerdict.REFUSE else "allows"
    mode = "" if found.mode in (None, "enforce") else f", mode {found.mode}"
    rows = [
        (does, f"{found.name}, {_BELOW[found.exact]}"),
        ("authority", names.labelled(found.authority)),
        ("state", f"{found.state.replace('_', ' ')}{mode}"),
        ("since", at_words(found.start, zone)),
        ("ends", _ends(found, zone)),
        ("reason", found.reason),
    ]
    if found.recorded_by is not None:
        rows.append(("by", accounts.words(found.recorded_by)))
    if found.ended is not None:
        rows.append(("ended", " ".join(filter(None, (at_words(found.ended, zone), found.ended_reason)))))
    rows += [("still refused by", f"{one.ban}, by {one.ground}") for one in found.still_refused_by or ()]
    yield from columns([*rows, *more])


def _ends(found: NameRead, zone: str | None) -> str:
    end = effective_end(found) if found.end is not None or found.ended is not None else None
    if end is not None:
        return end_words(end, zone)
    return "" if found.review_by is None else f"review by {soon_words(found.review_by, None, zone)}"


def _where(options: Options) -> str:
    return path("authorities", options.authority, "names", options.name)
