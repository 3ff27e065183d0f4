"""Ordinary questions on their way in C: bounds, joining, matching, and what is handed to `Inflight`."""

import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.model import Limits
from dnsfilter.engine.inflight import MOST_WAITERS, Cut, Gone, Got, Inflight, Waiter
from dnsfilter.engine.listening import UdpListener
from dnsfilter.engine.room import MOST_EXCHANGES
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import fixed_size, upstream_slots
from dnsfilter.upstream.attempt import LONGEST_FIRST_WAIT_MS
from dnsfilter.upstream.zones import View
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import parse_name
from dnsfilter.wire.query import Query, Question, build_upstream_query, parse_query
from tests.support.engines import query
from tests.support.scripted import Scripted, fails, lies, reply, says, silent, truncated

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
        return found

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


def test_an_ordinary_answer_ends_the_wait_and_leaves_nothing_behind() -> None:
    with bench(Scripted(KNOWN)) as at:
        assert at.ask(ticket=7) == "sent"
        at.now_ms += 3
        at.serve()
        ((answer, tickets),) = at.await_datagram()
        assert tickets == [7]
        assert answer == next(iter(KNOWN(at.upstreams[0].asked[0])))
        assert is_empty(at)
        duration = upstream_slots(1)[0].duration
        assert (at.queries(), at.slots[duration.bucket(3_000_000)], at.slots[duration.sum]) == (1, 1, 3_000_000)
        assert (at.pending.health.rtt_ms(0), at.expire(10_000)) == (3.0, [])


@pytest.mark.parametrize("want_ad", [False, True])
@pytest.mark.parametrize("cd", [False, True])
@pytest.mark.parametrize("do", [None, False, True])
def test_the_question_is_written_as_by_python(want_ad: bool, cd: bool, do: bool | None) -> None:
    message = query("MiXed.example.org", Type.MX, edns=False if do is None else 0, do=bool(do), cd=cd)
    with bench(Scripted(silent), want_ad=want_ad) as at:
        at.ask(message=message)
        at.serve()
        (asked,) = at.upstreams[0].asked
        name = parsed(message).question.name
        question = Question(name + message[12 + len(name) :][:4], name, Type.MX, 1)
        assert asked.message == build_upstream_query(question, id=asked.id, cd=cd, do=bool(do), ad=want_ad)


def test_equal_questions_join_up_to_the_bound_on_waiters() -> None:
    with bench(Scripted(KNOWN)) as at:
        said = [at.ask(client=bytes((127, 0, 5, n % 100)), ticket=n) for n in range(MOST_WAITERS + 1)]
        assert said == ["sent"] + ["joined"] * (MOST_WAITERS - 1) + ["full"]
        at.serve()
        assert len(at.upstreams[0].asked) == 1
        ((_, tickets),) = at.await_datagram()
        assert tickets == list(range(MOST_WAITERS))
        assert is_empty(at)


@pytest.mark.parametrize(
    "other",
    [
        query("other.example.org"),
        query(NAME, Type.AAAA),
        query(NAME, do=True),
        query(NAME, cd=True),
    ],
    ids=["name", "type", "do", "cd"],
)
def test_different_questions_do_not_join(other: bytes) -> None:
    with bench(Scripted(silent)) as at:
        assert [at.ask(), at.ask(message=other), at.ask(), at.ask(message=other)] == ["sent", "sent"] + ["joined"] * 2


def test_different_questions_start_up_to_the_bound_on_exchanges_of_both_ways() -> None:
    with bench(Scripted(silent)) as at:
        half = MOST_EXCHANGES // 2
        for number in range(half):
            at.join(f"n{number}.example.org", bytes((127, 0, 5, number % 100)), qclass=4 if number % 2 else 1)
        said = {at.ask(f"n{number}.example.org", bytes((127, 0, 6, number % 100))) for number in range(half, 2 * half)}
        assert said == {"sent"}
        assert at.ask("one-more.example.org") == "full"
        with pytest.raises(OverflowError):
            at.join("one-more.example.org")
        assert at.ask(f"n{half}.example.org") == "joined"
        assert at.join("n0.example.org") == []
        assert engine.state_of(at.pending)[:2] == (2 * half, half)


def test_one_client_waits_for_a_bounded_number_of_answers_and_anew_once_it_has_them() -> None:
    with bench(Scripted(KNOWN)) as at:
        assert at.ask() == "sent"
        for number in range(LIMITS.waiting_per_client // 2):
            assert at.ask(f"n{number}.example.org") == "sent"
        for number in range(LIMITS.waiting_per_client // 2, LIMITS.waiting_per_client - 1):
            assert at.join(f"n{number}.example.org") == []
        assert at.ask("one-more.example.org") == at.ask() == "full"
        with pytest.raises(OverflowError):
            at.join("one-more.example.org")
        assert at.ask("one-more.example.org", b"\x7f\0\7\x0a") == "sent"
        at.upstreams[0].serve()
        answers = at.read()
        assert len(answers) > LIMITS.waiting_per_client // 4
        assert at.ask("another.example.org") == "sent"


def test_clients_of_one_ipv6_network_are_one() -> None:
    with bench(Scripted(silent)) as at:
        near = [socket.inet_pton(socket.AF_INET6, f"2001:db8::{number:x}") for number in range(600)]
        said = [at.ask(client=client) for client in near]
        assert said.count("full") == 600 - LIMITS.waiting_per_client
        assert at.ask(client=socket.inet_pton(socket.AF_INET6, "2001:db8:0:1::1")) == "joined"


def test_the_alarm_is_when_the_first_wait_ends_and_python_goes_on_then() -> None:
    with bench(Scripted(silent), longest_wait_ms=150) as at:
        assert engine.state_of(at.pending)[4] is None
        at.ask()
        assert engine.state_of(at.pending)[4] == at.now_ms + 150
        assert at.expire(149) == []
        assert len(at.inflight) == at.failures(Failure.TIMEOUT) == 0
        assert at.expire(1) == []
        assert len(at.inflight) == at.failures(Failure.TIMEOUT) == 1
        assert engine.state_of(at.pending)[:2] == (1, 0)
        assert at.inflight.next_alarm_ms() == at.now_ms + 225
        results: list[Any] = []
        for _ in range(10):
            results += at.expire(1_000)
        (gone,) = results
        assert isinstance(gone, Gone)
        assert at.queries() == 3
        at.inflight.finish(gone.exchange)
        assert is_empty(at)


def test_many_deadlines_end_in_their_order_although_some_questions_are_answered_before() -> None:
    with bench(Scripted(silent)) as at:
        for number in range(300):
            at.now_ms += number * 7919 % 5
            at.ask(f"n{number}.example.org")
        at.upstreams[0].serve()
        answered = [asked for asked in at.upstreams[0].asked if int(asked.name[1 : asked.name.index(".")]) % 3]
        for asked in answered:
            at.upstreams[0].say(asked, next(iter(KNOWN(asked))))
        left = engine.state_of(at.pending)[1]
        while engine.state_of(at.pending)[1] > 300 - len(answered):
            at.await_datagram()
        assert left == 300
        alarms = []
        while engine.state_of(at.pending)[1]:
            alarms.append(engine.state_of(at.pending)[4])
            at.expire(alarms[-1] - at.now_ms)
        assert alarms == sorted(alarms)
        assert len(alarms) > 60


def test_lies_change_nothing_but_the_counts() -> None:
    with bench(Scripted(silent)) as at:
        at.ask()
        at.serve()
        (asked,) = at.upstreams[0].asked
        for lie in lies(asked):
            at.upstreams[0].say(asked, lie)
            assert at.await_datagram() == []
        assert at.failures(Failure.MISMATCH) + at.failures(Failure.MALFORMED) == len(lies(asked))
        at.upstreams[0].say(asked, next(iter(KNOWN(asked))))
        assert [type(result) for result in at.await_datagram()] == [Got]


def test_lies_that_only_miss_leave_the_question_where_it_is() -> None:
    with bench(Scripted(silent)) as at:
        at.ask()
        at.serve()
        (asked,) = at.upstreams[0].asked
        forged = next(iter(KNOWN(asked)))
        misses = (b"", b"\0", (asked.id ^ 1).to_bytes(2, "big") + forged[2:], forged[:13] + b"x" + forged[14:])
        for miss in misses:
            at.upstreams[0].say(asked, miss)
            assert at.await_datagram() == []
        assert at.failures(Failure.MISMATCH) == len(misses)
        assert len(at.inflight) == 0
        at.upstreams[0].say(asked, forged)
        assert at.await_datagram() == [(forged, [0])]


def test_what_comes_twice_is_nobodys_the_second_time() -> None:
    with bench(Scripted(lambda asked: [*KNOWN(asked), *KNOWN(asked)])) as at:
        at.ask()
        at.serve()
        at.await_datagram()
        at.await_datagram()
        assert at.failures(Failure.MISMATCH) == 1
        assert is_empty(at)


def test_a_truncated_answer_goes_to_python_with_all_who_wait() -> None:
    with bench(Scripted(lambda asked: (truncated(asked),))) as at, pair() as (listener, peer):
        at.listeners[5] = listener
        mixed = query("PLAIN.example.ORG", id=99)
        plain = query(NAME)
        at.ask(message=plain, ticket=11)
        at.now_ms += 2
        at.ask(message=mixed, client=b"\x7f\0\0\1", listener=5, peer=packed(peer), control=PKTINFO)
        at.serve()
        (cut,) = at.await_datagram()
        assert isinstance(cut, Cut)
        exchange = cut.exchange
        assert (exchange.server, exchange.sent, exchange.started_ms) == (0, 1, 1_000)
        streamed, direct = exchange.waiters
        assert streamed == Waiter(parsed(plain), CLIENT, 1_000_000_000, ticket=11)
        source = [(socket.IPPROTO_IP, 8, b"\0\0\0\0\x7f\0\0\2\0\0\0\0")]
        assert direct == Waiter(parsed(mixed), b"\x7f\0\0\1", 1_002_000_000, listener, peer, source)
        whole = reply(at.upstreams[0].asked[0], (f"{NAME}. 300 A 198.51.100.10",))
        (got,) = at.inflight.came_by_stream(exchange, whole, at.now_ns)
        assert isinstance(got, Got)
        at.inflight.finish(exchange)
        assert is_empty(at)


def parsed(message: bytes) -> Query:
    asked = parse_query(message)
    assert isinstance(asked, Query)
    return asked


PKTINFO = (28).to_bytes(8, "little") + bytes(4) + (8).to_bytes(4, "little") + b"\0\0\0\0\x7f\0\0\2\0\0\0\0" + bytes(4)
"""A control message of a machine of 64 bits: IP_PKTINFO for 127.0.0.2."""


@contextmanager
def pair() -> Iterator[tuple[UdpListener, tuple[str, int]]]:
    """A listener, and the address of a client."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield UdpListener(sock), ("127.0.0.1", 40_000)


def packed(peer: tuple[str, int]) -> bytes:
    return b"\2\0" + peer[1].to_bytes(2, "big") + socket.inet_aton(peer[0]) + bytes(8)


def test_a_peer_on_ipv6_is_named_as_the_socket_module_does() -> None:
    with bench(Scripted(silent)) as at, pair() as (listener, _):
        at.listeners[0] = listener
        address = socket.inet_pton(socket.AF_INET6, "fe80::1")
        raw = b"\x0a\0" + (5353).to_bytes(2, "big") + b"\0\0\0\x09" + address + b"\3\0\0\0"
        at.ask(client=address, listener=0, peer=raw)
        at.expire(1_000)
        (exchange,) = (at.inflight.get(1),)
        assert exchange is not None
        assert exchange.waiters[0].peer == ("fe80::1", 5353, 9, 3)
        assert exchange.waiters[0].source == []


def test_a_late_answer_reaches_the_exchange_that_python_has_taken_over() -> None:
    with bench(Scripted(silent), Scripted(silent)) as at:
        at.ask()
        select.select([at.upstreams[0]], [], [], PATIENCE_S)
        at.upstreams[0].serve()
        (asked,) = at.upstreams[0].asked
        at.expire(1_000)
        assert at.ask(ticket=1) == "elsewhere"
        assert at.join() == []
        at.upstreams[0].say(asked, next(iter(KNOWN(asked))))
        (got,) = at.await_datagram()
        assert isinstance(got, Got)
        assert (len(got.exchange.waiters), got.exchange.server) == (2, 0)
        at.upstreams[0].say(asked, next(iter(KNOWN(asked))))
        assert at.await_datagram() == []
        assert at.failures(Failure.MISMATCH) == 1
        at.inflight.finish(got.exchange)
        assert is_empty(at)
        assert at.ask() == "sent"


def test_a_query_that_waits_in_python_takes_over_the_equal_question() -> None:
    with bench(Scripted(KNOWN)) as at:
        at.ask(ticket=3)
        assert at.join() == []
        assert at.upstreams[0].serve() == 1
        (got,) = at.await_datagram()
        assert isinstance(got, Got)
        assert [waiter.ticket for waiter in got.exchange.waiters] == [3, 0]
        assert at.queries() == 1


def test_a_question_that_python_began_is_not_begun_twice() -> None:
    with bench(Scripted(KNOWN)) as at:
        assert at.join() == []
        assert at.ask() == "elsewhere"
        at.serve()
        (got,) = at.await_datagram()
        at.inflight.finish(got.exchange)
        assert at.ask() == "sent"


def test_a_failure_goes_to_the_next_server_and_is_remembered() -> None:
    with bench(Scripted(fails(5)), Scripted(KNOWN)) as at:
        for _ in range(3):
            at.ask()
            at.upstreams[0].serve()
            at.await_datagram()
            at.upstreams[1].serve()
            (got,) = at.await_datagram()
            assert isinstance(got, Got)
            at.inflight.finish(got.exchange)
        assert at.failures(Failure.REFUSED) == 3
        assert at.ask() == "sent"  # the first is asked last from now on
        at.upstreams[1].serve()
        ((_, tickets),) = at.await_datagram()
        assert tickets == [0]


def test_a_server_in_back_off_is_probed_by_one_question() -> None:
    with bench(Scripted(silent), Scripted(silent)) as at:
        for _ in range(3):
            at.pending.health.failed(0, at.now_ms)
        at.ask("before.example.org")
        at.now_ms += 5_000
        at.ask("probe.example.org")
        at.ask("after.example.org")
        at.serve()
        names = [[asked.name.partition(".")[0] for asked in upstream.asked] for upstream in at.upstreams]
        assert names == [["probe"], ["before", "after"]]


def test_a_closed_port_sends_the_question_to_the_next_server() -> None:
    gone = Scripted(silent)
    gone.close()
    with bench(gone, Scripted(KNOWN)) as at:
        at.ask()
        assert at.await_datagram() == []
        assert at.failures(Failure.UNREACHABLE) == 1
        at.serve()
        assert [type(result) for result in at.await_datagram()] == [Got]


def test_an_icmp_error_ends_no_wait() -> None:
    gone = Scripted(silent)
    gone.close()
    with bench(gone) as at:
        at.ask()
        assert at.await_datagram() == []
        assert len(at.inflight) == 1
        assert [type(result) for result in at.expire(5_000)] == [Gone]


def test_an_icmp_error_about_one_question_does_not_fail_another_on_the_same_socket() -> None:
    gone = Scripted(silent)
    gone.close()
    with bench(gone, pool_size=1) as at:
        at.ask("first.example.org")
        assert at.poller.poll(PATIENCE_S)  # the error waits to be told by the next call on the socket
        assert at.ask("second.example.org") == "sent"
        assert engine.state_of(at.pending)[:2] == (2, 2)


def test_ids_in_use_on_a_socket_are_drawn_for_no_other_question() -> None:
    with bench(Scripted(silent), pool_size=1) as at:
        for number in range(1_000):
            at.ask(f"n{number}.example.org", bytes((127, 0, 5, number % 100)))
        at.upstreams[0].serve()
        ids = [asked.id for asked in at.upstreams[0].asked]
        assert len(ids) == len(set(ids)) > 100


@pytest.mark.parametrize("view", [range(17), ()], ids=["too many", "none"])
def test_a_view_with_more_servers_than_there_is_room_for_is_pythons(view: Sequence[int]) -> None:
    with bench(*(Scripted(silent) for _ in range(17)), view=view) as at:
        assert at.ask() == "elsewhere"
        assert is_empty(at)


def test_a_long_query_waits_in_python() -> None:
    padding = (600).to_bytes(2, "big") + (12).to_bytes(2, "big") + (596).to_bytes(2, "big") + bytes(596)
    padded = query(NAME)[:-2] + padding
    with bench(Scripted(silent)) as at:
        assert at.ask(message=padded) == "elsewhere"
        assert is_empty(at)


def test_idle_sockets_are_retired() -> None:
    with bench(Scripted(KNOWN)) as at:
        at.ask()
        at.serve()
        at.await_datagram()
        at.expire(5_000)
        assert engine.state_of(at.pending)[4] > at.now_ms
        at.expire(31_000)
        assert engine.state_of(at.pending)[3:] == (0, None)


def test_after_closing_the_counters_can_be_unmapped_and_nothing_is_asked() -> None:
    with bench(Scripted(silent)) as at:
        at.ask()
        at.pending.close()
        at.slots.release()
        assert at.ask() == "elsewhere"
        assert engine.state_of(at.pending)[:2] == (0, 0)
        assert engine.upstream_sockets(at.pending) == []
