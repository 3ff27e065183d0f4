"""Unregistered prefixes that sent queries, merged by site: in memory only, and updated with each report."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import islice
from threading import Lock
from typing import NamedTuple

from api.http.pagination import not_ours
from api.nodes.schemas import UnregisteredNetwork


class Position(NamedTuple):
    """The position of a prefix in the list: by site, then IPv4 before IPv6, then by address."""

    site: str
    version: int
    network: int


class Queries(NamedTuple):
    """The number of queries from a prefix to one node, and when the last one came."""

    queries: int
    seen_s: float


@dataclass(slots=True)
class _Entry:
    prefix: str
    asked: dict[int, Queries] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unregistered:
    """A prefix of a site, with its recent queries by the number of the node."""

    position: Position
    prefix: str
    asked: dict[int, Queries]


def position_of(site: str, prefix: str) -> Position:
    """Return the position of a prefix. Raise ValueError."""
    network = ip_network(prefix)
    return Position(site, network.version, int(network.network_address))


def named_position(key: str) -> Position:
    """Return the position that a cursor names. Raise Invalid."""
    site, _, prefix = key.partition(" ")
    try:
        return position_of(site, prefix)
    except ValueError as error:
        raise not_ours() from error


class UnregisteredNetworks:
    """The unregistered networks in each node's last report. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._reported: dict[int, tuple[float, dict[str, Position]]] = {}
        self._entries: dict[Position, _Entry] = {}
        self._order: list[Position] | None = []

    def take(self, number: int, site: str, unregistered: Sequence[UnregisteredNetwork], at_s: float) -> None:
        """Replace the networks of a node at a site by those of its report at `at_s`."""
        with self._lock:
            before = self._reported.pop(number, (0.0, {}))[1]
            # Nearly all were in the previous report: their positions are known.
            known = {prefix: position for prefix, position in before.items() if position.site == site}
            now = {one.prefix: known.get(one.prefix) or position_of(site, one.prefix) for one in unregistered}
            for prefix, position in before.items():
                if now.get(prefix) != position:
                    self._drop(number, position)
            for one in unregistered:
                position = now[one.prefix]
                entry = self._entries.get(position)
                if entry is None:
                    entry = self._entries[position] = _Entry(one.prefix)
                    self._order = None
                entry.asked[number] = Queries(one.queries, at_s - one.seen_s_ago)
            if now:
                self._reported[number] = at_s, now

    def forget(self, number: int) -> None:
        """Drop the networks of a node."""
        self.take(number, "", (), 0)

    def expire(self, before_s: float) -> None:
        """Drop the networks of nodes whose last report came at `before_s` or earlier."""
        with self._lock:
            silent = [number for number, (at_s, _) in self._reported.items() if at_s <= before_s]
        for number in silent:
            self.forget(number)

    def listed(
        self, site: str | None, after: Position | None, since_s: float, limit: int, known: Callable[[int], bool]
    ) -> list[Unregistered]:
        """Return the first `limit` prefixes after `after` that sent queries to a `known` node after `since_s`."""
        with self._lock:
            return list(islice(self._found(site, after, since_s, known), limit))

    def _found(
        self, site: str | None, after: Position | None, since_s: float, known: Callable[[int], bool]
    ) -> Iterator[Unregistered]:
        if self._order is None:
            self._order = sorted(self._entries)
        first = Position(site or "", 0, 0)
        for position in islice(
            self._order, bisect_right(self._order, first if after is None else max(first, after)), None
        ):
            if site not in (None, position.site):
                return
            entry = self._entries[position]
            asked = {number: one for number, one in entry.asked.items() if one.seen_s > since_s and known(number)}
            if asked:
                yield Unregistered(position, entry.prefix, asked)

    def _drop(self, number: int, position: Position) -> None:
        entry = self._entries[position]
        del entry.asked[number]
        if not entry.asked:
            del self._entries[position]
            self._order = None
