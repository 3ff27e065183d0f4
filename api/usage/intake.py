"""Take usage from reports of nodes, and store it in the background.

A thousand nodes may report every ten seconds, so no report waits for the database. A batch is held until it is stored,
for many nodes in one transaction. A node sends its batch again until a report's answer says that it is stored.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from typing import TypeAlias

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.authorities.state import has_client_level
from api.coverage import repository as coverage
from api.coverage.repository import RangeKey
from api.db.models import AuthorityRow, NodeRow, RangeRow
from api.db.session import Database
from api.jobs import Job
from api.usage import repository
from api.usage.ageing import SWEEP_S, age
from api.usage.repository import BypassKey, ClientKey, DayKey, HourKey
from api.usage.schemas import ClientCount, UsageBatch, UsageCount
from api.usage.state import HOUR_S, HOURS_KEPT_S, MINUTE_S, RESULTS
from dnsfilter.policy.calendar import local_day
from dnsfilter.policy.counted_ranges import counts_bans, not_counted
from dnsfilter.policy.model import Usage
from dnsfilter.telemetry.logs import emit
from dnsfilter.telemetry.metrics import BanGround, Bypass

LOOK_S = 2.0
BATCHES = 50
"""Batches per transaction. An act waits for at most one such transaction."""
MAX_HELD = 200_000
"""Counts that are held until they are stored. Beyond these, nodes keep their batches."""
MAX_HELD_EACH = 4
"""Batches of one node that are held until they are stored."""
_BatchKey: TypeAlias = tuple[int, str, int]
"""The node, the stream and the sequence of a batch."""

log = logging.getLogger("dnsfilter.api")


@dataclass(frozen=True, slots=True)
class _Held:
    """A batch of a node at a site. It was counted from `at_s` to `end_s` and came at `taken_s`, by our clock.

    `clock_off_s` is how far the node's clock is ahead.
    """

    node: int
    site: str
    batch: UsageBatch
    at_s: int
    end_s: int
    taken_s: int
    clock_off_s: int

    @property
    def key(self) -> _BatchKey:
        return self.node, self.batch.stream, self.batch.sequence

    @property
    def size(self) -> int:
        batch = self.batch
        return len(batch.counts) + len(batch.bypass) + len(batch.ranges) + len(batch.clients)

    def minute_of(self, refused: ClientCount) -> int:
        """Return the minute of a refused query by our clock: the nearest one, at most the present one."""
        nearest_s = (refused.minute_s - self.clock_off_s + MINUTE_S // 2) // MINUTE_S
        return min(nearest_s, self.taken_s // MINUTE_S) * MINUTE_S


@dataclass(slots=True)
class _Sums:
    """The counts of some batches, by the row that they belong to."""

    days: Counter[DayKey]
    hours: Counter[HourKey]
    bypass: Counter[BypassKey]
    ranges: dict[RangeKey, Counter[int]]
    asked: dict[RangeKey, int]
    clients: Counter[ClientKey]


class UsageIntake:
    """Batches of nodes that wait to be stored. Thread-safe. `start` starts a thread that stores them."""

    def __init__(self, database: Database, services: Mapping[str, object], clock: Callable[[], float]) -> None:
        self._database = database
        self._services = services
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[_BatchKey, _Held] = {}
        self._stored: dict[int, tuple[str, int]] = {}
        """The last stored batch of each node: its stream and sequence."""
        self._swept_s: float | None = None
        self._job = Job("usage", self._write, every_s=LOOK_S, is_done_at_end=True)

    def take(self, node: int, site: str, batch: UsageBatch, clock_off_s: int) -> int:
        """Hold a batch until it is stored. Return the sequence of the last stored batch of its stream.

        `clock_off_s` is how far the node's clock is ahead. Raise SQLAlchemyError.
        """
        stored = self._last(node, batch.stream)
        if batch.sequence <= stored:
            return stored
        now_s = int(self._clock())
        at_s = min(max(batch.start_s - clock_off_s, now_s - HOURS_KEPT_S), now_s)
        end_s = min(max(batch.end_s - clock_off_s, at_s), now_s)
        held = _Held(node, site, batch, at_s, end_s, now_s, clock_off_s)
        with self._lock:
            size = held.size + sum(each.size for each in self._held.values())
            own = sum(each.node == node for each in self._held.values())
            if size <= MAX_HELD and own < MAX_HELD_EACH:
                self._held.setdefault(held.key, held)
        return stored

    def settle(self) -> None:
        """Store the batches that are held. Raise SQLAlchemyError."""
        for part in self._parts():
            with self._database.writing() as session:
                self._store(session, part)
            with self._lock:
                for held in part:
                    self._stored[held.node] = held.batch.stream, held.batch.sequence
                    del self._held[held.key]

    def sweep(self) -> int:
        """Delete old usage, once an hour. Return the number of deleted counts. Raise SQLAlchemyError."""
        now_s = self._clock()
        if self._swept_s is not None and abs(now_s - self._swept_s) < SWEEP_S:
            return 0
        self._swept_s = now_s
        return age(self._database, int(now_s))

    def start(self) -> None:
        """Start storing in the background."""
        self._job.start()

    def stop(self) -> None:
        """Stop the thread, which stores what is left."""
        self._job.stop()

    def _last(self, node: int, stream: str) -> int:
        known = self._stored.get(node)
        if known is not None and known[0] == stream:
            return known[1]
        with self._database.reading() as session:
            return repository.last_sequence(session, node, stream)

    def _parts(self) -> Iterator[Sequence[_Held]]:
        with self._lock:
            waiting = list(self._held.values())
        return (waiting[start : start + BATCHES] for start in range(0, len(waiting), BATCHES))

    def _store(self, session: Session, part: Sequence[_Held]) -> None:
        sums = _Sums(Counter(), Counter(), Counter(), {}, {}, Counter())
        authorities = _Authorities(session, self._services)
        for held in part:
            batch, node = held.batch, session.get(NodeRow, held.node)
            if node is None or repository.last_sequence(session, held.node, batch.stream) >= batch.sequence:
                continue
            repository.note_sequence(session, held.node, batch.stream, batch.sequence, int(self._clock()))
            _sum(sums, held, authorities)
            _sum_ranges(sums, held, authorities)
        repository.add_days(session, sums.days)
        repository.add_hours(session, sums.hours)
        repository.add_bypass(session, sums.bypass)
        coverage.add(session, sums.asked, sums.ranges)
        repository.add_clients(session, sums.clients)

    def _write(self) -> None:
        for step in (self.settle, self.sweep):
            self._job.attempt(partial(self._try, step))

    def _try(self, step: Callable[[], object]) -> None:
        try:
            step()
        except SQLAlchemyError as error:
            emit(log, logging.WARNING, "usage not stored or not deleted, retrying", error=type(error).__name__)


class _Authorities:
    """What the database knows of authorities while batches are stored."""

    def __init__(self, session: Session, services: Mapping[str, object]) -> None:
        self._session = session
        self._services = services
        self._ranges: dict[str, frozenset[tuple[str, str]]] = {}
        self._counted: dict[tuple[str, str], RangeKey | None] = {}
        """The counted range of a site and prefix. All nodes of a site report the same ranges."""
        rows = session.scalars(select(AuthorityRow)).all()
        self._rows = {row.slug: row for row in rows}
        self._known = {row.slug: (row.usage_level, row.time_zone) for row in rows}

    def day(self, authority: str, at_s: int) -> str | None:
        """Return the authority's day at an instant; None if it is unknown or its queries are not counted."""
        level, zone = self._known.get(authority, (Usage.NONE, ""))
        return None if level is Usage.NONE else local_day(at_s, zone).isoformat()

    def knows(self, count: UsageCount | ClientCount) -> bool:
        """Return whether the ban of a count can exist, and its ground is known."""
        known = count.ban_authority in self._known and count.service in self._services
        return known and count.ground in frozenset(BanGround)

    def notes_clients(self, authority: str, minute_s: int) -> bool:
        """Return whether an authority's usage was at the level `client` in a minute, and its queries are counted."""
        row = self._rows.get(authority)
        if row is None or row.usage_level is Usage.NONE:
            return False
        return has_client_level(row, minute_s, MINUTE_S)

    def range_of(self, count: UsageCount, site: str) -> str | None:
        """Return the range of a count if it is counted on its own: a large enough one of an authority that wants it."""
        if count.range is None:
            return None
        if count.authority not in self._ranges:
            rows = self._session.execute(
                select(RangeRow.site, RangeRow.prefix).where(RangeRow.authority == count.authority)
            )
            self._ranges[count.authority] = frozenset((row.site, row.prefix) for row in rows)
        prefix = count.range.prefix
        large = counts_bans(ip_network(prefix), self._known[count.authority][0])
        return prefix if large and (site, prefix) in self._ranges[count.authority] else None

    def counted_ranges(self, site: str, prefixes: Sequence[str]) -> Iterator[RangeKey]:
        """Yield those of some prefixes that are registered at the site and counted."""
        unknown = [prefix for prefix in prefixes if (site, prefix) not in self._counted]
        self._counted.update(((site, prefix), None) for prefix in unknown)
        for start in range(0, len(unknown), coverage.AT_ONCE):
            named = RangeRow.prefix.in_(unknown[start : start + coverage.AT_ONCE])
            rows = self._session.execute(
                select(RangeRow.authority, RangeRow.prefix).where(RangeRow.site == site, named)
            )
            for authority, prefix in rows:
                if not_counted(ip_network(prefix), self._known[authority][0]) is None:
                    self._counted[site, prefix] = RangeKey(authority, site, prefix)
        found = (self._counted[site, prefix] for prefix in prefixes)
        yield from (key for key in found if key is not None)


def _sum(sums: _Sums, held: _Held, authorities: _Authorities) -> None:
    """Add a batch to the sums. Leave out what is unknown or must not be counted."""
    for count in held.batch.counts:
        day = authorities.day(count.authority, held.at_s)
        if day is None or count.result not in RESULTS or not authorities.knows(count):
            continue
        ban = count.service, count.ban_authority, count.ground, count.result
        sums.days[DayKey(count.authority, day, *ban)] += count.queries
        prefix = authorities.range_of(count, held.site)
        if prefix is not None:
            hour_s = held.at_s - held.at_s % HOUR_S
            sums.hours[HourKey(count.authority, held.site, prefix, hour_s, *ban)] += count.queries
    for attempt in held.batch.bypass:
        day = authorities.day(attempt.authority, held.at_s)
        if day is not None and attempt.kind in frozenset(Bypass):
            sums.bypass[BypassKey(attempt.authority, day, attempt.kind)] += attempt.queries
    for refused in held.batch.clients:
        minute_s = held.minute_of(refused)
        if authorities.knows(refused) and authorities.notes_clients(refused.authority, minute_s):
            decided = refused.service, refused.ban_authority, refused.ground
            sums.clients[ClientKey(refused.authority, minute_s, *decided, refused.client)] += refused.queries


def _sum_ranges(sums: _Sums, held: _Held, authorities: _Authorities) -> None:
    """Add the queries of ranges to the sums. Leave out ranges that are unknown or must not be counted."""
    queries = {one.prefix: one.queries for one in held.batch.ranges if one.queries}
    hour_s = held.at_s - held.at_s % HOUR_S
    for key in authorities.counted_ranges(held.site, list(queries)):
        sums.asked[key] = max(sums.asked.get(key, 0), held.end_s)
        sums.ranges.setdefault(key, Counter())[hour_s] += queries[key.prefix]
