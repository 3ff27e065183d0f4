"""Batches of usage for the control plane: what was counted since the previous batch. In memory only.

Each start of this program begins a stream with numbered batches. A batch stays the same until the control plane has
stored it, so that it is counted once. While the control plane is away, there is a batch for each hour.
"""

import json
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any, Final, TypeVar

from dnsfilter.control.refused_queries import RefusedQueries, RefusedQuery
from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.model import Instant
from dnsfilter.telemetry.kept_totals import UsageTotals
from dnsfilter.telemetry.policy_words import BanUsage, BypassUsage

BATCH_S: Final = 60
"""Minimum interval in seconds between two batches."""
HOUR_S: Final = 3600
MOST_COUNTS: Final = 2_000
"""Maximum number of counts of each kind in a batch."""
MOST_CLIENTS: Final = 1_000
"""Maximum number of refused queries under pseudonyms in a batch."""
MOST_BYTES: Final = 900_000
"""Maximum size of a batch in a report, which has at most 1 MiB. With long slugs, that is fewer counts."""
MOST_WAITING: Final = 72
"""Batches that wait for the control plane. Then the last one grows until one is stored."""
Key = TypeVar("Key", BanUsage, BypassUsage, str)


@dataclass(frozen=True, slots=True)
class Batch:
    """What was counted in `[start, end)`."""

    stream: str
    sequence: int
    start: Instant
    end: Instant
    counts: UsageTotals
    clients: Mapping[RefusedQuery, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Return the size of the batch in a report, in bytes."""
        return len(json.dumps(self.value(), separators=(",", ":")))

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
            "ranges": [{"prefix": prefix, "queries": queries} for prefix, queries in self.counts.ranges.items()],
            "clients": [
                {
                    "minute": instant_text(refused.minute_s),
                    "authority": refused.authority,
                    "service": refused.service,
                    "ban_authority": refused.ban_authority,
                    "ground": refused.ground,
                    "client": refused.client,
                    "queries": queries,
                }
                for refused, queries in self.clients.items()
            ],
        }


class UsageBatches:
    """The batches of one stream. Use it in one thread. `now_s` of its methods is wall time in seconds."""

    def __init__(self, now_s: Instant, new_stream: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        self._stream = new_stream()
        self._since = now_s
        self._sequence = 0
        self._made = UsageTotals()
        """What batches contain so far, also those that were dropped."""
        self._waiting: deque[Batch] = deque()
        self._given = 0
        """The highest sequence of a batch that `next` has returned. It may be stored."""

    def next(
        self,
        counted: UsageTotals,
        now_s: Instant,
        *,
        refused: RefusedQueries | None = None,
        at_once: bool = False,
    ) -> Batch | None:
        """Return the oldest batch that is not stored, or None. `counted` is everything since the start.

        A new batch takes from `refused`, which are queries of authorities at the level `client`.

        Make a new batch if none waits, or in a new hour. With `at_once`, do not wait until a minute is over.
        """
        is_due = at_once or not 0 <= now_s - self._since < BATCH_S
        in_new_hour = now_s // HOUR_S != self._since // HOUR_S
        if is_due and (at_once or not self._waiting or (in_new_hour and len(self._waiting) < MOST_WAITING)):
            self._make(counted, now_s, {} if refused is None else refused.take(MOST_CLIENTS, now_s))
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
        left = _minus(counted, self._made)
        for batch in self._waiting:
            if batch.sequence > self._given:
                left = _plus(left, batch.counts)
        return left

    def _make(self, counted: UsageTotals, now_s: Instant, clients: Mapping[RefusedQuery, int]) -> None:
        start, self._since = self._since, now_s
        most = MOST_COUNTS
        gained = _minus(counted, self._made, most)
        if not gained.bans and not gained.bypass and not gained.ranges and not clients:
            return
        self._sequence += 1
        batch = Batch(self._stream, self._sequence, min(start, now_s), now_s, gained, clients)
        while batch.size > MOST_BYTES and most > 1:
            most //= 2
            batch = replace(batch, counts=_minus(counted, self._made, most))
        self._waiting.append(batch)
        self._made = _plus(self._made, batch.counts)


def _minus(counted: UsageTotals, made: UsageTotals, most: int | None = None) -> UsageTotals:
    """Return what was counted and is not made, at most `most` counts of each kind: those not made for longest."""
    return UsageTotals(
        _gained(counted.bans, made.bans, most),
        _gained(counted.bypass, made.bypass, most),
        _gained(counted.ranges, made.ranges, most),
    )


def _plus(made: UsageTotals, gained: UsageTotals) -> UsageTotals:
    return UsageTotals(_sum(made.bans, gained.bans), _sum(made.bypass, gained.bypass), _sum(made.ranges, gained.ranges))


def _gained(counted: Mapping[Key, int], made: Mapping[Key, int], most: int | None) -> dict[Key, int]:
    never = (key for key in counted if key not in made)
    gained = ((key, counted.get(key, 0) - made.get(key, 0)) for key in chain(never, made))
    return dict(islice(((key, queries) for key, queries in gained if queries > 0), most))


def _sum(before: Mapping[Key, int], gained: Mapping[Key, int]) -> dict[Key, int]:
    """Add what was gained. Its keys come last, so that `_gained` returns the others first the next time."""
    summed = {key: queries for key, queries in before.items() if key not in gained}
    summed.update((key, before.get(key, 0) + queries) for key, queries in gained.items())
    return summed
