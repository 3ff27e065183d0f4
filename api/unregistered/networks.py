"""Prefixes in no range that nodes had queries from, merged by site: in memory only, and changed report by report."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import islice
from threading import Lock
from typing import NamedTuple

from api.nodes.schemas import UnregisteredNetwork


class Place(NamedTuple):
    """Where a prefix comes in the list: by site, then by address, those of IPv4 first."""

    site: str
    version: int
    network: int


class Asked(NamedTuple):
    """Queries of one node from a prefix, and when the last came."""

    queries: int
    seen_s: float


@dataclass(slots=True)
class _Entry:
    prefix: str
    asked: dict[int, Asked] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unregistered:
    """A prefix of a site with what was lately asked from it, by the number of the node."""

    place: Place
    prefix: str
    asked: dict[int, Asked]


def place_of(site: str, prefix: str) -> Place:
    """The place of a prefix; raises ValueError."""
    network = ip_network(prefix)
    return Place(site, network.version, int(network.network_address))


class UnregisteredNetworks:
    """What each node told last. Safe in threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._told: dict[int, tuple[float, dict[str, Place]]] = {}
        self._entries: dict[Place, _Entry] = {}
        self._order: list[Place] | None = []

    def take(self, number: int, site: str, unregistered: Sequence[UnregisteredNetwork], at_s: float) -> None:
        """What a node at a site tells at `at_s`, in place of what it told before."""
        with self._lock:
            before = self._told.pop(number, (0.0, {}))[1]
            # Nearly all were told before: their places are known.
            known = {prefix: place for prefix, place in before.items() if place.site == site}
            now = {one.prefix: known.get(one.prefix) or place_of(site, one.prefix) for one in unregistered}
            for prefix, place in before.items():
                if now.get(prefix) != place:
                    self._drop(number, place)
            for one in unregistered:
                place = now[one.prefix]
                entry = self._entries.get(place)
                if entry is None:
                    entry = self._entries[place] = _Entry(one.prefix)
                    self._order = None
                entry.asked[number] = Asked(one.queries, at_s - one.seen_s_ago)
            if now:
                self._told[number] = at_s, now

    def forget(self, number: int) -> None:
        """Drop what a node told."""
        self.take(number, "", (), 0)

    def expire(self, before_s: float) -> None:
        """Drop what nodes told by then that have told nothing since."""
        with self._lock:
            silent = [number for number, (at_s, _) in self._told.items() if at_s <= before_s]
        for number in silent:
            self.forget(number)

    def listed(
        self, site: str | None, after: Place | None, since_s: float, limit: int, known: Callable[[int], bool]
    ) -> list[Unregistered]:
        """The first `limit` behind `after` that a node which is `known` had queries from after `since_s`."""
        with self._lock:
            return list(islice(self._found(site, after, since_s, known), limit))

    def _found(
        self, site: str | None, after: Place | None, since_s: float, known: Callable[[int], bool]
    ) -> Iterator[Unregistered]:
        if self._order is None:
            self._order = sorted(self._entries)
        first = Place(site or "", 0, 0)
        for place in islice(
            self._order, bisect_right(self._order, first if after is None else max(first, after)), None
        ):
            if site not in (None, place.site):
                return
            entry = self._entries[place]
            asked = {number: one for number, one in entry.asked.items() if one.seen_s > since_s and known(number)}
            if asked:
                yield Unregistered(place, entry.prefix, asked)

    def _drop(self, number: int, place: Place) -> None:
        entry = self._entries[place]
        del entry.asked[number]
        if not entry.asked:
            del self._entries[place]
            self._order = None
