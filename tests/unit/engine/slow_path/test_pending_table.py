"""The table of pending questions: limits, waiters, deadlines, sends. Each test uses the table of each engine."""

import select
import socket
from collections import Counter
from ipaddress import ip_address

import pytest

from dnsfilter.config.node_config import Endpoint, Limits
from dnsfilter.engine.reference.overtaken import MOST_OVERTAKEN
from dnsfilter.engine.reference.pool import LIFETIME_MS
from dnsfilter.engine.reference.room import MOST_EXCHANGES, MOST_WAITERS
from dnsfilter.engine.slow_path.exchange import Exchange
from dnsfilter.upstream.attempt import LONGEST_FIRST_WAIT_MS
from dnsfilter.upstream.health import SILENCE_TO_BE_GONE_MS
from dnsfilter.wire.query import build_upstream_query, question_of
from tests.support.scripted import Scripted, silent
from tests.unit.engine.tables import LIMITS, Bench, bench, key_of, no_more_descriptors, waiter

FLOODER = b"\x7f\0\5\x0a"
OTHER = b"\x7f\0\5\x0b"
FEW = Limits(waiting=40, waiting_per_client=8)
NAME = "plain.example.org"


def join(at: Bench, client: bytes, exchange: Exchange | None = None) -> Exchange:
    """Add one more waiting query, to a shared question unless `exchange` is given."""
    if exchange is None:
        exchange = at.table.find(key_of(NAME))
    if exchange is None:
        return at.open(key_of(NAME), client)
    at.table.join(exchange, waiter(client))
    return exchange


# Waiters.


def test_one_client_has_a_limit_and_room_again_after_an_answer(kind: str) -> None:
    with bench(kind, limits=FEW) as at:
        first = at.open(key_of("first.example.org"), FLOODER)
        for _ in range(FEW.waiting_per_client - 1):
            join(at, FLOODER)
        for opening in (False, True):
            with pytest.raises(OverflowError, match="too many waiting queries, in all or of one client"):
                at.open(key_of("more.example.org"), FLOODER) if opening else join(at, FLOODER)
        join(at, OTHER)
        at.table.finish(first)
        join(at, FLOODER)


def test_all_clients_together_have_a_limit(kind: str) -> None:
    with bench(kind, limits=FEW) as at:
        for number in range(FEW.waiting):
            join(at, number.to_bytes(4, "big"))
        with pytest.raises(OverflowError, match="too many waiting queries, in all or of one client"):
            join(at, OTHER)


def test_last_eighth_of_the_room_is_for_clients_with_few_queries(kind: str) -> None:
    with bench(kind, limits=Limits(waiting=128, waiting_per_client=16)) as at:
        heavy, light = [bytes((10, 0, 0, n)) for n in range(7)], [bytes((10, 0, 1, n)) for n in range(8)]
        for client in heavy * 16:
            join(at, client)
        for client in light * 2:
            with pytest.raises(OverflowError):
                join(at, heavy[0])
            join(at, client)
        for client in (*heavy, *light, OTHER):
            with pytest.raises(OverflowError):
                join(at, client)


def test_ipv6_client_is_its_64(kind: str) -> None:
    with bench(kind, limits=FEW) as at:
        first = at.open(key_of("first.example.org"), bytes.fromhex("20010db80000000100000000000000ff"))
        for number in range(FEW.waiting_per_client - 1):
            join(at, bytes.fromhex("20010db800000001") + number.to_bytes(8, "big"))
        with pytest.raises(OverflowError, match="too many waiting queries, in all or of one client"):
            join(at, bytes.fromhex("20010db8000000010000000000000063"))
        join(at, bytes.fromhex("20010db8000000020000000000000063"))
        at.table.finish(first)
        join(at, bytes.fromhex("20010db8000000010000000000000063"))


def test_waiting_queries_of_one_question_are_limited(kind: str) -> None:
    with bench(kind) as at:
        for number in range(MOST_WAITERS):
            join(at, bytes((127, 0, 5, number % 100)))
        with pytest.raises(OverflowError):
            join(at, b"\x7f\0\5\x64")
        assert len(at.table) == 1


@pytest.mark.heavy
def test_questions_are_limited_and_a_rejected_one_does_not_count_for_its_client(kind: str) -> None:
    with bench(kind) as at:
        for number in range(MOST_EXCHANGES):
            at.open(key_of(f"n{number}.example.org"), number.to_bytes(4, "big"))
        for _ in range(2 * LIMITS.waiting_per_client):
            with pytest.raises(OverflowError, match="too many pending questions"):
                at.open(key_of("more.example.org"), FLOODER)
        first = at.table.find(key_of("n0.example.org"))
        assert first is not None
        join(at, FLOODER, first)
        assert len(at.table) == MOST_EXCHANGES
        at.table.finish(first)
        at.open(key_of("more.example.org"), FLOODER)


def test_waiters_are_returned_once_in_order(kind: str) -> None:
    with bench(kind) as at:
        asked = [waiter(bytes((127, 0, 5, number)), number, number) for number in range(5)]
        question = question_of(key_of(NAME).name, 1, 1)
        exchange = at.table.open(key_of(NAME), question, asked[0].client, 0, asked[0])
        for one in asked[1:3]:
            at.table.join(exchange, one)
        assert at.table.dismiss(exchange) == asked[:3]
        assert at.table.dismiss(exchange) == []
        for one in asked[3:]:
            at.table.join(exchange, one)
        assert at.table.finish(exchange) == asked[3:]


def test_exchange_is_found_by_key_and_number_until_it_is_finished(kind: str) -> None:
    with bench(kind) as at:
        same = key_of(NAME)
        others = [same._replace(qtype=28), same._replace(qclass=3), same._replace(do=True), same._replace(cd=True)]
        exchange = at.open(same, OTHER)
        made = [at.open(other, OTHER) for other in (*others, key_of(NAME, view=1), key_of("other.example.org"))]
        assert len({each.number for each in (exchange, *made)}) == 7
        assert at.table.find(same) is exchange
        assert at.table.get(exchange.number) is exchange
        at.table.finish(exchange)
        assert at.table.find(same) is None
        assert at.table.get(exchange.number) is None
        assert len(at.table) == 6


# Deadlines.


def wait_until(at: Bench, exchange: Exchange, until_ms: int | None) -> None:
    exchange.wait_until_ms = until_ms
    at.table.schedule(exchange)


def test_deadlines_end_in_order_even_if_some_exchanges_finish_before(kind: str) -> None:
    with bench(kind) as at:
        made = [at.open(key_of(f"n{number}.example.org"), number.to_bytes(4, "big"), 0) for number in range(300)]
        for number, exchange in enumerate(made):
            exchange.late = True
            wait_until(at, exchange, 1_000 + number * 7919 % 301)
        for exchange in made[::3]:
            at.table.finish(exchange)
        ended = []
        while (due := at.table.due(2_000)) is not None:
            ended.append(due.deadline_ms or 0)
            wait_until(at, due, None)
        assert ended == sorted(ended)
        assert len(ended) == 200


def test_alarm_is_at_the_end_of_the_first_wait_or_when_waiters_are_late(kind: str) -> None:
    with bench(kind) as at:
        assert at.table.next_alarm_ms() is None
        exchange = at.open(key_of(NAME), OTHER)
        wait_until(at, exchange, at.now_ms + LONGEST_FIRST_WAIT_MS)
        assert at.table.next_alarm_ms() == at.now_ms + LONGEST_FIRST_WAIT_MS
        assert at.table.due(at.now_ms + LONGEST_FIRST_WAIT_MS - 1) is None
        assert at.table.due(at.now_ms + LONGEST_FIRST_WAIT_MS) is exchange
        wait_until(at, exchange, None)
        assert at.table.due(at.now_ms + 1_799) is None
        assert at.table.due(at.now_ms + 1_800) is exchange
        exchange.late = True
        at.table.schedule(exchange)
        assert at.table.due(at.now_ms + 100_000) is None


# Sends and probes.

MESSAGE = build_upstream_query(waiter(OTHER).query.question, id=0, cd=False, do=False)


def asked_ids(upstream: Scripted) -> list[int]:
    while select.select([upstream], [], [], 0)[0]:
        upstream.serve()
    return [asked.id for asked in upstream.asked]


def test_each_send_has_its_own_id(kind: str) -> None:
    with Scripted(silent) as upstream, bench(kind, upstream.endpoint) as at:
        for number in range(100):
            exchange = at.open(key_of(f"n{number}.example.org"), number.to_bytes(4, "big"))
            for _ in range(3):
                at.table.send(exchange, 0, MESSAGE, at.now_ms)
        assert len(set(asked_ids(upstream))) > 250
        assert {asked.message[2:] for asked in upstream.asked} == {MESSAGE[2:]}
        peers = Counter(asked.peer for asked in upstream.asked)
        assert len(peers) > 100


def test_id_in_use_on_a_socket_is_not_drawn_for_another_question(kind: str) -> None:
    """Of 5,600 ids drawn at random for eight sockets, about 30 would be drawn twice."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        with bench(kind, Endpoint(ip_address("127.0.0.1"), server.getsockname()[1])) as at:
            asked = [at.open(key_of(f"n{number}.example.org"), number.to_bytes(4, "big")) for number in range(700)]
            sent: list[tuple[int, bytes]] = []

            def send(exchange: Exchange) -> None:
                at.table.send(exchange, 0, MESSAGE, at.now_ms)
                message, (_, port) = server.recvfrom(512)
                sent.append((port, message[:2]))

            while len({port for port, _ in sent}) < 8:
                send(asked[0])
            with no_more_descriptors():
                for exchange in asked * 8:
                    send(exchange)
            assert len({port for port, _ in sent}) == 8
            assert len(set(sent)) == len(sent)


@pytest.mark.parametrize("worn_ms", [30_000, 31_000])
def test_idle_sockets_are_retired_but_read_while_a_send_is_outstanding(kind: str, worn_ms: int) -> None:
    with Scripted(silent) as upstream, bench(kind, upstream.endpoint) as at:
        exchange = at.open(key_of(NAME), OTHER)
        at.table.send(exchange, 0, MESSAGE, at.now_ms)
        at.table.sweep(at.now_ms + worn_ms)
        assert len(asked_ids(upstream)) == 1
        upstream.say(upstream.asked[0], b"heard")
        assert at.poller.poll(10)
        at.table.withdraw(exchange)
        exchange.late = True
        at.table.schedule(exchange)
        at.table.sweep(at.now_ms + 2 * worn_ms)
        assert at.poller.poll(0) == []
        assert at.table.finish(exchange)


def test_failed_send_raises_and_leaves_nothing_outstanding(kind: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with bench(kind, Endpoint(ip_address("255.255.255.255"), port)) as at:
        exchange = at.open(key_of(NAME), OTHER)
        with pytest.raises(PermissionError):
            at.table.send(exchange, 0, MESSAGE, at.now_ms)
        with pytest.raises(PermissionError):
            at.table.send_probe(0, MESSAGE, at.now_ms + 400, at.now_ms)
        assert not at.table.is_probed(0)
        assert at.table.overdue_probes(at.now_ms + 1_000) == []


def test_probe_is_overdue_at_its_time_unless_it_has_ended(kind: str) -> None:
    with Scripted(silent) as upstream, bench(kind, upstream.endpoint) as at:
        at.table.sweep(at.now_ms)  # the next sweep is due in a second
        assert not at.table.is_probed(0)
        at.table.send_probe(0, MESSAGE, at.now_ms + 400, at.now_ms)
        assert at.table.is_probed(0)
        assert at.table.next_alarm_ms() == at.now_ms + 400
        assert at.table.overdue_probes(at.now_ms + 399) == []
        assert at.table.overdue_probes(at.now_ms + 400) == [0]
        at.table.end_probe(0)
        assert not at.table.is_probed(0)
        assert at.table.overdue_probes(at.now_ms + 400) == []


# Races.


def test_overtaken_queries_are_limited_and_end(kind: str) -> None:
    message = build_upstream_query(question_of(key_of(NAME).name, 1, 1), id=0, cd=False, do=False)
    with Scripted(silent) as one, bench(kind, one.endpoint, one.endpoint) as at:
        for number in range(MOST_OVERTAKEN + 10):
            exchange = at.open(key_of(f"n{number}.example.org"), number.to_bytes(4, "big"))
            at.table.send(exchange, number % 2, message, at.now_ms)
            at.table.overtake(exchange, 1, at.now_ms * 1_000_000)
            at.table.finish(exchange)
        assert len(at.table) == 0
        for later_ms in (SILENCE_TO_BE_GONE_MS, LIFETIME_MS + SILENCE_TO_BE_GONE_MS):
            at.table.sweep(at.now_ms + later_ms)
        assert at.table.next_alarm_ms() is None  # no socket is open, so none waits for an answer
