"""Questions that travel in C and in Python come to the same as those that travel in Python alone, whatever happens."""

import select
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.model import Limits
from dnsfilter.engine.exchange import Cut, Got, Late
from dnsfilter.engine.handover import Waiter
from dnsfilter.engine.inflight import Inflight
from dnsfilter.engine.room import OwnRoom
from dnsfilter.telemetry.slots import fixed_size, upstream_slots
from dnsfilter.upstream.attempt import LONGEST_FIRST_WAIT_MS
from dnsfilter.upstream.zones import View
from dnsfilter.wire.answer import parse_answer
from dnsfilter.wire.query import Query, Question, parse_query
from tests.support.engines import query
from tests.support.scripted import Behaviour, Scripted, denial, fails, lies, reply, silent, truncated

engine = pytest.importorskip("dnsfilter.engine._engine")

PATIENCE_S = 10
SERVERS = 3
LIMITS = Limits(waiting=12, waiting_per_client=5)
BEHAVIOURS: tuple[Behaviour, ...] = (
    lambda asked: (reply(asked, (f"{asked.name}. 300 A 198.51.100.10",)),),
    lambda asked: (reply(asked, (f"{asked.name}. 300 CNAME www.example.net.",)),),
    lambda asked: (denial(asked, "example.org"),),
    lambda asked: (truncated(asked),),
    lambda asked: (truncated(asked)[:-3],),
    lambda asked: lies(asked)[4:9],
    lambda asked: (lies(asked)[7], reply(asked, (f"{asked.name}. 300 A 198.51.100.10",))),
    fails(2),
    fails(5),
    silent,
    silent,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("join"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.sampled_from((1, 30, 400, 1_000)), st.just(0)),
        st.tuples(st.just("serve"), st.integers(0, SERVERS - 1), st.integers(0, len(BEHAVIOURS) - 1)),
    ),
    max_size=25,
)


class Side:
    """One of the two: questions to scripted upstreams, and a log of what came of them."""

    def __init__(self, stack: ExitStack, compiled: bool) -> None:
        self.upstreams = [stack.enter_context(Scripted(BEHAVIOURS[0])) for _ in range(SERVERS)]
        self.poller = stack.enter_context(select.epoll())
        self.slots = memoryview(bytearray(8 * fixed_size(SERVERS))).cast("Q")
        self.log: list[Any] = []
        self.streams = 0
        self.now_ns = 1_000_000_000
        endpoints, counters = [upstream.endpoint for upstream in self.upstreams], upstream_slots(SERVERS)
        self.pending: Any = None
        rest: tuple[Any, ...] = (OwnRoom(LIMITS),)
        if compiled:
            self.pending = engine.make_pending(
                endpoints,
                [View(0, tuple(range(SERVERS)))],
                self.poller.fileno(),
                counters,
                self.slots,
                False,
                LONGEST_FIRST_WAIT_MS,
                LIMITS,
                {},
            )
            stack.callback(self.pending.close)
            rest = (engine.SharedRoom(self.pending), self.pending.health)
        self.inflight = Inflight(endpoints, self.poller, counters, self.slots, False, LONGEST_FIRST_WAIT_MS, *rest)
        stack.callback(self.inflight.close)

    def do(self, what: str, one: int, other: int, ticket: int) -> None:
        if what == "wait":
            self.now_ns += one * 1_000_000
            if self.pending:
                self.take(engine.expire_pending(self.pending, self.now_ns, self.inflight))
            else:
                self.take(list(self.inflight.expire(self.now_ns)))
        elif what == "serve":
            self.upstreams[one].behave = BEHAVIOURS[other]
        else:
            self.ask(query(f"n{one}.example.org", id=ticket), bytes((127, 0, 5, other)), ticket, what == "ask")
        self.settle()

    def ask(self, message: bytes, client: bytes, ticket: int, plain: bool) -> None:
        if plain and self.pending:
            said = engine.ask_pending(self.pending, message, client, self.now_ns, ticket=ticket)
            if said == "full":
                self.log.append(("full", ticket))
            if said != "elsewhere":
                return
        asked = parse_query(message)
        assert isinstance(asked, Query)
        name = asked.question.name
        key, question = CacheKey(0, name, 1, 1, False, False), Question(name + b"\0\1\0\1", name, 1, 1)
        waiter = Waiter(asked, client, self.now_ns, ticket=ticket)
        try:
            self.take(self.inflight.join(key, question, tuple(range(SERVERS)), waiter, self.now_ns))
        except OverflowError:
            self.log.append(("full", ticket))

    def settle(self) -> None:
        """Let everything that was sent arrive, and what is answered to it."""
        asked_before = sum(len(upstream.asked) for upstream in self.upstreams)
        queries = sum(self.slots[counters.queries] for counters in upstream_slots(SERVERS)) - self.streams
        if queries == asked_before:
            return
        answered = set()
        while sum(len(upstream.asked) for upstream in self.upstreams) < queries:
            for upstream in select.select(self.upstreams, [], [], PATIENCE_S)[0]:
                known = len(upstream.asked)
                upstream.serve()
                answered |= {asked.peer for asked in upstream.asked[known:] if tuple(upstream.behave(asked))}
        deadline = time.monotonic() + PATIENCE_S
        while len(ready := self.poller.poll(PATIENCE_S)) < len(answered) if answered else False:
            assert time.monotonic() < deadline
        for fd, _ in ready if answered else ():
            if self.pending and fd in engine.upstream_sockets(self.pending):
                self.take(engine.read_pending(self.pending, fd, self.now_ns, self.inflight))
            else:
                self.take(list(self.inflight.receive(fd, 64, self.now_ns)))
        self.settle()

    def take(self, results: Sequence[Any]) -> None:
        """Note what came of questions, and be done with them; streams fail."""
        for result in results:
            if isinstance(result, tuple):
                message, tickets = result
                self.log.append(("got", parse_answer(message).rcode, tickets))
            elif isinstance(result, Cut):
                self.streams += 1
                self.log.append(("cut", result.server, [waiter.ticket for waiter in result.exchange.waiters]))
                self.take(self.inflight.came_by_stream(result.exchange, None, self.now_ns))
            elif not isinstance(result, Late):
                exchange = result.exchange
                tickets = [waiter.ticket for waiter in exchange.waiters]
                self.log.append(
                    ("got", result.answer.rcode, tickets) if isinstance(result, Got) else (exchange.reason, tickets)
                )
                self.inflight.finish(exchange)

    def seen(self) -> tuple[list[Any], list[int]]:
        """What came of it, and the counts; questions whose waits end at one instant have no order."""
        return sorted(self.log, key=repr), list(self.slots)


@contextmanager
def sides() -> Iterator[tuple[Side, Side]]:
    with ExitStack() as stack:
        yield Side(stack, compiled=True), Side(stack, compiled=False)


@settings(max_examples=150, deadline=None)
@given(done=steps)
def test_replies_reasons_and_counts_are_the_same(done: list[tuple[str, int, int]]) -> None:
    with sides() as (mixed, pure):
        for ticket, (what, one, other) in enumerate([*done, *[("wait", 1_000, 0)] * 8]):
            mixed.do(what, one, other, ticket)
            pure.do(what, one, other, ticket)
            assert mixed.seen() == pure.seen()
        assert engine.state_of(mixed.pending)[:3] == (0, 0, 0)
        assert len(mixed.inflight) == len(pure.inflight) == 0
