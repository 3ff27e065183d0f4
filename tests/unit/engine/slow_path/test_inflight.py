"""Pending questions: limits, joining, matching, and the effect of ICMP errors."""

import select
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.node_config import Limits, Strategy
from dnsfilter.engine.reference.own_table import OwnTable
from dnsfilter.engine.reference.room import CROWDED_FROM, Room
from dnsfilter.engine.slow_path.exchange import Exchange, Gone, Got, Late, Result, Waiter, resume_exchange
from dnsfilter.engine.slow_path.inflight import EXPIRED, LONGEST_CHAIN_MS, Inflight
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import fixed_size, upstream_slots
from dnsfilter.upstream.attempt import LONGEST_FIRST_WAIT_MS
from dnsfilter.upstream.health import LONGEST_WAIT_MS, Health
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.names import parse_name
from dnsfilter.wire.query import Query, Question, parse_query
from tests.support.engines import query
from tests.support.scripted import Scripted, reply, says, silent, truncated

PATIENCE_S = 10
NAME = "plain.example.org"
KNOWN = says({(NAME, "A"): (f"{NAME}. 300 A 198.51.100.10",)})


@dataclass
class Bench:
    """Exchanges with scripted upstreams. Tests set the time."""

    inflight: Inflight
    table: OwnTable
    poller: select.epoll
    upstreams: Sequence[Scripted]
    slots: "memoryview[int]"
    now_ms: int = 1_000
    late: list[Exchange] = field(default_factory=list)

    def join(self, name: str = NAME, client: bytes = b"\x7f\0\5\x0a") -> list[Result]:
        asked = parse_query(query(name))
        assert isinstance(asked, Query)
        wire = parse_name(name)
        question = Question(wire + b"\0\1\0\1", wire, 1, 1)
        servers = tuple(range(len(self.upstreams)))
        waiter = Waiter(asked, client, self.now_ms * 1_000_000)
        return self.inflight.join(
            CacheKey(0, wire, 1, 1, False, False), question, servers, waiter, self.now_ms * 1_000_000
        )

    def read(self) -> list[Result]:
        """Return the results of all datagrams that have arrived."""
        now_ns = self.now_ms * 1_000_000
        arrivals = [arrival for fd, _ in self.poller.poll(0) for arrival in self.table.receive(fd, 64, now_ns)]
        return [result for arrival in arrivals for result in self.inflight.arrived(*arrival, now_ns)]

    def await_datagram(self) -> None:
        assert self.poller.poll(PATIENCE_S)

    def serve(self) -> None:
        for upstream in self.upstreams:
            if upstream.fileno() >= 0:
                select.select([upstream], [], [], PATIENCE_S)
                upstream.serve()

    def expire(self, after_ms: int) -> list[Result]:
        """Return what has ended; add late exchanges to `late`."""
        self.now_ms += after_ms
        results = list(self.inflight.expire(self.now_ms * 1_000_000))
        self.late += [result.exchange for result in results if isinstance(result, Late)]
        return [result for result in results if not isinstance(result, Late)]

    def failures(self, reason: Failure, server: int = 0) -> int:
        return self.slots[upstream_slots(server + 1)[server].failure(reason)]


@contextmanager
def bench(
    *upstreams: Scripted,
    longest_wait_ms: int = LONGEST_FIRST_WAIT_MS,
    room: Room | None = None,
    strategy: Strategy = Strategy.ORDERED,
) -> Iterator[Bench]:
    with ExitStack() as stack:
        for upstream in upstreams:
            stack.callback(upstream.close)
        poller = select.epoll()
        stack.callback(poller.close)
        count = len(upstreams)
        slots = memoryview(bytearray(8 * fixed_size(count))).cast("Q")
        endpoints = [upstream.endpoint for upstream in upstreams]
        health = Health(count)
        table = OwnTable(endpoints, poller, room or Room(Limits()), health)
        stack.callback(table.close)
        zones = Zones(endpoints, [], strategy=strategy)
        inflight = Inflight(table, health, zones, upstream_slots(count), slots, False, longest_wait_ms)
        yield Bench(inflight, table, poller, upstreams, slots)


def test_next_alarm_is_at_the_end_of_the_first_wait() -> None:
    with bench(Scripted(silent)) as at:
        assert at.inflight.next_alarm_ms() is None
        at.join()
        alarm_ms = at.inflight.next_alarm_ms()
        assert alarm_ms is not None
        assert at.expire(alarm_ms - at.now_ms - 1) == []
        assert at.failures(Failure.TIMEOUT) == 0
        assert at.expire(1) == []
        assert at.failures(Failure.TIMEOUT) == 1
        later_ms = at.inflight.next_alarm_ms()
        assert later_ms is not None
        assert later_ms > alarm_ms


def test_the_first_wait_is_no_longer_than_configured() -> None:
    with bench(Scripted(silent), longest_wait_ms=150) as at:
        at.join()
        assert at.inflight.next_alarm_ms() == at.now_ms + 150


@pytest.mark.parametrize("others", [0, 1])
def test_slow_answer_is_timed_from_the_first_send_to_its_server(others: int) -> None:
    slow = Scripted(silent)
    with bench(slow, *(Scripted(silent) for _ in range(others))) as at:
        at.join()
        select.select([slow], [], [], PATIENCE_S)
        slow.serve()
        assert at.expire(800) == []  # asked again, or another server
        at.now_ms += 50
        slow.say(slow.asked[0], reply(slow.asked[0], (f"{NAME}. 300 A 198.51.100.10",)))
        at.await_datagram()
        (got,) = at.read()
        assert isinstance(got, Got)
        assert at.inflight.health.first_wait_ms(0) == LONGEST_WAIT_MS


@pytest.mark.parametrize("place", [2, 5], ids=["opcode", "questions"])
def test_message_that_is_no_answer_is_not_treated_as_truncated(place: int) -> None:
    with bench(Scripted(silent)) as at:
        at.join()
        at.serve()
        (asked,) = at.upstreams[0].asked
        cut = truncated(asked)
        at.upstreams[0].say(asked, cut[:place] + bytes([cut[place] ^ 0x08]) + cut[place + 1 :])
        at.await_datagram()
        assert at.read() == []
        assert at.failures(Failure.MALFORMED) == 1


def test_icmp_error_about_one_question_does_not_fail_another_on_the_same_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dnsfilter.engine.reference.pool.POOL_SIZE", 1)
    gone = Scripted(silent)
    gone.close()
    with bench(gone) as at:
        at.join("first.example.org")
        at.await_datagram()  # the next call on the socket reports the error
        assert at.join("second.example.org") == []
        assert len(at.table) == 2


def test_idle_pool_wakes_up_until_its_sockets_are_retired() -> None:
    with bench(Scripted(KNOWN)) as at:
        at.join()
        at.serve()
        at.await_datagram()
        (got,) = at.read()
        assert isinstance(got, Got)
        at.inflight.finish(got.exchange)
        at.expire(5_000)
        alarm_ms = at.inflight.next_alarm_ms()
        assert alarm_ms is not None
        assert alarm_ms > at.now_ms
        at.expire(31_000)
        assert at.inflight.next_alarm_ms() is None


def test_all_legs_of_a_chain_share_one_deadline() -> None:
    with bench(Scripted(KNOWN)) as at:
        at.join()
        at.serve()
        at.await_datagram()
        (got,) = at.read()
        assert isinstance(got, Got)
        question = got.exchange.question
        later_ns = (at.now_ms + LONGEST_CHAIN_MS) * 1_000_000
        assert at.inflight.follow(got.exchange, question, (0,), later_ns - 1_000_000) == []
        assert got.exchange.wait_until_ms == later_ns // 1_000_000
        assert at.inflight.follow(got.exchange, question, (0,), later_ns) == [Gone(got.exchange)]


def test_resumed_exchange_continues_as_one_that_sent_the_question() -> None:
    with bench(Scripted(silent), Scripted(silent)) as at:
        at.join()
        (opened,) = (at.table.get(1),)
        assert opened is not None
        number, client = opened.number, opened.client
        again = resume_exchange(number, opened.key, (0, 1), 800, (), at.now_ms * 1_000_000, client)
        for name in ("question", "started_ms", "server", "sent", "asked_ns", "wait_until_ms", "deadline_ms", "reason"):
            assert getattr(again, name) == getattr(opened, name), name
        later_ms = at.now_ms + 800
        assert again.attempt.on_timeout(later_ms) == opened.attempt.on_timeout(later_ms)


def test_resumed_race_continues_as_one_that_sent_both_questions() -> None:
    with bench(Scripted(silent), Scripted(silent), strategy=Strategy.RACE) as at:
        at.join()
        opened = at.table.get(1)
        assert opened is not None
        again = resume_exchange(1, opened.key, (0, 1), 800, (), at.now_ms * 1_000_000, opened.client, raced=True)
        for name in ("server", "sent", "asked_ns", "wait_until_ms"):
            assert getattr(again, name) == getattr(opened, name), name
        assert again.attempt.racers == opened.attempt.racers == {0, 1}
        later_ms = at.now_ms + 800
        assert again.attempt.on_timeout(later_ms) == opened.attempt.on_timeout(later_ms)


@pytest.mark.parametrize(("others", "patience_ms"), [(CROWDED_FROM - 2, 4_900), (CROWDED_FROM - 1, 1_500)])
def test_crowded_table_shortens_waits(others: int, patience_ms: int) -> None:
    room = Room(Limits(waiting_per_client=4096))
    for number in range(others):
        room.enter(b"\x7f\0\7\x0a", CacheKey(0, parse_name(f"n{number}.example.org"), 1, 1, False, False))
    with bench(Scripted(silent), room=room) as at:
        at.join()
        waited_ms = 100
        while not (results := at.expire(100)):
            waited_ms += 100
        assert [type(result) for result in results] == [Gone]
        assert waited_ms == patience_ms


def test_deadlines_that_pass_together_are_handled_in_small_groups() -> None:
    with bench(Scripted(silent)) as at:
        for number in range(EXPIRED + 5):
            at.join(f"n{number}.example.org")
        at.expire(1_000)
        assert at.failures(Failure.TIMEOUT) == EXPIRED
        assert at.inflight.next_alarm_ms() == at.now_ms - 200
        at.expire(0)
        assert at.failures(Failure.TIMEOUT) == EXPIRED + 5
