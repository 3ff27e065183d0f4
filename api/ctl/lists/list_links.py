"""dnsfilterctl list-link: how a prohibited list reaches another authority."""

from collections.abc import Iterator

from api.ctl.arguments import words_of
from api.ctl.ban_references import LIST_METAVAR, list_reference
from api.ctl.command import PROGRAM, Group, Options, Result, given, term_body
from api.ctl.display.account_names import Accounts
from api.ctl.display.listing import listed
from api.ctl.display.local_times import end_words, period_words
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.lists.prohibited_lists import adoption, renewal
from api.ctl.numbered import Numbered
from api.ctl.policy.bans import add_ban_fields
from api.ctl.policy.bindings import NEW_NAMES, add_new_names, new_names
from api.ctl.remote.client import Client, path
from api.lists.schemas import LinkRead, LinkState
from dnsfilter.policy.prohibited_lists import LinkGround


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("list-link")
    lister = group.add_verb(
        "list", _list, "List links of prohibited lists.", "list-link list --authority mechelen --waiting"
    )
    lister.add_slug("--authority", "only links to this authority")
    lister.add_argument("--list", type=list_reference, metavar=LIST_METAVAR, help="only links of this list")
    lister.add_argument("--waiting", action="store_true", help="only links with services to accept or adopt")
    lister.add_limit()
    summary = "Show a link, with the services that are bound and those that wait."
    group.add_numbered("show", _LINKS.show, summary, "list-link show 1")
    _add_making(group)
    add_new_names(
        group.add_numbered(
            "set",
            _set,
            "Set for a link by law and its bindings whether new names of an update are refused at once.",
            "list-link set 1 --new-names-at-once yes",
        ),
        required=True,
    )
    group.add_numbered(
        "accept",
        _LINKS.act("accept"),
        "Accept all that the agreement proposes, as the bound authority.",
        "list-link accept 1",
    )
    _add_following(group)
    _add_ending(group)


def _add_making(group: Group) -> None:
    adding = group.add_verb(
        "add",
        _add,
        "Link a list to an authority: record a law, propose an agreement, or follow.",
        'list-link add mechelen federal/prohibited-apps --ground law --instrument "act of 2 July" --date 2026-07-02',
        "list-link add ghent federal/prohibited-apps --ground following",
    )
    adding.add_slug("authority", "authority to link")
    adding.add_list("the list of another authority")
    grounds = words_of(LinkGround)
    adding.add_argument("--ground", choices=grounds, required=True, metavar="GROUND", help=", ".join(grounds))
    adding.add_argument("--instrument", metavar="TEXT", help="reference of the law or the agreement")
    adding.add_argument("--date", metavar="DATE", help="date of the instrument")
    add_new_names(adding)
    adding.add_term()


def _add_following(group: Group) -> None:
    adopting = group.add_numbered(
        "adopt",
        _adopt,
        "Adopt a ban on each service that waits, as an approver of the following authority, by its own decision. "
        "Without a term, each ban takes over the terms of the one that it follows.",
        'list-link adopt 1 --legal-basis "decree" --reference 2026/40',
    )
    add_ban_fields(adopting)
    adopting.add_term(review=True)
    adopting.add_decision("decision to adopt them", of_ban=False)
    renewing = group.add_numbered(
        "renew",
        _renew,
        "Renew the bans that the following authority adopted from the list, by its own decision. Without a term, each "
        "ban takes over the terms of the one that it follows.",
        "list-link renew 1 --reference 2026/41",
    )
    renewing.add_term(review=True, start="the end of the terms in force")
    renewing.add_decision("decision to renew", of_ban=False)


def _add_ending(group: Group) -> None:
    for name, text in (
        ("withdraw", "Withdraw from an agreement and its bindings, or stop following. Adopted bans stay."),
        ("end", "Record that the law or the agreement itself has ended, and its bindings with it."),
    ):
        run = _LINKS.act(name, "at", "reason", "reference")
        parser = group.add_numbered(name, run, text, f'list-link {name} 1 --reason "council of 24 September"')
        parser.add_at()
        parser.add_reason()
        parser.add_argument("--reference", metavar="TEXT", help="reference of the decision behind it, if there is one")


def _list(client: Client, options: Options) -> Result:
    query = given(options, "authority", "list") | ({"waiting": "true"} if options.waiting else {})
    page = client.list(LinkRead, path("list-links"), options.limit, query)
    return listed(page, lambda: _table(page.items, Names(client)), "links")


def _add(client: Client, options: Options) -> Result:
    body = {**given(options, "list", "authority", "ground", "instrument", "date"), **term_body(options)}
    return _LINKS.make(client, {**body, **new_names(options)})


def _set(client: Client, options: Options) -> Result:
    found = client.send(LinkRead, "PATCH", path("list-links", options.number), new_names(options))
    return _LINKS.shown(client, found)


def _adopt(client: Client, options: Options) -> Result:
    found = client.send(LinkRead, "POST", path("list-links", options.number, "adopt"), adoption(options))
    return _LINKS.shown(client, found)


def _renew(client: Client, options: Options) -> Result:
    found = client.send(LinkRead, "POST", path("list-links", options.number, "renew"), renewal(options))
    return _LINKS.shown(client, found)


def _lines(found: LinkRead, names: Names, _accounts: Accounts) -> Iterator[str]:
    zone = names.time_zone(found.authority)
    instrument = f"{found.instrument} ({found.date})" if found.date else found.instrument
    rows = [
        ("link", str(found.number)),
        ("list", found.list),
        ("reaches", names.labelled(found.authority)),
        ("ground", found.ground),
        *([("instrument", instrument)] if instrument else []),
        ("term", period_words(found.start, found.end, zone)),
        ("state", found.state.replace("_", " ")),
        *([NEW_NAMES] if found.new_names_at_once else []),
    ]
    if found.bound:
        rows.append(("bound", ", ".join(found.bound)))
    if found.waiting:
        rows.append(("waiting", ", ".join(found.waiting)))
    if found.ended is not None:
        reference = f" ({found.ended_reference})" if found.ended_reference else ""
        rows.append(("ended", f"{end_words(found.ended, zone)}: {found.ended_reason}{reference}"))
    yield from columns([*rows, *_next(found)])


def _next(found: LinkRead) -> Iterator[tuple[str, str]]:
    """Yield the commands that act on what waits, and that end the link."""
    if found.state is LinkState.ENDED:
        return
    command = f"{PROGRAM} list-link"
    if found.waiting and found.ground is LinkGround.AGREEMENT:
        yield "to accept", f"{command} accept {found.number}"
    if found.waiting and found.ground is LinkGround.FOLLOWING:
        yield "to adopt", f"{command} adopt {found.number} --legal-basis BASIS --reference REFERENCE"
    verb = "end" if found.ground is LinkGround.LAW else "withdraw"
    yield "to undo", f"{command} {verb} {found.number} --reason TEXT"


_LINKS = Numbered(LinkRead, "list-links", _lines)


def _table(items: list[LinkRead], names: Names) -> Iterator[str]:
    names.prepare({item.authority for item in items})
    rows = [
        (
            str(item.number),
            item.list,
            item.authority,
            names.authority(item.authority),
            item.ground,
            item.state.replace("_", " "),
            str(len(item.bound)),
            str(len(item.waiting)),
        )
        for item in items
    ]
    header = ("no.", "list", "reaches", "name", "ground", "state", "bound", "waiting")
    yield from table(header, rows, ("name", "ground"))
