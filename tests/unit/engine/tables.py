"""The tables of pending questions of both engines, for tests that apply to each."""

import resource
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.node_config import Endpoint, Limits
from dnsfilter.engine.reference.own_table import OwnTable
from dnsfilter.engine.reference.room import MOST_EXCHANGES, Room
from dnsfilter.engine.slow_path.exchange import Exchange, Waiter
from dnsfilter.engine.slow_path.pending_table import Table
from dnsfilter.telemetry.slots import fixed_size, upstream_slots
from dnsfilter.upstream.health import Health
from dnsfilter.wire.names import parse_name
from dnsfilter.wire.query import Query, parse_query, question_of
from tests.support.engines import query

LIMITS = Limits()


@dataclass
class Bench:
    """A table over sockets to some endpoints. Tests set the time."""

    table: Table
    poller: select.epoll
    now_ms: int = 1_000

    def open(self, key: CacheKey, client: bytes, now_ms: int | None = None) -> Exchange:
        """Begin the exchange of `key`. Raise OverflowError if there is no room."""
        at_ns = (self.now_ms if now_ms is None else now_ms) * 1_000_000
        question = question_of(key.name, key.qtype, key.qclass)
        return self.table.open(key, question, client, at_ns, waiter(client, at_ns))


def waiter(client: bytes, asked_ns: int = 0, ticket: int = 0) -> Waiter:
    """Return a query that waits by stream."""
    return Waiter(_asked(), client, asked_ns, ticket=ticket)


@cache
def _asked() -> Query:
    """Return the one query of all waiters, because tests begin many thousands of questions."""
    asked = parse_query(query("www.example.org", id=7))
    assert isinstance(asked, Query)
    return asked


@lru_cache(maxsize=2 * MOST_EXCHANGES)
def key_of(name: str, view: int = 0, qclass: int = 1) -> CacheKey:
    """Return the key of a question for addresses."""
    return CacheKey(view, parse_name(name), 1, qclass, False, False)


def make_table(
    kind: str, endpoints: Sequence[Endpoint], poller: select.epoll, limits: Limits
) -> tuple[Table, Callable[[], None]]:
    """Return a table of a kind of engine, and the function that closes it."""
    if kind == "reference":
        own = OwnTable(endpoints, poller, Room(limits), Health(len(endpoints)))
        return own, own.close
    engine: Any = import_module("dnsfilter.engine._engine")
    count = len(endpoints)
    slots = memoryview(bytearray(8 * fixed_size(count))).cast("Q")
    pending = engine.make_pending(
        endpoints, [], poller.fileno(), upstream_slots(count), slots, False, 1, limits, engine.Store(0, 0)
    )
    return engine.PendingTable(pending, {}), pending.close


@contextmanager
def bench(kind: str, *endpoints: Endpoint, limits: Limits = LIMITS) -> Iterator[Bench]:
    """Yield a table of a kind of engine."""
    with select.epoll() as poller:
        table, close = make_table(kind, endpoints, poller, limits)
        try:
            yield Bench(table, poller)
        finally:
            close()


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """Prevent new descriptors. Open ones stay usable."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
