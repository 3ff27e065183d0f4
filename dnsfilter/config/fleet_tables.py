"""Convert the tables [[fleet]] of a policy file: each becomes a range of the fleets' block, and its names."""

from collections.abc import Callable, Iterator, Sequence

from dnsfilter.config.locations import Fault, KeyPath
from dnsfilter.config.policy_schema import FleetNameTable, FleetTable
from dnsfilter.config.table_times import instant_of
from dnsfilter.policy.calendar import after_day
from dnsfilter.policy.fleets import FleetName, default_number, fleet_prefix
from dnsfilter.policy.model import Instant, Range


class FleetTables:
    """The fleets of a file. Its ranges of addresses come first in the policy: there are `ranges` of them."""

    def __init__(self, tables: Sequence[tuple[int, FleetTable]], ranges: int, zone: Callable[[str], str]) -> None:
        self._tables, self._first, self._zone = tables, ranges, zone
        self._names = [
            (index, position, table, name)
            for index, table in tables
            for position, name in enumerate(table.names)
            if name is not None
        ]

    def ranges(self) -> Iterator[Range]:
        """Yield the range of each fleet."""
        for _, table in self._tables:
            prefix = fleet_prefix(_number(table))
            yield Range(prefix, table.authority, table.funding, table.audience, table.label, table.site)

    def names(self) -> Iterator[FleetName]:
        """Yield the names of all fleets."""
        for _, _, table, name in self._names:
            time_zone = self._zone(table.authority)
            start = 0 if name.from_ is None else instant_of(name.from_, time_zone)
            prefix = fleet_prefix(_number(table))
            yield FleetName(name.token, table.site, prefix, start, _end(name, time_zone))

    def path_in_file(self, path: KeyPath) -> KeyPath:
        """Return the path in the file of a fleet or its name, for its path in the policy; other paths stay."""
        index = path[1] if len(path) > 1 else None
        if not isinstance(index, int):
            return path
        if path[0] == "fleet_name":
            number, position, *_ = self._names[index]
            return ("fleet", number, "names", position, *path[2:])
        if path[0] == "range" and index >= self._first:
            position, table = self._tables[index - self._first]
            return ("fleet", position, *(_key(table) if key == "prefix" else key for key in path[2:]))
        return path

    def faults(self) -> Iterator[Fault]:
        """Yield fleets of a site that have the same number, and names with two ends."""
        seen: set[tuple[str, int]] = set()
        for index, table in self._tables:
            if (table.site, _number(table)) in seen:
                yield Fault(
                    ("fleet", index, _key(table)), f"is that of another fleet of site {table.site!r}: give another one"
                )
            seen.add((table.site, _number(table)))
        for index, position, _, name in self._names:
            if name.until is not None and name.end is not None:
                yield Fault(("fleet", index, "names", position), "has until and end: use one of them")


def _number(table: FleetTable) -> int:
    return default_number(table.site, table.authority, table.label) if table.number is None else table.number


def _key(table: FleetTable) -> str:
    """Return the key that makes the fleet's prefix."""
    return "label" if table.number is None else "number"


def _end(name: FleetNameTable, time_zone: str) -> Instant | None:
    if name.until is not None:
        return after_day(name.until, time_zone)
    return None if name.end is None else instant_of(name.end, time_zone)
