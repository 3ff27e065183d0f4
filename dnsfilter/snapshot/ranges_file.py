"""The ranges file: the class of an address at a site. Nested ranges are flattened, so that a lookup is one bisect."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_network, summarize_address_range
from itertools import pairwise
from struct import Struct

from dnsfilter.errors import PolicyError, SnapshotError
from dnsfilter.policy.counted_ranges import not_counted
from dnsfilter.policy.fleets import FLEET_BLOCK
from dnsfilter.policy.model import Policy, Prefix, Range, Usage
from dnsfilter.policy.rows import RangeClass, usage_levels
from dnsfilter.snapshot.layout import (
    INTERVAL_RANGE,
    NONE,
    RANGE,
    SITE,
    V4_START,
    V6_START,
    Kind,
    Part,
)
from dnsfilter.snapshot.sections import Buffer, File, Section, Strings, read_file, write_file

_Interval = tuple[int, int]
"""First address as a number, and the index of the range from there on, or `NONE`."""


def compile_ranges(
    policy: Policy, classes: Mapping[tuple[str, Prefix], RangeClass], numbers: Mapping[RangeClass, int]
) -> File:
    """Compile the ranges file. `classes` has each range's class, and `numbers` the class's index in the rules file.

    Raise PolicyError for a prefix that is registered twice at a site.
    """
    ranges = sorted(policy.ranges, key=_order)
    for left, right in pairwise(ranges):
        if _order(left) == _order(right):
            raise PolicyError(f"compile ranges: {left.prefix} is registered twice at site {left.site}")
    by_site: dict[str, dict[int, list[tuple[Prefix, int]]]] = defaultdict(lambda: {4: [], 6: []})
    for index, registered in enumerate(ranges):
        by_site[registered.site][registered.prefix.version].append((registered.prefix, index))
    strings = Strings()
    sites = bytearray()
    v4: list[_Interval] = []
    v6: list[_Interval] = []
    for site in sorted(by_site):
        own_v4, own_v6 = _flatten(by_site[site][4]), _flatten(_without_block(by_site[site][6]))
        sites += SITE.pack(strings.add(site), len(v4), len(own_v4), len(v6), len(own_v6))
        v4 += own_v4
        v6 += own_v6
    site_numbers = {site: number for number, site in enumerate(sorted(by_site))}
    table, levels = bytearray(), usage_levels(policy)
    for registered in ranges:
        prefix = registered.prefix
        number = numbers[classes[(registered.site, prefix)]]
        first = prefix.network_address.packed
        label, site_number = strings.add(registered.label), site_numbers[registered.site]
        counted = not_counted(prefix, levels.get(registered.authority, Usage.NONE)) is None
        table += RANGE.pack(first, prefix.prefixlen, prefix.version, counted, number, label, site_number)
    return write_file(
        Kind.RANGES,
        {
            Part.STRINGS: strings.data(),
            Part.SITES: bytes(sites),
            Part.V4_STARTS: b"".join(V4_START.pack(start) for start, _ in v4),
            Part.V4_RANGES: b"".join(INTERVAL_RANGE.pack(index) for _, index in v4),
            Part.V6_STARTS: b"".join(V6_START.pack(start.to_bytes(16)) for start, _ in v6),
            Part.V6_RANGES: b"".join(INTERVAL_RANGE.pack(index) for _, index in v6),
            Part.RANGES: bytes(table),
        },
    )


def _order(registered: Range) -> tuple[str, int, int, int]:
    prefix = registered.prefix
    return registered.site, prefix.version, int(prefix.network_address), prefix.prefixlen


def _without_block(ranges: Iterable[tuple[Prefix, int]]) -> list[tuple[Prefix, int]]:
    """Take the block of fleets out of the ranges that contain it. The fleets' own ranges stay in it."""
    return sorted((*ranges, (FLEET_BLOCK, NONE)), key=lambda each: (int(each[0].network_address), each[0].prefixlen))


def _flatten(ranges: Iterable[tuple[Prefix, int]]) -> list[_Interval]:
    """Return disjoint intervals from address 0 up, for prefixes sorted by first address and length.

    Two prefixes are nested or disjoint. So the open ones form a stack, and the innermost applies.
    """
    found: list[_Interval] = [(0, NONE)]
    open_ranges: list[tuple[int, int]] = []

    def begin(start: int, index: int) -> None:
        while found and found[-1][0] == start:
            found.pop()
        if not found or found[-1][1] != index:
            found.append((start, index))

    def close_before(limit: int | None) -> None:
        while open_ranges and (limit is None or open_ranges[-1][0] < limit):
            last, _ = open_ranges.pop()
            begin(last + 1, open_ranges[-1][1] if open_ranges else NONE)

    size = None
    for prefix, index in ranges:
        first, last = int(prefix.network_address), int(prefix.broadcast_address)
        size = 2**prefix.max_prefixlen
        close_before(first)
        begin(first, index)
        open_ranges.append((last, index))
    close_before(None)
    return [interval for interval in found if size is None or interval[0] < size]


class RangeTable:
    """The ranges of one site, read in place."""

    __slots__ = ("_classes", "_v4", "_v6", "intervals", "parts", "rows")

    def __init__(self, buffer: Buffer, site: str, classes: int) -> None:
        """Check all data of that site, and that every class is below `classes`. Raise SnapshotError if not."""
        self.parts = parts = read_file(Kind.RANGES, buffer)
        self._classes = tuple(record[4] for record in parts[Part.RANGES].all_records(RANGE))
        if self._classes and max(self._classes) >= classes:
            raise SnapshotError(f"read snapshot: a range has a class beyond the {classes} of the rules file")
        v4 = v6 = (0, 0)
        ranges, self.rows = len(self._classes), range(0)
        for number, (name, *own) in enumerate(parts[Part.SITES].all_records(SITE)):
            if parts[Part.STRINGS].text(name) == site:
                v4, v6 = (own[0], own[1]), (own[2], own[3])
                self.rows = self._rows_of(number)
        self.intervals = (v4, v6)
        self._v4 = _Intervals(parts[Part.V4_STARTS], parts[Part.V4_RANGES], V4_START, *v4, ranges)
        self._v6 = _Intervals(parts[Part.V6_STARTS], parts[Part.V6_RANGES], V6_START, *v6, ranges)

    def find(self, address: bytes) -> int | None:
        """Return the class of the most specific range that holds a packed address of 4 or 16 bytes, or None."""
        index = self._index(address)
        return None if index == NONE else self._classes[index]

    @property
    def classes_here(self) -> frozenset[int]:
        """The classes of the site's ranges."""
        return frozenset(self._classes[row] for row in self.rows)

    def in_one_range(self, first: bytes, last: bytes) -> bool:
        """Return whether the same range is the most specific one of all addresses from `first` to `last`."""
        if self._index(first) == NONE:
            return False
        if len(first) == 4:
            return self._v4.place(int.from_bytes(first)) == self._v4.place(int.from_bytes(last))
        return self._v6.place(first) == self._v6.place(last)

    def describe(self, address: bytes) -> tuple[Prefix, str] | None:
        """Return prefix and label of the most specific range that holds the address, or None.

        Raise SnapshotError if the file's data make no range.
        """
        index = self._index(address)
        if index == NONE:
            return None
        first, length, version, _, _, label, _ = self.parts[Part.RANGES].record(RANGE, index)
        try:
            prefix = ip_network((first[:4] if version == 4 else first, length))
        except ValueError as error:
            raise SnapshotError(f"read snapshot: range {index} is no prefix") from error
        return prefix, self.parts[Part.STRINGS].text(label)

    def networks(self) -> Iterator[tuple[Prefix, int]]:
        """Yield disjoint networks that together are the registered addresses, each with its class, ascending."""
        for first, last, index in self._v4.registered(2**32):
            for v4 in summarize_address_range(IPv4Address(first), IPv4Address(last)):
                yield v4, self._classes[index]
        for first, last, index in self._v6.registered(2**128):
            for v6 in summarize_address_range(IPv6Address(first), IPv6Address(last)):
                yield v6, self._classes[index]

    def counted_row(self, address: bytes) -> int | None:
        """Return the number of the range that counts a query of the address, or None. It may lie outside `rows`."""
        index = self._index(address)
        return index if index != NONE and self.parts[Part.RANGES].record(RANGE, index)[3] else None

    def packed_prefix(self, row: int) -> tuple[bytes, int]:
        """Return the first address of a range, packed, and the length of its prefix, without checks."""
        first, length, version, *_ = self.parts[Part.RANGES].record(RANGE, row)
        return first[:4] if version == 4 else first, length

    def _rows_of(self, site: int) -> range:
        """Return the numbers of a site's ranges. The file has them sorted by site."""
        known, records = range(len(self._classes)), self.parts[Part.RANGES]
        first, end = (
            bisect_left(known, wanted, key=lambda row: records.record(RANGE, row)[6]) for wanted in (site, site + 1)
        )
        return range(first, end)

    def _index(self, address: bytes) -> int:
        return self._v4.find(int.from_bytes(address)) if len(address) == 4 else self._v6.find(address)


class _Intervals:
    """The intervals of one site and family. IPv4 starts are numbers, IPv6 starts sixteen bytes in network order."""

    __slots__ = ("_end", "_first", "_ranges", "_shape", "_starts")

    def __init__(self, starts: Section, ranges: Section, shape: Struct, first: int, count: int, known: int) -> None:
        values = [start for (start,) in starts.records(shape, first, count)]
        if any(left >= right for left, right in pairwise(values)):
            raise SnapshotError(f"read snapshot: {starts.what} is out of order")
        if any(index >= known and index != NONE for (index,) in ranges.records(INTERVAL_RANGE, first, count)):
            raise SnapshotError(f"read snapshot: {ranges.what} names no range")
        self._starts = starts
        self._ranges = ranges
        self._shape = shape
        self._first = first
        self._end = first + count

    def find(self, address: int | bytes) -> int:
        """Return the index of the range that holds the address, else `NONE`."""
        place = self.place(address)
        return int(self._ranges.record(INTERVAL_RANGE, place)[0]) if place >= self._first else NONE

    def place(self, address: int | bytes) -> int:
        """Return the number of the interval that holds the address. Below the first: none."""
        return bisect_right(range(self._end), address, lo=self._first, key=self._start) - 1

    def registered(self, size: int) -> Iterator[tuple[int, int, int]]:
        """Yield first and last address, as numbers below `size`, and range of each interval that has a range."""
        starts = [self._start(index) for index in range(self._first, self._end)]
        firsts = [start if isinstance(start, int) else int.from_bytes(start) for start in starts]
        for index, (first, following) in enumerate(pairwise([*firsts, size]), self._first):
            index = int(self._ranges.record(INTERVAL_RANGE, index)[0])
            if index != NONE:
                yield first, following - 1, index

    def _start(self, index: int) -> int | bytes:
        start: int | bytes = self._starts.record(self._shape, index)[0]
        return start
