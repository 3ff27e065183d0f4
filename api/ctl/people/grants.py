"""dnsfilterctl grant: the roles of accounts, where they hold, and for how long."""

from collections.abc import Iterator

from api.accounts.schemas import GrantRead
from api.ctl.command import (
    Group,
    Options,
    Result,
    given,
    term_body,
)
from api.ctl.display.account_names import ROLES, Accounts, account
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words, effective_end, period_words
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.numbered import Numbered
from api.ctl.remote.client import Client, path


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("grant")
    lister = group.add_verb(
        "list",
        _list,
        "List grants of the authorities in which you hold a role. Includes grants that have ended.",
        "grant list --authority ghent",
        "grant list --account ict-ghent",
    )
    lister.add_argument("--account", type=account, metavar="ACCOUNT", help="only this account: its number or login")
    lister.add_slug("--authority", "only grants in this authority")
    lister.add_limit()
    _add_add(group)
    end = _GRANTS.act("end", "reason")
    group.add_numbered("end", end, "End a grant now.", 'grant end 4 --reason "left the desk"').add_reason()


def _add_add(group: Group) -> None:
    parser = group.add_verb(
        "add",
        _add,
        "Grant a role in an authority, or in the installation. A grant to a person of another authority needs an end.",
        'grant add ghent ict-ghent operator --reason "the desk carries out the bans"',
        'grant add diest 7 approver --for "6 months" --reason "covers for a colleague"',
    )
    parser.add_slug("authority", "authority in which the role holds; not for the last three roles", nargs="?")
    parser.add_argument("account", type=account, metavar="ACCOUNT", help="number or login of the account")
    parser.add_argument("role", choices=ROLES, metavar="ROLE", help=", ".join(ROLES))
    parser.add_reason()
    parser.add_term()


def _list(client: Client, options: Options) -> Result:
    query = given(options, "authority")
    if options.account is not None:
        query["account"] = Accounts(client).number(options.account)
    page = client.list(GrantRead, path("grants"), options.limit, query)
    return listed(page, lambda: _table(page.items, Accounts(client), Names(client)), "grants")


def _add(client: Client, options: Options) -> Result:
    body = {"account": Accounts(client).number(options.account), **given(options, "role", "authority", "reason")}
    return _GRANTS.make(client, {**body, **term_body(options)})


def _lines(found: GrantRead, names: Names, accounts: Accounts) -> Iterator[str]:
    zone = _zone(found, names)
    within = names.labelled(found.authority, "the installation")
    rows = [
        ("grant", str(found.number)),
        ("of", accounts.words(found.account)),
        ("role", found.role),
        ("in", within),
        ("term", period_words(found.start, found.end, zone)),
        ("state", found.state.replace("_", " ")),
        ("reason", found.reason),
        ("recorded", f"{at_words(found.recorded, zone)} by {accounts.words(found.recorded_by)}"),
    ]
    if found.ended is not None:
        rows.append(("ended", f"{at_words(found.ended, zone)}: {found.ended_reason}"))
    yield from columns(rows)


_GRANTS = Numbered(GrantRead, "grants", _lines)


def _table(items: list[GrantRead], accounts: Accounts, names: Names) -> Iterator[str]:
    accounts.prepare({item.account for item in items})
    names.prepare({item.authority for item in items if item.authority is not None})
    rows = [
        (
            str(item.number),
            str(item.account),
            accounts.login(item.account),
            item.role,
            item.authority or "the installation",
            item.state.replace("_", " "),
            period_words(item.start, effective_end(item), _zone(item, names)),
            item.reason,
        )
        for item in items
    ]
    yield from table(("no.", "account", "login", "role", "in", "state", "term", "reason"), rows, ("reason", "login"))


def _zone(item: GrantRead, names: Names) -> str | None:
    return names.time_zone(item.authority or None)
