"""dnsfilterctl exemption: one ban set aside in named ranges."""

from collections.abc import Iterator

from api.ctl.accounts import Accounts
from api.ctl.client import Client, path
from api.ctl.commands import (
    Group,
    Options,
    Parser,
    Result,
    Run,
    add_group,
    add_limit,
    add_reason,
    add_site,
    add_term,
    add_verb,
    given,
    number,
    prefix,
    reference,
    slug,
    term_body,
)
from api.ctl.decisions import Exemption
from api.ctl.listing import listed
from api.ctl.moments import at_words, period_words, usable_zone
from api.ctl.names import Names
from api.ctl.terminal import columns, table

STATES = ("requested", "rejected", "planned", "in_force", "revoked", "lapsed")


def add(groups: Group) -> None:
    """Add the group's commands."""
    group = add_group(groups, "exemption", "bans set aside in named ranges")
    lister = add_verb(group, "list", _list, "list exemptions, requests too", "exemption list --ban ghent/tiktok")
    lister.add_argument("--ban", type=reference, metavar="AUTHORITY/SERVICE", help="those from one ban")
    lister.add_argument("--site", type=slug, metavar="SITE", help="those at one site")
    lister.add_argument("--state", choices=STATES, metavar="STATE", help=", ".join(STATES))
    add_limit(lister)
    _add_number(group, "show", _show, "show an exemption", "exemption show 1")
    _add_ask(group)
    approve = _add_number(group, "approve", _approve, "approve a request", "exemption approve 1")
    approve.add_argument("--note", metavar="TEXT", help="what the approver adds")
    add_reason(
        _add_number(group, "reject", _reject, "reject a request", 'exemption reject 1 --reason "no end in sight"')
    )
    add_reason(_add_number(group, "revoke", _revoke, "revoke an exemption", 'exemption revoke 1 --reason "not used"'))
    summary = "take a request back that nobody has decided about"
    add_reason(_add_number(group, "withdraw", _withdraw, summary, 'exemption withdraw 1 --reason "found another way"'))


def _add_ask(group: Group) -> None:
    parser = add_verb(
        group,
        "ask",
        _ask,
        "ask for an exemption; it has no effect before it is approved",
        'exemption ask ghent/tiktok 192.0.2.0/28 --for "3 months" --hours "Mon-Fri 09:00-12:00" --reason "promotion"',
    )
    parser.add_argument("ban", type=reference, metavar="AUTHORITY/SERVICE", help="the ban")
    parser.add_argument("ranges", nargs="+", type=prefix, metavar="PREFIX", help="registered ranges, as registered")
    parser.add_argument(
        "--hours", action="append", metavar="HOURS", help='weekly hours, "Mon-Fri 09:00-12:00"; may be repeated'
    )
    parser.add_argument("--time-zone", metavar="ZONE", help="of hours and dates (the ranges' authority's)")
    add_reason(parser)
    add_site(parser)
    add_term(parser)


def _add_number(group: Group, name: str, run: Run, summary: str, example: str) -> Parser:
    parser = add_verb(group, name, run, summary, example)
    parser.add_argument("number", type=number, metavar="NUMBER")
    return parser


def _list(client: Client, options: Options) -> Result:
    page = client.list(Exemption, path("exemptions"), options.limit, given(options, "ban", "site", "state"))
    return listed(page, lambda: _table(page.items, Names(client), Accounts(client)), "exemptions")


def _show(client: Client, options: Options) -> Result:
    return _shown(client, client.get(Exemption, path("exemptions", options.number)))


def _ask(client: Client, options: Options) -> Result:
    body = {**given(options, "ban", "site", "ranges", "hours", "time_zone", "reason"), **term_body(options)}
    return _shown(client, client.send(Exemption, "POST", path("exemptions"), body))


def _approve(client: Client, options: Options) -> Result:
    return _decide(client, options, "approve")


def _reject(client: Client, options: Options) -> Result:
    return _decide(client, options, "reject")


def _revoke(client: Client, options: Options) -> Result:
    return _decide(client, options, "revoke")


def _withdraw(client: Client, options: Options) -> Result:
    return _decide(client, options, "withdraw")


def _decide(client: Client, options: Options, act: str) -> Result:
    body = given(options, "note", "reason")
    return _shown(client, client.send(Exemption, "POST", path("exemptions", options.number, act), body))


def _shown(client: Client, found: Exemption) -> Result:
    return Result(found.model_dump(mode="json"), lambda: _lines(found, Names(client), Accounts(client)))


def _lines(found: Exemption, names: Names, accounts: Accounts) -> Iterator[str]:
    zone = usable_zone(found.time_zone)
    rows = [
        ("exemption", str(found.number)),
        ("from the ban", f"{found.ban}: {names.words(found.ban)}"),
        ("ranges", f"{', '.join(found.ranges)} at site {found.site}"),
        ("term", period_words(found.start, found.end, zone)),
        *(("hours", f"{hours} {found.time_zone}") for hours in found.hours),
        ("reason", found.reason),
        ("state", _state(found)),
        *([("next", f"from {at_words(found.next, zone)}")] if found.next is not None else []),
        ("requested", f"{at_words(found.requested, zone)} by {accounts.words(found.requested_by)}"),
    ]
    for act, at in (("approved", found.approved), ("rejected", found.rejected), ("revoked", found.revoked)):
        if at is not None:
            rows.append((act, at_words(at, zone)))
    if found.decided_by is not None:
        who = accounts.words(found.decided_by)
        rows.append(("decided by", f"{who}: {found.note}" if found.note else who))
    yield from columns(rows)


def _state(found: Exemption) -> str:
    """The state; of one in force also that it does not hold at this hour."""
    words = found.state.replace("_", " ")
    return f"{words}, but not at this hour" if found.state == "in_force" and found.holds is False else words


def _table(items: list[Exemption], names: Names, accounts: Accounts) -> Iterator[str]:
    parts = [item.ban.partition("/") for item in items]
    names.prepare({part[0] for part in parts}, {part[2] for part in parts})
    accounts.prepare({item.requested_by for item in items})
    rows = [
        (
            str(item.number),
            *names.both(item.ban),
            ",".join(item.ranges),
            _state(item),
            period_words(item.start, item.end, usable_zone(item.time_zone)),
            "; ".join(item.hours),
            accounts.words(item.requested_by),
        )
        for item in items
    ]
    yield from table(
        ("no.", "ban of", "name", "service", "name", "ranges", "state", "term", "hours", "asked by"),
        rows,
        ("name", "asked by", "hours"),
    )
