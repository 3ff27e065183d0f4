"""The allowed names of a rules file: when each frees an authority's clients from the authority's own bans."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.intervals import FOREVER, Interval, span, union
from dnsfilter.policy.model import AllowedName, Instant, WireName
from dnsfilter.snapshot.layout import ALLOWED, CLASS_ALLOWED, Part
from dnsfilter.snapshot.sections import Section
from dnsfilter.wire.names import suffixes


class Allowed(NamedTuple):
    """A name that is free over `[start, end)`, with all below it unless `exact`."""

    name: WireName
    exact: bool
    start: Instant
    end: Instant


def allowed_sections(allowed: Iterable[AllowedName], authorities: Sequence[str], since: Instant) -> dict[Part, bytes]:
    """Return the sections, without what ended by `since`. `authorities` are those of the classes, in order."""
    found: dict[str, dict[tuple[WireName, bool], list[Interval]]] = defaultdict(lambda: defaultdict(list))
    for each in allowed:
        if held := [held for held in span(each.period) if held[1] > since]:
            found[each.authority][each.name, each.exact] += held
    records, names = bytearray(), bytearray()
    slices: dict[str, tuple[int, int]] = {}
    for authority in sorted(found.keys() & set(authorities)):
        first = len(records) // ALLOWED.size
        for (name, exact), intervals in sorted(found[authority].items()):
            records += b"".join(
                ALLOWED.pack(start, end, len(names), len(name), exact) for start, end in union(intervals)
            )
            names += name
        slices[authority] = first, len(records) // ALLOWED.size - first
    by_class = (CLASS_ALLOWED.pack(*slices.get(authority, (0, 0))) for authority in authorities)
    return {
        Part.ALLOWED: bytes(records),
        Part.ALLOWED_NAMES: bytes(names) if records else b"",
        Part.CLASS_ALLOWED: b"".join(by_class) if records else b"",
    }


def with_allowed(
    parts: Mapping[Part, Section], authorities: Sequence[str], allowed: Iterable[AllowedName]
) -> dict[Part, bytes]:
    """Return the sections of a file with further allowed names. `authorities` are those of its classes, in order."""
    table = AllowedTable(parts, len(authorities))
    first_class = {authority: number for number, authority in reversed(list(enumerate(authorities)))}
    known = (
        AllowedName(0, authority, each.name, each.exact, each.start, each.end, each.start)
        for authority, number in first_class.items()
        for each in table.all_of(number)
    )
    return allowed_sections((*known, *allowed), authorities, -FOREVER)


class AllowedTable:
    """The allowed names of every class, read in place. Those of an authority become a dictionary when first used."""

    __slots__ = ("_by_class", "_known", "_parts")

    def __init__(self, parts: Mapping[Part, Section], classes: int) -> None:
        """Check the sections. Raise SnapshotError for records that are invalid or not sorted by name."""
        self._parts = parts
        by_class = parts.get(Part.CLASS_ALLOWED)
        self._by_class = () if by_class is None else tuple(by_class.all_records(CLASS_ALLOWED))
        if len(self._by_class) not in (0, classes):
            raise SnapshotError(f"read snapshot: {len(self._by_class)} of {classes} classes have allowed names")
        self._known: dict[tuple[int, int], Mapping[WireName, list[Allowed]]] = {}
        for first, count in set(self._by_class):
            found = [each.name for each in self._read(first, count)]
            if any(name > after for name, after in pairwise(found)):
                raise SnapshotError(f"read snapshot: the allowed names from {first} are not sorted")

    def has_any(self, class_index: int) -> bool:
        """Return whether the authority of a class has allowed names, in force or not."""
        return bool(self._by_class) and self._by_class[class_index][1] > 0

    def all_of(self, class_index: int) -> Iterator[Allowed]:
        """Yield the allowed names of the authority of a class, in force or not."""
        if self.has_any(class_index):
            yield from chain.from_iterable(self._of(class_index).values())

    def covers(self, class_index: int, name: WireName, at: Instant) -> bool:
        """Return whether an allowed name that is in force at `at` covers `name`."""
        return self.covering(class_index, name, at) is not None

    def covering(self, class_index: int, name: WireName, at: Instant) -> Allowed | None:
        """Return the allowed name that covers `name` at `at`; of several, the longest. None if there is none."""
        return next((each for each in self._covering(class_index, name) if each.start <= at < each.end), None)

    def next_change(self, class_index: int, names: Sequence[WireName], at: Instant) -> Instant | None:
        """Return the first time after `at` at which an allowed name that covers one of `names` starts or ends."""
        covering = (each for name in names for each in self._covering(class_index, name))
        edges = (edge for each in covering for edge in (each.start, each.end) if at < edge < FOREVER)
        return min(edges, default=None)

    def in_force(self, class_index: int, at: Instant) -> frozenset[tuple[WireName, bool]]:
        """Return the allowed names of a class that are in force at `at`, and whether each is exact."""
        return frozenset((each.name, each.exact) for each in self.all_of(class_index) if each.start <= at < each.end)

    def _covering(self, class_index: int, name: WireName) -> list[Allowed]:
        if not self.has_any(class_index):
            return []
        known = self._of(class_index)
        return [each for suffix in suffixes(name) for each in known.get(suffix, ()) if suffix == name or not each.exact]

    def _of(self, class_index: int) -> Mapping[WireName, list[Allowed]]:
        slice_ = self._by_class[class_index]
        known = self._known.get(slice_)
        if known is None:
            found: dict[WireName, list[Allowed]] = {}
            for each in self._read(*slice_):
                found.setdefault(each.name, []).append(each)
            known = self._known[slice_] = found
        return known

    def _read(self, first: int, count: int) -> list[Allowed]:
        if not count:
            return []
        records, names = (self._parts.get(part) for part in (Part.ALLOWED, Part.ALLOWED_NAMES))
        if records is None or names is None:
            raise SnapshotError("read snapshot: a class has allowed names that do not exist")
        found = []
        for start, end, offset, size, exact in records.records(ALLOWED, first, count):
            if start >= end or exact > 1:
                raise SnapshotError(f"read snapshot: an allowed name from {start} to {end} is invalid")
            found.append(Allowed(names.slice(offset, size), bool(exact), start, end))
        return found
