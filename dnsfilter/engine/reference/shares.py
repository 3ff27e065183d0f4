"""Fair shares of a full table: choose the question of a heavy zone or client to evict for a new one.

Every question belongs to groups: its conditional zone, the last two, three and four labels of its name, its client.
Only old questions count for their groups, so answered traffic never makes a group heavy. A group is heavy from
`HEAVY` old questions on. The oldest question of a heavy group is evicted if the new one is in a group of the same kind
with at most half as many. Nothing is evicted for a question whose client and zone are both heavy.

Nothing is counted before the table is full. Each call then examines at most `LOOKS` questions, and once each question
that has become old since the last call.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TypeAlias

from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.limits import client_block
from dnsfilter.wire.names import suffixes

HEAVY = 64
"""Old questions that make a group heavy: a 64th of the table."""
OLD_MS = 200
"""Age in milliseconds from which on a question may be evicted. Most answers take less; Unbound's `jostle-timeout` has
the same default."""
LOOKS = 16
DEPTHS = (2, 3, 4)
"""Numbers of last labels that may be a zone: `example.org`, `example.co.uk`, and zones below them."""

Group: TypeAlias = tuple[int, bytes] | None
"""The kind of a group, which is its index among a question's groups, and the shared value; None counts nothing."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One pending question."""

    key: CacheKey
    client: bytes
    at_ms: int


class Shares:
    """The pending questions, the oldest first."""

    def __init__(self) -> None:
        self._young: dict[CacheKey, Opened] = {}
        self._old: OrderedDict[CacheKey, tuple[Group, ...]] = OrderedDict()
        self._counts: Counter[Group] = Counter()

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def add(self, key: CacheKey, client: bytes, now_ms: int) -> None:
        """Add the question of `key`, first asked by `client`."""
        self._young[key] = Opened(key, client, now_ms)

    def remove(self, key: CacheKey) -> None:
        """Forget the question of `key`."""
        if self._young.pop(key, None) is not None:
            return
        for group in filter(None, self._old.pop(key)):
            self._counts[group] -= 1
            if not self._counts[group]:
                del self._counts[group]

    def find_evictable(self, key: CacheKey, client: bytes, now_ms: int) -> CacheKey | None:
        """Return the question to evict for a new one; None if the new one gets no place."""
        self._count_old(now_ms)
        wanted = self._weights(groups_of(key, client))
        if min(max(wanted[:-1]), wanted[-1]) >= HEAVY:
            return None
        for _ in range(min(LOOKS, len(self._old))):
            oldest, groups = next(iter(self._old.items()))
            held = self._weights(groups)
            if max(held) >= HEAVY:
                lighter = any(old >= HEAVY and new <= old // 2 for new, old in zip(wanted, held, strict=True))
                return oldest if lighter else None
            self._old.move_to_end(oldest)
        return None

    def _weights(self, groups: tuple[Group, ...]) -> list[int]:
        return [self._counts[group] for group in groups]

    def _count_old(self, now_ms: int) -> None:
        while self._young:
            oldest = next(iter(self._young.values()))
            if now_ms - oldest.at_ms < OLD_MS:
                return
            del self._young[oldest.key]
            groups = self._old[oldest.key] = groups_of(oldest.key, oldest.client)
            self._counts.update(filter(None, groups))


def groups_of(key: CacheKey, client: bytes) -> tuple[Group, ...]:
    """Return the groups of a question: conditional zone, the name at each depth, and last the client."""
    above = suffixes(key.name)
    values = [
        key.view.to_bytes(2) if key.view else None,
        *(above[-depth] if len(above) >= depth else None for depth in DEPTHS),
        client_block(client),
    ]
    return tuple(None if value is None else (kind, value) for kind, value in enumerate(values))
