"""dnsfilterctl range check: nested ranges, space that no range covers, and clients in no range."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from api.ctl.command import PROGRAM, Group, Options, Result, given
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import table
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import Denied
from api.ctl.remote.client import Client, path
from api.http.schemas import Item, Page
from api.nodes.schemas import UnregisteredRead
from api.ranges.schemas import GapRead, OverlapRead
from dnsfilter.policy.fleets import NO_FLEET_NETWORK

HIDDEN = "another authority's"
_REGISTER = f"To register a network: {PROGRAM} range add AUTHORITY PREFIX --funding WORD --audience WORD"
_FLEETS = (
    f"{NO_FLEET_NETWORK}: queries by a fleet's name without a certificate, or from a forged address. "
    "No range holds these devices: do not register it"
)


def add_check(group: Group) -> None:
    """Add the verb to the group `range`."""
    parser = group.add_verb(
        "check",
        _check,
        "List networks that sent queries recently but are in no range, ranges inside one of another authority, and "
        "allotted space that no range covers. Of nested ranges only the inner one counts for its clients.",
        "range check",
        "range check ghent --site default",
    )
    parser.add_slug("authority", "only ranges and space of this authority", nargs="?")
    parser.add_slug("--site", "only this site")
    parser.add_argument("--own", action="store_true", help="also ranges inside one of the same authority")
    parser.add_limit()


def _check(client: Client, options: Options) -> Result:
    query, names, limit = given(options, "authority", "site"), Names(client), options.limit
    own = {"own": "true"} if options.own else {}
    nested = client.list(OverlapRead, path("ranges", "overlaps"), limit, {**query, **own})
    gaps = client.list(GapRead, path("spaces", "gaps"), limit, query)
    parts = {
        "overlaps": _part(nested, lambda: _overlap_table(nested.items, names), "ranges inside others"),
        "gaps": _part(gaps, lambda: _gap_table(gaps.items, names), "unused space"),
    }
    if options.authority is None:
        parts = {"unregistered": _unregistered(client, options), **parts}
    notes = [note for part in parts.values() for note in part.notes]
    return Result({name: part.data for name, part in parts.items()}, lambda: _lines(parts), notes=tuple(notes))


def _unregistered(client: Client, options: Options) -> Result:
    try:
        page = client.list(UnregisteredRead, path("unregistered"), options.limit, given(options, "site"))
    except Denied as error:
        return Result(None, tuple, notes=(f"unregistered networks are not listed: {error}",))
    found = _part(page, lambda: _unregistered_table(page.items), "unregistered networks")
    shown = {item.prefix for item in page.items}
    advice = ((_FLEETS, NO_FLEET_NETWORK in shown), (_REGISTER, bool(shown - {NO_FLEET_NETWORK})))
    return replace(found, notes=(*found.notes, *(text for text, holds in advice if holds)))


def _part(page: Page[Item], lines: Callable[[], Iterator[str]], what: str) -> Result:
    return replace(listed(page, lines, what), data=page.model_dump(mode="json"))


def _lines(parts: Mapping[str, Result]) -> Iterator[str]:
    """Yield the tables, each after an empty line but the first."""
    tables = [lines for part in parts.values() if (lines := list(part.lines()))]
    for at, lines in enumerate(tables):
        yield from [""] * bool(at)
        yield from lines


def _unregistered_table(items: list[UnregisteredRead]) -> Iterator[str]:
    rows = [(item.prefix, item.site, str(item.queries), at_words(item.seen), ", ".join(item.nodes)) for item in items]
    yield from table(("unregistered", "site", "queries", "last seen", "nodes"), rows, ("nodes",))


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
