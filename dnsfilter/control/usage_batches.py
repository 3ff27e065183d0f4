"""Batches of usage for the control plane: what was counted since the previous batch. In memory only.

Each start of this program begins a stream with numbered batches. A batch stays the same until the control plane has
stored it, so that it is counted once.

Counts belong to periods. A period ends after a minute. While earlier counts wait for the control plane, it ends at the
next quarter of an hour. So it lies in one hour and one day of every time zone. A period with many counts is sent as
several batches, however long that takes.
"""

import json
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, TypeVar

from dnsfilter.control.refused_queries import RefusedQueries, RefusedQuery
from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.model import Instant
from dnsfilter.telemetry.kept_totals import UsageTotals
from dnsfilter.telemetry.policy_words import BanUsage, BypassUsage, PendingUsage

PERIOD_S: Final = 60
"""Length of a period in seconds, if nothing waits."""
QUARTER_S: Final = 900
"""Hours and days of every time zone begin at a multiple of this."""
MOST_COUNTS: Final = 2_000
"""Maximum number of counts of each kind in a batch."""
MOST_CLIENTS: Final = 1_000
"""Maximum number of refused queries under pseudonyms in a batch."""
MOST_BYTES: Final = 900_000
"""Maximum size of a batch in a report, which has at most 1 MiB. With long slugs, that is fewer counts."""
MOST_WAITING: Final = 288
"""Periods that wait for the control plane: 72 hours. Then the last one grows until one is stored."""
Key = TypeVar("Key", BanUsage, BypassUsage, PendingUsage, str)


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
            "pending": [
                {"authority": authority, "service": service, "name": name, "queries": queries}
                for (authority, service, name), queries in self.counts.pending.items()
            ],
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


@dataclass(slots=True)
class _Period:
    """What was counted in `[start, end)` and is in no batch yet."""

    start: Instant
    end: Instant
    counts: UsageTotals

    def first(self, most: int) -> UsageTotals:
        """Return at most `most` counts of each kind."""
        counts = self.counts
        return UsageTotals(
            _first(counts.bans, most),
            _first(counts.bypass, most),
            _first(counts.ranges, most),
            _first(counts.pending, most),
        )

    def drop(self, counts: UsageTotals) -> None:
        """Drop the first counts, which are in a batch now."""
        own = self.counts
        self.counts = UsageTotals(
            _after(own.bans, counts.bans),
            _after(own.bypass, counts.bypass),
            _after(own.ranges, counts.ranges),
            _after(own.pending, counts.pending),
        )


class UsageBatches:
    """The batches of one stream. Use it in one thread. `now_s` of its methods is wall time in seconds."""

    def __init__(self, now_s: Instant, new_stream: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        self._stream = new_stream()
        self._since = now_s
        self._sequence = 0
        self._seen = UsageTotals()
        """What periods contained so far, also those that were dropped."""
        self._periods: deque[_Period] = deque()
        self._batch: Batch | None = None
        """The batch that `next` returns. It may be stored."""

    def note(self, counted: UsageTotals, now_s: Instant) -> None:
        """End the present period if it is over. `counted` is everything since the start.

        Call this as soon as a quarter of an hour is over: later queries would be in the earlier hour.
        """
        in_new_quarter = now_s // QUARTER_S != self._since // QUARTER_S
        is_idle = self._batch is None and not self._periods
        is_due = not 0 <= now_s - self._since < PERIOD_S
        if (in_new_quarter and len(self._periods) < MOST_WAITING) or (is_due and is_idle):
            self._end_period(counted, now_s)

    def next(
        self,
        counted: UsageTotals,
        now_s: Instant,
        *,
        refused: RefusedQueries | None = None,
        at_once: bool = False,
    ) -> Batch | None:
        """Return the oldest batch that is not stored, or None. `counted` is everything since the start.

        A new batch takes from `refused`, which are queries of authorities at the level `client`. With `at_once`, end
        the present period now.
        """
        self.note(counted, now_s)
        if at_once:
            self._end_period(counted, now_s)
        while self._batch is None and self._periods:
            self._batch = self._cut(self._periods[0], {} if refused is None else refused.take(MOST_CLIENTS, now_s))
            if not self._periods[0].counts and (refused is None or refused.is_empty):
                self._periods.popleft()
        return self._batch

    def forget(self, sequence: int) -> None:
        """Forget the batches through `sequence`: they are stored, or refused."""
        if self._batch is not None and self._batch.sequence <= sequence:
            self._batch = None

    def unreported(self, counted: UsageTotals) -> UsageTotals:
        """Return what was never sent of `counted`, for the next program. What was sent may be stored already."""
        left = _minus(counted, self._seen)
        for period in self._periods:
            left = _plus(left, period.counts)
        return left

    def _end_period(self, counted: UsageTotals, now_s: Instant) -> None:
        start, self._since = self._since, now_s
        self._periods.append(_Period(min(start, now_s), now_s, _minus(counted, self._seen)))
        # Counts of authorities that the rules in force do not count are not in `counted`, but may return.
        self._seen = UsageTotals(
            {**self._seen.bans, **counted.bans},
            {**self._seen.bypass, **counted.bypass},
            {**self._seen.ranges, **counted.ranges},
            {**self._seen.pending, **counted.pending},
        )

    def _cut(self, period: _Period, clients: Mapping[RefusedQuery, int]) -> Batch | None:
        """Return the next batch of a period; None if nothing is left of it."""
        if not period.counts and not clients:
            return None
        self._sequence += 1
        most = MOST_COUNTS
        batch = Batch(self._stream, self._sequence, period.start, period.end, period.first(most), clients)
        while batch.size > MOST_BYTES and most > 1:
            most //= 2
            batch = replace(batch, counts=period.first(most))
        period.drop(batch.counts)
        return batch


def _minus(counted: UsageTotals, seen: UsageTotals) -> UsageTotals:
    """Return what was counted since."""
    return UsageTotals(
        _gained(counted.bans, seen.bans),
        _gained(counted.bypass, seen.bypass),
        _gained(counted.ranges, seen.ranges),
        _gained(counted.pending, seen.pending),
    )


def _plus(one: UsageTotals, other: UsageTotals) -> UsageTotals:
    return UsageTotals(
        _sum(one.bans, other.bans),
        _sum(one.bypass, other.bypass),
        _sum(one.ranges, other.ranges),
        _sum(one.pending, other.pending),
    )


def _gained(counted: Mapping[Key, int], seen: Mapping[Key, int]) -> dict[Key, int]:
    return {key: queries - seen.get(key, 0) for key, queries in counted.items() if queries > seen.get(key, 0)}


def _sum(one: Mapping[Key, int], other: Mapping[Key, int]) -> dict[Key, int]:
    return {**one, **{key: one.get(key, 0) + queries for key, queries in other.items()}}


def _first(counts: Mapping[Key, int], most: int) -> dict[Key, int]:
    return dict(islice(counts.items(), most))


def _after(counts: Mapping[Key, int], first: Mapping[Key, int]) -> dict[Key, int]:
    return dict(islice(counts.items(), len(first), None))
