"""Batches of usage for the control plane: what was counted since the previous batch. In memory only.

Each start of this program begins a stream with numbered batches. A batch stays the same until the control plane has
stored it, so that it is counted once. While the control plane is away, there is a batch for each hour.
"""

import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar

from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.model import Instant
from dnsfilter.telemetry.kept_totals import UsageTotals
from dnsfilter.telemetry.policy_words import BanUsage, BypassUsage

BATCH_S: Final = 60
"""Minimum interval in seconds between two batches."""
HOUR_S: Final = 3600
MOST_COUNTS: Final = 2_000
"""Maximum number of counts of each kind in a batch."""
MOST_WAITING: Final = 72
"""Batches that wait for the control plane. Then the last one grows until one is stored."""
Key = TypeVar("Key", BanUsage, BypassUsage)


@dataclass(frozen=True, slots=True)
class Batch:
    """What was counted in `[start, end)`."""

    stream: str
    sequence: int
    start: Instant
    end: Instant
    counts: UsageTotals

    def value(self) -> dict[str, Any]:
        """Return the batch as a report contains it."""
        return {
            "stream": self.stream,
            "sequence": self.sequence,
            "from": instant_text(self.start),
            "until": instant_text(self.end),
            "counts": [
                {
                    "authority": authority,
                    "service": service,
                    "ban_authority": ban_authority,
                    "ground": ground,
                    "result": result,
                    "range": None if prefix is None else {"prefix": prefix},
                    "queries": queries,
                }
                for (authority, service, ban_authority, ground, result, prefix), queries in self.counts.bans.items()
            ],
            "bypass": [
                {"authority": authority, "kind": kind, "queries": queries}
                for (authority, kind), queries in self.counts.bypass.items()
            ],
        }


class UsageBatches:
    """The batches of one stream. Use it in one thread. `now_s` of its methods is wall time in seconds."""

    def __init__(self, now_s: Instant, new_stream: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        self._stream = new_stream()
        self._since = now_s
        self._sequence = 0
        self._made = UsageTotals({}, {})
        """What batches contain so far, also those that were dropped."""
        self._waiting: deque[Batch] = deque()
        self._given = 0
        """The highest sequence of a batch that `next` has returned. It may be stored."""

    def next(self, counted: UsageTotals, now_s: Instant, *, at_once: bool = False) -> Batch | None:
        """Return the oldest batch that is not stored, or None. `counted` is everything since the start.

        Make a new batch if none waits, or in a new hour. With `at_once`, do not wait until a minute is over.
        """
        is_due = at_once or not 0 <= now_s - self._since < BATCH_S
        in_new_hour = now_s // HOUR_S != self._since // HOUR_S
        if is_due and (at_once or not self._waiting or (in_new_hour and len(self._waiting) < MOST_WAITING)):
            self._make(counted, now_s)
        if not self._waiting:
            return None
        self._given = max(self._given, self._waiting[0].sequence)
        return self._waiting[0]

    def forget(self, sequence: int) -> None:
        """Forget the batches through `sequence`: they are stored, or refused."""
        while self._waiting and self._waiting[0].sequence <= sequence:
            self._waiting.popleft()

    def unreported(self, counted: UsageTotals) -> UsageTotals:
        """Return what was never sent of `counted`, for the next program. What was sent may be stored already."""
        bans, bypass = _gained(counted.bans, self._made.bans), _gained(counted.bypass, self._made.bypass)
        for batch in self._waiting:
            if batch.sequence <= self._given:
                continue
            for ban, queries in batch.counts.bans.items():
                bans[ban] = bans.get(ban, 0) + queries
            for attempt, queries in batch.counts.bypass.items():
                bypass[attempt] = bypass.get(attempt, 0) + queries
        return UsageTotals(bans, bypass)

    def _make(self, counted: UsageTotals, now_s: Instant) -> None:
        gained = UsageTotals(
            dict(islice(_gained(counted.bans, self._made.bans).items(), MOST_COUNTS)),
            dict(islice(_gained(counted.bypass, self._made.bypass).items(), MOST_COUNTS)),
        )
        start, self._since = self._since, now_s
        if not gained.bans and not gained.bypass:
            return
        self._sequence += 1
        self._waiting.append(Batch(self._stream, self._sequence, min(start, now_s), now_s, gained))
        self._made = UsageTotals(_sum(self._made.bans, gained.bans), _sum(self._made.bypass, gained.bypass))


def _gained(counted: Mapping[Key, int], before: Mapping[Key, int]) -> dict[Key, int]:
    return {key: queries - before.get(key, 0) for key, queries in counted.items() if queries > before.get(key, 0)}


def _sum(before: Mapping[Key, int], gained: Mapping[Key, int]) -> dict[Key, int]:
    return {**before, **{key: before.get(key, 0) + queries for key, queries in gained.items()}}
