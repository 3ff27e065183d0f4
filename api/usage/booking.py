"""Decide which counts of a batch are taken, and to which rows they belong.

A node's counts are taken only for authorities and ranges of its site. Hours and days are those of the authority's zone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final, NamedTuple, TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.authorities.state import has_client_level
from api.db.models import AuthorityRow, RangeRow
from api.usage import coverage_queries, repository
from api.usage.coverage_queries import RangeKey
from api.usage.repository import BypassKey, ClientKey, DayKey, HourKey, PendingKey, PendingName
from api.usage.schemas import UsageBatch
from api.usage.state import HOUR_S, MINUTE_S, NODES_KEEP_S, RESULTS
from dnsfilter.policy.calendar import local_day, start_of_hour
from dnsfilter.policy.counted_ranges import counts_bans, not_counted
from dnsfilter.policy.model import Prefix, Usage
from dnsfilter.policy.single_names import is_single_name
from dnsfilter.telemetry.metrics import BanGround, Bypass

CLOCK_SLACK_S: Final = 30
"""Seconds by which two clocks may differ without moving counts into the hour before."""


class Count(NamedTuple):
    """Queries for a service by the ban that decided, of all ranges that are not counted on their own or of `prefix`."""

    authority: str
    service: str
    ban_authority: str
    ground: str
    result: str
    prefix: str | None
    queries: int


class Attempts(NamedTuple):
    """Attempts to bypass the resolver."""

    authority: str
    kind: str
    queries: int


class RangeTotal(NamedTuple):
    """All queries of a range."""

    prefix: str
    queries: int


class Refused(NamedTuple):
    """Refused queries of a client in a minute, by the node's clock."""

    authority: str
    minute_s: int
    service: str
    ban_authority: str
    ground: str
    client: str
    queries: int


Item: TypeAlias = Count | Attempts | RangeTotal | PendingName | Refused


@dataclass(frozen=True, slots=True)
class HeldBatch:
    """A batch of a node at a site. It was counted from `start_s` to `end_s` and came at `taken_s`, by our clock.

    `items` has counts of all kinds, in an order that never changes: a part of them may be stored already.
    `clock_off_s` is how far the node's clock is ahead.
    """

    node: int
    site: str
    stream: str
    sequence: int
    items: Sequence[Item]
    start_s: int
    end_s: int
    taken_s: int
    clock_off_s: int

    @property
    def key(self) -> tuple[int, str, int]:
        """Return the node, the stream and the sequence."""
        return self.node, self.stream, self.sequence

    @property
    def counted_s(self) -> int:
        """Return an instant that is in the hour of the queries, also if the clocks differ by some seconds.

        A node ends a batch at each quarter of an hour.
        """
        return self.start_s + min((self.end_s - self.start_s) // 2, CLOCK_SLACK_S)

    def minute_of(self, refused: Refused) -> int:
        """Return the minute of a refused query by our clock: the nearest one, at most the present one."""
        nearest_s = (refused.minute_s - self.clock_off_s + MINUTE_S // 2) // MINUTE_S
        return min(nearest_s, self.taken_s // MINUTE_S) * MINUTE_S


def items_of(batch: UsageBatch) -> Sequence[Item]:
    """Return the counts of a batch as tuples. Thousands of models would slow down the garbage collector."""
    return (
        *(
            Count(
                one.authority,
                one.service,
                one.ban_authority,
                one.ground,
                one.result,
                None if one.range is None else one.range.prefix,
                one.queries,
            )
            for one in batch.counts
        ),
        *(Attempts(one.authority, one.kind, one.queries) for one in batch.bypass),
        *(RangeTotal(one.prefix, one.queries) for one in batch.ranges),
        *(PendingName(one.authority, one.service, one.name, one.queries) for one in batch.pending),
        *(
            Refused(one.authority, one.minute_s, one.service, one.ban_authority, one.ground, one.client, one.queries)
            for one in batch.clients
        ),
    )


@dataclass(frozen=True, slots=True)
class Part:
    """The counts `first` up to but without `last` of a batch."""

    held: HeldBatch
    first: int
    last: int

    @property
    def items(self) -> Sequence[Item]:
        """Return the counts."""
        return self.held.items[self.first : self.last]


@dataclass(slots=True)
class Sums:
    """The counts of some batches, by the row that they belong to."""

    days: Counter[DayKey] = field(default_factory=Counter)
    hours: Counter[HourKey] = field(default_factory=Counter)
    bypass: Counter[BypassKey] = field(default_factory=Counter)
    pending: Counter[PendingKey] = field(default_factory=Counter)
    ranges: dict[RangeKey, Counter[int]] = field(default_factory=dict)
    asked: dict[RangeKey, int] = field(default_factory=dict)
    clients: Counter[ClientKey] = field(default_factory=Counter)


class Registered:
    """What is registered at one revision of the policy. It is read as it is needed, and kept."""

    def __init__(self, revision: int, services: Mapping[str, object], now_s: int) -> None:
        self._since_s = now_s - NODES_KEEP_S
        self.revision = revision
        self._services = services
        self._authorities: dict[str, AuthorityRow] | None = None
        self._owners: dict[tuple[str, str], tuple[str, Prefix] | None] = {}
        """The authority and the prefix of a range, by site and prefix; None if it is not registered."""
        self._at_site: dict[tuple[str, str], bool] = {}
        """Whether an authority has ranges at a site, or had some when a node may have counted."""
        self._former: dict[str, frozenset[str]] = {}

    def read(self, session: Session, parts: Iterable[Part]) -> None:
        """Read what `book` needs for these counts. The session must see the policy at this revision."""
        if self._authorities is None:
            self._authorities = {row.slug: row for row in session.scalars(select(AuthorityRow))}
        for part in parts:
            site = part.held.site
            named = {item.prefix for item in part.items if isinstance(item, Count | RangeTotal)}
            self._read_owners(session, site, {prefix for prefix in named if prefix is not None})
            for slug in {item.authority for item in part.items if not isinstance(item, RangeTotal)}:
                self._read_presence(session, site, slug)

    def book(self, parts: Iterable[Part]) -> Sums:
        """Return the sums of these counts. Leave out what is unknown, is of another site, or must not be counted."""
        sums = Sums()
        for part in parts:
            for item in part.items:
                match item:
                    case Count():
                        self._book_count(sums, part.held, item)
                    case Attempts():
                        self._book_bypass(sums, part.held, item)
                    case RangeTotal():
                        self._book_range(sums, part.held, item)
                    case PendingName():
                        self._book_pending(sums, part.held, item)
                    case Refused():
                        self._book_client(sums, part.held, item)
        return sums

    def _book_count(self, sums: Sums, held: HeldBatch, count: Count) -> None:
        row = self._counted(held, count.authority)
        if row is None or count.result not in RESULTS or not self._knows(count):
            return
        at_s, ban = held.counted_s, (count.service, count.ban_authority, count.ground, count.result)
        sums.days[DayKey(row.slug, local_day(at_s, row.time_zone).isoformat(), *ban)] += count.queries
        prefix, owner = count.prefix, self._owners.get((held.site, count.prefix or ""))
        if prefix is not None and owner is not None and owner[0] == row.slug and counts_bans(owner[1], row.usage_level):
            hour_s = start_of_hour(at_s, row.time_zone)
            sums.hours[HourKey(row.slug, held.site, prefix, hour_s, *ban)] += count.queries

    def _book_bypass(self, sums: Sums, held: HeldBatch, attempt: Attempts) -> None:
        row = self._counted(held, attempt.authority)
        if row is not None and attempt.kind in frozenset(Bypass):
            day = local_day(held.counted_s, row.time_zone).isoformat()
            sums.bypass[BypassKey(row.slug, day, attempt.kind)] += attempt.queries

    def _book_pending(self, sums: Sums, held: HeldBatch, pending: PendingName) -> None:
        row = self._counted(held, pending.authority)
        if row is not None and pending.queries and pending.service in self._services:
            day = local_day(held.counted_s, row.time_zone).isoformat()
            sums.pending[PendingKey(row.slug, day, pending.service, pending.name)] += pending.queries

    def _book_range(self, sums: Sums, held: HeldBatch, asked: RangeTotal) -> None:
        owner = self._owners[held.site, asked.prefix]
        row = None if owner is None else self._counted(held, owner[0])
        if owner is None or row is None or not asked.queries or not_counted(owner[1], row.usage_level) is not None:
            return
        key = RangeKey(row.slug, held.site, asked.prefix)
        sums.asked[key] = max(sums.asked.get(key, 0), held.end_s)
        sums.ranges.setdefault(key, Counter())[held.counted_s - held.counted_s % HOUR_S] += asked.queries

    def _book_client(self, sums: Sums, held: HeldBatch, refused: Refused) -> None:
        row, minute_s = self._counted(held, refused.authority), held.minute_of(refused)
        if row is not None and self._knows(refused) and has_client_level(row, minute_s, MINUTE_S):
            decided = refused.service, refused.ban_authority, refused.ground
            sums.clients[ClientKey(row.slug, minute_s, *decided, refused.client)] += refused.queries

    def _counted(self, held: HeldBatch, authority: str) -> AuthorityRow | None:
        """Return an authority of the node's site whose queries are counted; None for another one."""
        row = (self._authorities or {}).get(authority)
        if row is None or row.usage_level is Usage.NONE or not self._at_site[held.site, authority]:
            return None
        return row

    def _knows(self, count: Count | Refused) -> bool:
        """Return whether the ban of a count can exist, and its ground is known."""
        # A node may refuse a single name by itself, which the policy does not know.
        is_own = count.ban_authority == count.authority and count.ground == BanGround.OWN
        is_known = count.service in self._services or (is_own and is_single_name(count.service))
        return is_known and count.ban_authority in (self._authorities or {}) and count.ground in frozenset(BanGround)

    def _read_owners(self, session: Session, site: str, prefixes: set[str]) -> None:
        unknown = [prefix for prefix in prefixes if (site, prefix) not in self._owners]
        self._owners.update(((site, prefix), None) for prefix in unknown)
        for start in range(0, len(unknown), coverage_queries.AT_ONCE):
            named = RangeRow.prefix.in_(unknown[start : start + coverage_queries.AT_ONCE])
            rows = session.execute(select(RangeRow.authority, RangeRow.prefix).where(RangeRow.site == site, named))
            for authority, prefix in rows:
                self._owners[site, prefix] = authority, ip_network(prefix)
                self._at_site[site, authority] = True

    def _read_presence(self, session: Session, site: str, slug: str) -> None:
        if (site, slug) not in self._at_site:
            found = select(RangeRow.id).where(RangeRow.authority == slug, RangeRow.site == site).limit(1)
            self._at_site[site, slug] = session.scalar(found) is not None or slug in self._former_at(session, site)

    def _former_at(self, session: Session, site: str) -> frozenset[str]:
        if site not in self._former:
            self._former[site] = repository.former_authorities(session, site, self._since_s)
        return self._former[site]
