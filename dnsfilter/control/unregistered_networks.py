"""The networks in no range that asked lately, over all workers: a forgotten one is found here.

In memory only: they are in no log, no metric and no file, and go with the process.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import nlargest
from ipaddress import IPv4Network, IPv6Network

from dnsfilter.engine.unregistered import Noted

MOST_UNREGISTERED = 256
"""Of one node: that it keeps, and that its report has."""
REMEMBERED_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class UnregisteredNetwork:
    """A /24 or /48, how many queries came from it since it is remembered, and how long ago the last one came."""

    prefix: str
    queries: int
    seen_s_ago: int


class UnregisteredBook:
    """What the workers of a node have told. Times are seconds of boot time."""

    def __init__(self) -> None:
        self._known: Mapping[bytes, Noted] = {}

    def add(self, noted: Iterable[Noted], now_s: int) -> None:
        """Take in what a worker tells."""
        self._known = merge(self._known, noted, now_s)

    def listed(self, now_s: int) -> tuple[UnregisteredNetwork, ...]:
        """All that are remembered, those with the most queries first."""
        known = [one for one in self._known.values() if now_s - one.seen_s < REMEMBERED_S]
        known.sort(key=lambda one: (-one.queries, one.prefix))
        return tuple(
            UnregisteredNetwork(prefix_text(one.prefix), one.queries, max(now_s - one.seen_s, 0)) for one in known
        )


def merge(known: Mapping[bytes, Noted], noted: Iterable[Noted], now_s: int) -> Mapping[bytes, Noted]:
    """What is known by prefix, with what is new added; at most MOST_UNREGISTERED, none that was silent for a day.

    Where there are more, those stay whose place in an engine's table is theirs longest: so a flood of forged sources
    displaces nobody who asks steadily, here no more than there.
    """
    merged = dict(known)
    for one in noted:
        old = merged.get(one.prefix)
        if old is not None:
            one = Noted(one.prefix, old.queries + one.queries, max(old.seen_s, one.seen_s), max(old.ends_s, one.ends_s))
        merged[one.prefix] = one
    remembered = (one for one in merged.values() if now_s - one.seen_s < REMEMBERED_S)
    kept = nlargest(MOST_UNREGISTERED, remembered, key=lambda one: (one.ends_s, one.queries))
    return {one.prefix: one for one in kept}


def prefix_text(prefix: bytes) -> str:
    """Three octets as an IPv4 /24, six as an IPv6 /48."""
    if len(prefix) == 3:
        return str(IPv4Network((prefix + bytes(1), 24)))
    return str(IPv6Network((prefix + bytes(10), 48)))
