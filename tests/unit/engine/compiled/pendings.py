"""Questions that travel in C as far as they can, over an `Inflight`, to scripted upstreams."""

import select
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.model import Limits
from dnsfilter.engine.exchange import Late
from dnsfilter.engine.handover import Waiter
from dnsfilter.engine.inflight import Inflight
from dnsfilter.engine.listening import UdpListener
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import fixed_size, upstream_slots
from dnsfilter.upstream.attempt import LONGEST_FIRST_WAIT_MS
from dnsfilter.upstream.zones import View
from dnsfilter.wire.names import parse_name
from dnsfilter.wire.query import Query, Question, parse_query
from tests.support.engines import query
from tests.support.scripted import Scripted, says

engine = pytest.importorskip("dnsfilter.engine._engine")

PATIENCE_S = 10
NAME = "plain.example.org"
KNOWN = says({(NAME, "A"): (f"{NAME}. 300 A 198.51.100.10",)})
CLIENT = b"\x7f\0\5\x0a"
LIMITS = Limits()


@dataclass
class Bench:
    """Questions to scripted upstreams, at an instant that tests set."""

    pending: Any
    inflight: Inflight
    poller: select.epoll
    upstreams: Sequence[Scripted]
    slots: "memoryview[int]"
    listeners: dict[int, UdpListener] = field(default_factory=dict)
    now_ms: int = 1_000

    @property
    def now_ns(self) -> int:
        return self.now_ms * 1_000_000

    def ask(self, name: str = NAME, client: bytes = CLIENT, message: bytes = b"", **origin: Any) -> Any:
        return engine.ask_pending(self.pending, message or query(name), client, self.now_ns, **origin)

    def join(self, name: str = NAME, client: bytes = CLIENT, qclass: int = 1) -> list[Any]:
        """The same by way of Python."""
        asked, wire = parsed(query(name)), parse_name(name)
        servers = tuple(range(len(self.upstreams)))
        question = Question(wire + b"\0\1" + qclass.to_bytes(2, "big"), wire, 1, qclass)
        key = CacheKey(0, wire, 1, qclass, False, False)
        return self.inflight.join(key, question, servers, Waiter(asked, client, self.now_ns), self.now_ns)

    def read(self) -> list[Any]:
        """Whatever has arrived, be it at C's sockets or at Python's."""
        found: list[Any] = []
        for fd, _ in self.poller.poll(0):
            if fd in engine.upstream_sockets(self.pending):
                found += engine.read_pending(self.pending, fd, self.now_ns, self.inflight)
            else:
                found += self.inflight.receive(fd, 64, self.now_ns)
        return found

    def await_datagram(self) -> list[Any]:
        assert self.poller.poll(PATIENCE_S)
        return self.read()

    def serve(self) -> None:
        for upstream in self.upstreams:
            if upstream.fileno() >= 0:
                select.select([upstream], [], [], PATIENCE_S)
                upstream.serve()

    def expire(self, after_ms: int) -> list[Any]:
        self.now_ms += after_ms
        found: list[Any] = engine.expire_pending(self.pending, self.now_ns, self.inflight)
        return [result for result in found if not isinstance(result, Late)]

    def failures(self, reason: Failure, server: int = 0) -> int:
        return self.slots[upstream_slots(server + 1)[server].failure(reason)]

    def queries(self, server: int = 0) -> int:
        return self.slots[upstream_slots(server + 1)[server].queries]


@contextmanager
def bench(
    *upstreams: Scripted,
    longest_wait_ms: int = LONGEST_FIRST_WAIT_MS,
    want_ad: bool = False,
    pool_size: int = 256,
    view: Sequence[int] | None = None,
) -> Iterator[Bench]:
    with ExitStack() as stack:
        for upstream in upstreams:
            stack.callback(upstream.close)
        poller = select.epoll()
        stack.callback(poller.close)
        count = len(upstreams)
        slots = memoryview(bytearray(8 * fixed_size(count))).cast("Q")
        stack.callback(slots.release)
        endpoints = [upstream.endpoint for upstream in upstreams]
        counters = upstream_slots(count)
        listeners: dict[int, UdpListener] = {}
        views = [View(0, tuple(range(count)) if view is None else tuple(view))]
        pending = engine.make_pending(
            endpoints, views, poller.fileno(), counters, slots, want_ad, longest_wait_ms, LIMITS, listeners, pool_size
        )
        stack.callback(pending.close)
        inflight = Inflight(
            endpoints, poller, counters, slots, want_ad, longest_wait_ms, engine.SharedRoom(pending), pending.health
        )
        stack.callback(inflight.close)
        yield Bench(pending, inflight, poller, upstreams, slots, listeners)


def is_empty(at: Bench) -> bool:
    return engine.state_of(at.pending)[:3] == (0, 0, 0) and not len(at.inflight)


def parsed(message: bytes) -> Query:
    asked = parse_query(message)
    assert isinstance(asked, Query)
    return asked
