"""dnsfilterctl range and site: networks and their authorities."""

from collections.abc import Iterator, Mapping

from api.ctl.arguments import AUDIENCE, FUNDING, prefix
from api.ctl.command import (
    Body,
    Group,
    Options,
    Parser,
    Result,
    given,
)
from api.ctl.display.listing import listed
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.network.changed_bans import acted, add_rehearsal, change_lines
from api.ctl.network.range_check import add_check
from api.ctl.network.range_import import add_import
from api.ctl.remote.client import Client, path
from api.ranges.schemas import RangeRead, RangeWritten, SiteRead


def add(groups: Group) -> None:
    """Add the commands of both groups."""
    group = groups.add_group("range")
    lister = group.add_verb("list", _list, "List ranges.", "range list --authority ghent")
    lister.add_slug("--authority", "only ranges of this authority")
    lister.add_slug("--site", "only ranges of this site")
    lister.add_limit()
    adder = group.add_verb(
        "add",
        _add,
        "Register a range to an authority.",
        'range add ghent 192.0.2.0/24 --funding public --audience staff --label "town hall"',
    )
    adder.add_slug("authority")
    _add_fields(adder, required=True)
    add_rehearsal(adder)
    _add_move(group)
    setter = group.add_verb(
        "set", _set, "Change the given fields of a range.", "range set 192.0.2.0/24 --audience public"
    )
    _add_fields(setter, required=False)
    remove = group.add_verb("remove", _remove, "Remove a range.", "range remove 192.0.2.0/24")
    remove.add_argument("prefix", type=prefix, metavar="PREFIX")
    remove.add_site()
    remove.add_why()
    add_import(group)
    add_check(group)
    _add_sites(groups)


def _add_fields(parser: Parser, *, required: bool) -> None:
    parser.add_argument("prefix", type=prefix, metavar="PREFIX")
    _add_changes(parser, required=required)


def _add_changes(parser: Parser, *, required: bool) -> None:
    parser.add_argument(
        "--funding",
        choices=FUNDING,
        required=required,
        metavar="WORD",
        help=f"who paid for the devices: {', '.join(FUNDING)}",
    )
    parser.add_argument(
        "--audience",
        choices=AUDIENCE,
        required=required,
        metavar="WORD",
        help=f"who uses the devices: {', '.join(AUDIENCE)}",
    )
    parser.add_argument("--label", metavar="TEXT", help="description of the network")
    parser.add_site()
    parser.add_why()


def _add_move(group: Group) -> None:
    mover = group.add_verb(
        "move",
        _move,
        "Move a range to another authority. Its clients get answers all the time; says which bans change for them.",
        'range move diest 192.0.2.0/24 --label "town hall of Diest"',
        "range move diest 192.0.2.0/24 --dry-run",
    )
    mover.add_slug("authority", "new authority of the range")
    mover.add_argument("prefix", type=prefix, metavar="PREFIX")
    _add_changes(mover, required=False)
    add_rehearsal(mover)


def _add_sites(groups: Group) -> None:
    group = groups.add_group("site")
    group.add_verb("list", _list_sites, "List sites.", "site list").add_limit()
    adder = group.add_verb("add", _add_site, "Register a site.", 'site add harbour --name "Harbour office"')
    setter = group.add_verb("set", _set_site, "Register or rename a site.", 'site set harbour --name "Harbour office"')
    for parser in (adder, setter):
        parser.add_slug("site")
        parser.add_argument("--name", default="", metavar="TEXT", help="name of the site")
    remove = group.add_verb("remove", _remove_site, "Remove a site that has no ranges.", "site remove harbour")
    remove.add_slug("site")


def _list(client: Client, options: Options) -> Result:
    page = client.list(RangeRead, path("ranges"), options.limit, given(options, "authority", "site"))
    return listed(page, lambda: _table(page.items, Names(client)), "ranges")


def _add(client: Client, options: Options) -> Result:
    body = given(options, "authority", "funding", "audience", "label")
    return _acted(client, options, "PUT", _where(options), body, {"If-None-Match": "*"})


def _move(client: Client, options: Options) -> Result:
    body = given(options, "authority", "funding", "audience", "label")
    return _acted(client, options, "POST", f"{_where(options)}/move", body)


def _acted(
    client: Client, options: Options, method: str, where: str, body: Body, headers: Mapping[str, str] | None = None
) -> Result:
    def send(dry_run: bool) -> RangeWritten:
        query = {**given(options, "reason"), **({"dry_run": "true"} if dry_run else {})}
        return client.send(RangeWritten, method, where, body, headers, query)

    return _written(client, acted(send, options))


def _written(client: Client, done: RangeWritten) -> Result:
    def lines() -> Iterator[str]:
        if done.dry_run:
            yield "dry run, nothing was done; this would happen:"
        yield from _lines(done, Names(client))
        yield from change_lines(done.changes) if done.changes else ["no ban changes for its clients"]

    return Result(done, lines)


def _set(client: Client, options: Options) -> Result:
    body = given(options, "funding", "audience", "label")
    return _shown(client, client.send(RangeRead, "PATCH", _where(options), body, query=given(options, "reason")))


def _remove(client: Client, options: Options) -> Result:
    client.delete(_where(options), given(options, "reason"))
    removed = {"removed": options.prefix, "site": options.site}
    return Result(removed, lambda: [f"removed range {options.prefix} of site {options.site}"])


def _list_sites(client: Client, options: Options) -> Result:
    page = client.list(SiteRead, path("sites"), options.limit)
    return listed(page, lambda: table(("site", "name"), [(item.slug, item.name) for item in page.items]), "sites")


def _add_site(client: Client, options: Options) -> Result:
    return _site(client, options, {"If-None-Match": "*"})


def _set_site(client: Client, options: Options) -> Result:
    return _site(client, options, None)


def _site(client: Client, options: Options, headers: dict[str, str] | None) -> Result:
    site = client.send(SiteRead, "PUT", path("sites", options.site), {"name": options.name}, headers)
    return Result(site, lambda: columns([("site", f"{site.slug}  {site.name}")]))


def _remove_site(client: Client, options: Options) -> Result:
    client.delete(path("sites", options.site))
    return Result({"removed": options.site}, lambda: [f"removed site {options.site}"])


def _where(options: Options) -> str:
    return path("ranges", options.site, *options.prefix.split("/"))


def _shown(client: Client, found: RangeRead) -> Result:
    return Result(found, lambda: _lines(found, Names(client)))


def _lines(found: RangeRead, names: Names) -> Iterator[str]:
    yield from columns(
        [
            ("range", found.prefix),
            ("site", found.site),
            ("authority", names.labelled(found.authority)),
            ("funding", found.funding),
            ("audience", found.audience),
            ("label", found.label or "none"),
            ("revision", str(found.revision)),
        ]
    )


def _table(items: list[RangeRead], names: Names) -> Iterator[str]:
    names.prepare({item.authority for item in items})
    rows = [
        (
            item.prefix,
            item.authority,
            names.authority(item.authority),
            item.funding,
            item.audience,
            item.label,
            item.site,
        )
        for item in items
    ]
    yield from table(("range", "authority", "name", "funding", "audience", "label", "site"), rows, ("name", "label"))
