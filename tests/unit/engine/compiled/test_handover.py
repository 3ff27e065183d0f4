"""What needs judgement goes from C to `Inflight`, with all who wait for it."""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from dnsfilter.engine.exchange import Cut, Gone, Got
from dnsfilter.engine.handover import Waiter
from dnsfilter.engine.listening import UdpListener
from dnsfilter.telemetry.metrics import Failure
from tests.support.engines import query
from tests.support.scripted import Scripted, fails, reply, silent, truncated
from tests.unit.engine.compiled.pendings import CLIENT, KNOWN, NAME, PATIENCE_S, bench, is_empty, parsed


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
