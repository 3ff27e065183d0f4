"""Which ranges lie inside others, and which allotted space no range covers. Pure except for `Layouts`."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias

from dnsfilter.policy.fleets import is_fleet
from dnsfilter.policy.model import Prefix, Range

Key: TypeAlias = tuple[str, int, int, int]
"""Site, version, first address, length. In this order a prefix comes after all prefixes that contain it."""
Span: TypeAlias = tuple[int, int]
"""First and last address."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """A range, and the most specific range that contains it and more."""

    value: Range
    within: Range


@dataclass(frozen=True, slots=True)
class Layout:
    """The ranges of a policy: those inside others by key, and the covered addresses of each site, in order."""

    overlaps: Sequence[Overlap]
    keys: Sequence[Key]
    covered: Mapping[tuple[str, int], Sequence[Span]]
    """Covered spans by site and version."""

    def overlaps_after(self, key: Key | None) -> Iterator[Overlap]:
        """Yield the overlaps whose key comes after `key`."""
        first = 0 if key is None else bisect_right(self.keys, key)
        return (self.overlaps[index] for index in range(first, len(self.overlaps)))


class Layouts:
    """Cache of the layout of the newest ranges."""

    def __init__(self) -> None:
        self._held: tuple[tuple[Range, ...], Layout] | None = None

    def of(self, ranges: tuple[Range, ...]) -> Layout:
        """Return the layout of these ranges; compute it unless they are the same object as in the last call."""
        held = self._held
        if held is None or held[0] is not ranges:
            held = self._held = ranges, make_layout(ranges)
        return held[1]


def make_layout(ranges: Iterable[Range]) -> Layout:
    """Return which ranges lie inside others, and what they cover. A fleet lies inside none."""
    overlaps: list[Overlap] = []
    keys: list[Key] = []
    spans: defaultdict[tuple[str, int], list[Span]] = defaultdict(list)
    around: list[tuple[str, int, int, Range]] = []
    for key, value in sorted(((key_of(value.site, value.prefix), value) for value in ranges), key=lambda item: item[0]):
        site, version, first, length = key
        last = first + (1 << (value.prefix.max_prefixlen - length)) - 1
        while around and not (around[-1][0] == site and around[-1][1] == version and around[-1][2] >= last):
            around.pop()
        if around and not is_fleet(value.prefix):
            overlaps.append(Overlap(value, around[-1][3]))
            keys.append(key)
        around.append((site, version, last, value))
        _extend(spans[site, version], (first, last))
    return Layout(overlaps, keys, spans)


def key_of(site: str, prefix: Prefix) -> Key:
    """Return the key of a prefix at a site."""
    return site, prefix.version, int(prefix.network_address), prefix.prefixlen


def gaps(space: Prefix, taken: Iterable[Span], covered: Sequence[Span], after: int | None) -> Iterator[Prefix]:
    """Yield the fewest prefixes of `space` that are neither `taken` nor `covered`, in order, beyond `after`.

    `covered` are spans of any addresses, in order, that do not touch. `taken` are further spans inside the space.
    `after` is an address.
    """
    first, last = int(space.network_address), int(space.broadcast_address)
    begin = bisect_left(covered, first, key=lambda span: span[1])
    end = bisect_right(covered, last, key=lambda span: span[0])
    spans: list[Span] = []
    for span in sorted((*covered[begin:end], *taken)):
        _extend(spans, span)
    following = first if after is None else max(first, after + 1)
    for start, stop in (*spans, (last + 1, last + 1)):
        if start > following:
            yield from _prefixes(space, following, start - 1)
        following = max(following, stop + 1)


def _extend(spans: list[Span], span: Span) -> None:
    """Add a span, in the order of first addresses, to spans that do not touch."""
    if spans and span[0] <= spans[-1][1] + 1:
        spans[-1] = spans[-1][0], max(spans[-1][1], span[1])
    else:
        spans.append(span)


def _prefixes(space: Prefix, first: int, last: int) -> Iterator[Prefix]:
    """Yield the fewest prefixes from one address to another, both included."""
    kind, bits = (IPv4Network if isinstance(space, IPv4Network) else IPv6Network), space.max_prefixlen
    while first <= last:
        aligned = (first & -first).bit_length() - 1 if first else bits
        host = min(aligned, (last - first + 1).bit_length() - 1)
        yield kind((first, bits - host))
        first += 1 << host
