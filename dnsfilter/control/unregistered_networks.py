"""Networks in no range that sent queries recently, over all workers, so that a forgotten network is found.

They are in memory only: in no log, no metric and no file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import nlargest
from ipaddress import IPv4Network, IPv6Network

from dnsfilter.engine.unregistered_counts import Noted
from dnsfilter.policy.model import DAY_S

MOST_UNREGISTERED = 256
"""Maximum number of networks that one node keeps and reports."""
REMEMBERED_S = DAY_S


@dataclass(frozen=True, slots=True)
class UnregisteredNetwork:
    """A /24 or /48, the number of its queries since it is remembered, and the age of the last one in seconds."""

    prefix: str
    queries: int
    seen_s_ago: int


class UnregisteredBook:
    """The networks that the workers of a node have reported. Times are seconds of boot time."""

    def __init__(self) -> None:
        self._known: Mapping[bytes, Noted] = {}

    def add(self, noted: Iterable[Noted], now_s: int) -> None:
        """Add a worker's report."""
        self._known = merge(self._known, noted, now_s)

    def listed(self, now_s: int) -> tuple[UnregisteredNetwork, ...]:
        """Return all remembered networks, those with the most queries first."""
        known = [one for one in self._known.values() if now_s - one.seen_s < REMEMBERED_S]
        known.sort(key=lambda one: (-one.queries, one.prefix))
        return tuple(
            UnregisteredNetwork(prefix_text(one.prefix), one.queries, max(now_s - one.seen_s, 0)) for one in known
        )


def merge(known: Mapping[bytes, Noted], noted: Iterable[Noted], now_s: int) -> Mapping[bytes, Noted]:
    """Return the known networks by prefix with new ones added: at most MOST_UNREGISTERED, none silent for a day.

    If there are more, keep those whose slot in an engine's table is reserved longest. So a flood of forged sources
    does not displace a network that sends queries steadily, neither here nor in the engine.
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
    """Return three bytes as an IPv4 /24, six bytes as an IPv6 /48."""
    if len(prefix) == 3:
        return str(IPv4Network((prefix + bytes(1), 24)))
    return str(IPv6Network((prefix + bytes(10), 48)))
