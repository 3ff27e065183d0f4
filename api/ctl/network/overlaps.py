"""dnsfilterctl range overlaps and range gaps: nested ranges, and space that no range covers."""

from collections.abc import Iterator, Sequence

from api.ctl.command import Group, Options, Parser, Result, add_limit, add_verb, given, slug
from api.ctl.display.listing import listed
from api.ctl.display.safe_text import escape, table
from api.ctl.display.shown_names import Names
from api.ctl.remote.client import Client, path
from api.explain.schemas import AllottedRead, NestedRead
from api.ranges.schemas import GapRead, OverlapRead
from dnsfilter.policy.device_phrase import use_words

HIDDEN = "another authority's"


def add_layout(group: Group) -> None:
    """Add the verbs to the group `range`."""
    overlaps = add_verb(
        group,
        "overlaps",
        _overlaps,
        "List ranges inside a range of another authority. Only the inner range counts for their clients.",
        "range overlaps --authority ghent",
    )
    overlaps.add_argument("--own", action="store_true", help="also ranges inside one of the same authority")
    _add_filters(overlaps)
    gaps = add_verb(
        group,
        "gaps",
        _gaps,
        "List allotted space that no range covers.",
        "range gaps --authority ghent",
    )
    _add_filters(gaps)


def _add_filters(parser: Parser) -> None:
    parser.add_argument("--authority", type=slug, metavar="AUTHORITY", help="only this authority")
    parser.add_argument("--site", type=slug, metavar="SITE", help="only this site")
    add_limit(parser)


def nesting_lines(nesting: Sequence[NestedRead], space: AllottedRead | None, names: Names) -> Iterator[str]:
    """Yield the ranges that hold an address, the widest first, each indented further; then the space."""
    for depth, held in enumerate(reversed(nesting)):
        label = f"{held.label}; " if held.label else ""
        owner = names.labelled(held.authority)
        yield "  " * (depth + 1) + escape(f"{held.prefix}  {owner}  ({label}{use_words(held.audience, held.funding)})")
    if space is not None:
        yield escape(f"in {space.prefix}, allotted to {names.labelled(space.authority)}")


def _overlaps(client: Client, options: Options) -> Result:
    query = {**given(options, "authority", "site"), "own": "true" if options.own else None}
    page = client.list(OverlapRead, path("ranges", "overlaps"), options.limit, query)
    return listed(page, lambda: _overlap_table(page.items, Names(client)), "ranges inside others")


def _gaps(client: Client, options: Options) -> Result:
    page = client.list(GapRead, path("spaces", "gaps"), options.limit, given(options, "authority", "site"))
    return listed(page, lambda: _gap_table(page.items, Names(client)), "unused space")


def _overlap_table(items: list[OverlapRead], names: Names) -> Iterator[str]:
    names.prepare({item.authority for item in items} | {item.within.authority for item in items if item.within})
    rows = [
        (
            item.prefix,
            item.authority,
            names.authority(item.authority),
            item.label,
            item.within.prefix if item.within else HIDDEN,
            item.within.authority if item.within else "",
            names.authority(item.within.authority) if item.within else "",
            item.site,
        )
        for item in items
    ]
    yield from table(
        ("range", "authority", "name", "label", "inside", "of", "name", "site"), rows, ("name", "label", "site")
    )


def _gap_table(items: list[GapRead], names: Names) -> Iterator[str]:
    names.prepare({item.authority for item in items})
    rows = [(item.prefix, item.space, item.authority, names.authority(item.authority), item.site) for item in items]
    yield from table(("unused", "space", "authority", "name", "site"), rows, ("name", "site"))
