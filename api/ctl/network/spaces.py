"""dnsfilterctl space: prefixes in which an authority registers ranges itself."""

from collections.abc import Iterator

from api.ctl.arguments import prefix
from api.ctl.command import Group, Options, Result, given
from api.ctl.display.listing import listed
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.remote.client import Client, path
from api.spaces.schemas import SpaceRead


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("space")
    lister = group.add_verb("list", _list, "List allotted space.", "space list --authority ghent")
    lister.add_slug("--authority", "only space of this authority")
    lister.add_slug("--site", "only space of this site")
    lister.add_limit()
    allot = group.add_verb("allot", _allot, "Allot a prefix to an authority.", "space allot ghent 192.0.2.0/24")
    allot.add_slug("authority")
    allot.add_argument("prefix", type=prefix, metavar="PREFIX")
    allot.add_site()
    withdraw = group.add_verb(
        "withdraw", _withdraw, "Withdraw a prefix. The ranges in it stay registered.", "space withdraw 192.0.2.0/24"
    )
    withdraw.add_argument("prefix", type=prefix, metavar="PREFIX")
    withdraw.add_site()


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
