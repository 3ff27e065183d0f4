"""Pages of ranges inside others, and of allotted space that no range covers."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import SpaceRow
from api.http.pagination import Paging, not_ours
from api.overlaps.nesting import Key, Layout, Overlap, Span, gaps, key_of
from api.ranges.schemas import GapRead, HolderRead, OverlapRead
from dnsfilter.policy.model import Prefix, Range


@dataclass(frozen=True, slots=True)
class Space:
    """A prefix at a site, and the authority that it is allotted to."""

    key: Key
    prefix: Prefix
    authority: str

    @property
    def site(self) -> str:
        """Return its site."""
        return self.key[0]

    @property
    def span(self) -> Span:
        """Return its first and last address."""
        return int(self.prefix.network_address), int(self.prefix.broadcast_address)


def overlaps(
    found: Layout, visible: frozenset[str] | None, authority: str | None, site: str | None, paging: Paging, *, own: bool
) -> tuple[list[OverlapRead], str | None]:
    """Return a page of ranges inside others. With `own`, also inside ranges of the same authority."""
    keys = _keys(paging, 1)

    def wanted(item: Overlap) -> bool:
        inner, outer = item.value.authority, item.within.authority
        seen = {slug for slug in (inner, outer) if visible is None or slug in visible}
        return (
            inner in seen
            and (own or inner != outer)
            and (site is None or item.value.site == site)
            and (authority is None or authority in seen)
        )

    page = filter(wanted, found.overlaps_after(keys[0] if keys else None))
    items, following = paging.cut(page, lambda item: _cursor_key(item.value.site, item.value.prefix))
    return [_overlap(item, visible) for item in items], following


def unused(
    session: Session,
    found: Layout,
    visible: frozenset[str] | None,
    authority: str | None,
    site: str | None,
    paging: Paging,
) -> tuple[list[GapRead], str | None]:
    """Return a page of unused space."""
    spaces = _spaces(session)
    keys = _keys(paging, 2)

    def wanted(space: Space) -> bool:
        allowed = visible is None or space.authority in visible
        return allowed and authority in (None, space.authority) and site in (None, space.site)

    page = _gaps(spaces, found, list(map(wanted, spaces)), keys)
    items, following = paging.cut(page, lambda item: _cursor_key(item.site, item.space, item.prefix))
    return list(items), following


def _gaps(spaces: Sequence[Space], found: Layout, wanted: Sequence[bool], keys: Sequence[Key]) -> Iterator[GapRead]:
    """Yield the gaps of the wanted spaces, after the keys of a space and of a gap in it, if given."""
    first, after = 0, None
    if keys:
        first = bisect_right([space.key for space in spaces], keys[0]) - 1
        resumed = first >= 0 and spaces[first].key == keys[0]
        _, version, address, length = keys[1]
        after = address + (1 << ((32 if version == 4 else 128) - length)) - 1 if resumed else None
        first += not resumed
    for index in range(first, len(spaces)):
        space = spaces[index]
        if wanted[index]:
            covered = found.covered.get((space.site, space.prefix.version), ())
            for prefix in gaps(space.prefix, _inside(spaces, index), covered, after):
                yield GapRead(site=space.site, prefix=str(prefix), space=str(space.prefix), authority=space.authority)
        after = None


def _inside(spaces: Sequence[Space], index: int) -> Iterator[Span]:
    """Yield the spans that are allotted again inside a space; they follow the space in order."""
    space = spaces[index]
    for other in islice(spaces, index + 1, None):
        if other.key[:2] != space.key[:2] or other.span[0] > space.span[1]:
            return
        yield other.span


def _spaces(session: Session) -> list[Space]:
    rows = session.execute(select(SpaceRow.site, SpaceRow.prefix, SpaceRow.authority))
    found = ((row.site, ip_network(row.prefix), row.authority) for row in rows)
    return sorted(
        (Space(key_of(site, prefix), prefix, slug) for site, prefix, slug in found), key=lambda item: item.key
    )


def _overlap(item: Overlap, visible: frozenset[str] | None) -> OverlapRead:
    holder: Range | None = item.within if visible is None or item.within.authority in visible else None
    return OverlapRead(
        site=item.value.site,
        prefix=str(item.value.prefix),
        authority=item.value.authority,
        label=item.value.label,
        within=None
        if holder is None
        else HolderRead(prefix=str(holder.prefix), authority=holder.authority, label=holder.label),
    )


def _cursor_key(site: str, *prefixes: Prefix | str) -> str:
    return " ".join((site, *map(str, prefixes)))


def _keys(paging: Paging, count: int) -> list[Key]:
    """Return the keys of the prefixes in the cursor, if any; raise `Invalid` if it is not a cursor of this list."""
    last = paging.after(str)
    if last is None:
        return []
    site, *prefixes = last.split(" ")
    try:
        keys = [key_of(site, ip_network(prefix)) for prefix in prefixes]
    except ValueError:
        keys = []
    if len(keys) != count:
        raise not_ours()
    return keys
