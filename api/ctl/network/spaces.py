"""dnsfilterctl space: prefixes in which an authority registers ranges itself."""

from collections.abc import Iterator

from api.ctl.command import Group, Options, Result, add_group, add_limit, add_site, add_verb, given, prefix, slug
from api.ctl.display.listing import listed
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.remote.client import Client, path
from api.spaces.schemas import SpaceRead


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = add_group(groups, "space")
    lister = add_verb(group, "list", _list, "List allotted space.", "space list --authority ghent")
    lister.add_argument("--authority", type=slug, metavar="AUTHORITY", help="only space of this authority")
    lister.add_argument("--site", type=slug, metavar="SITE", help="only space of this site")
    add_limit(lister)
    allot = add_verb(group, "allot", _allot, "Allot a prefix to an authority.", "space allot ghent 192.0.2.0/24")
    allot.add_argument("authority", type=slug, metavar="AUTHORITY")
    allot.add_argument("prefix", type=prefix, metavar="PREFIX")
    add_site(allot)
    withdraw = add_verb(
        group,
        "withdraw",
        _withdraw,
        "Withdraw a prefix. The ranges in it stay registered.",
        "space withdraw 192.0.2.0/24",
    )
    withdraw.add_argument("prefix", type=prefix, metavar="PREFIX")
    add_site(withdraw)


def _list(client: Client, options: Options) -> Result:
    page = client.list(SpaceRead, path("spaces"), options.limit, given(options, "authority", "site"))
    return listed(page, lambda: _table(page.items, Names(client)), "space")


def _allot(client: Client, options: Options) -> Result:
    found = client.send(SpaceRead, "PUT", _where(options), given(options, "authority"))
    return Result(found, lambda: _lines(found, Names(client)))


def _withdraw(client: Client, options: Options) -> Result:
    client.delete(_where(options))
    done = {"withdrawn": options.prefix, "site": options.site}
    return Result(done, lambda: [f"withdrew {options.prefix} at site {options.site}; the ranges in it stay"])


def _where(options: Options) -> str:
    return path("spaces", options.site, *options.prefix.split("/"))


def _lines(found: SpaceRead, names: Names) -> Iterator[str]:
    authority = names.labelled(found.authority)
    yield from columns([("space", found.prefix), ("site", found.site), ("authority", authority)])


def _table(items: list[SpaceRead], names: Names) -> Iterator[str]:
    names.prepare({item.authority for item in items})
    rows = [(item.prefix, item.authority, names.authority(item.authority), item.site) for item in items]
    yield from table(("space", "authority", "name", "site"), rows, ("name",))
