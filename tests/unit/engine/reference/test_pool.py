"""Sockets to an upstream: unpredictable ports and ids, soon retired, none lost."""

import select
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from dnsfilter.config.node_config import Endpoint
from dnsfilter.engine.reference.pool import (
    HIGHEST_PORT,
    LIFETIME_MS,
    LIFETIME_SENDS,
    LOWEST_PORT,
    POOL_SIZE,
    UpstreamPool,
)

SERVER = Endpoint(ip_address("127.0.0.1"), 53)


@contextmanager
def pool(endpoint: Endpoint = SERVER) -> Iterator[UpstreamPool]:
    poller = select.epoll()
    made = UpstreamPool(0, endpoint, poller)
    try:
        yield made
    finally:
        made.close()
        poller.close()


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def test_many_ports_are_in_use_at_once_over_the_full_range() -> None:
    with pool() as made:
        drawn = [made.draw(0)[0] for _ in range(2_000)]
        ports = {port_of(held.sock) for held in made.by_fd.values()}
        assert len(ports) == len(made.by_fd)
        assert 200 <= len(ports) <= POOL_SIZE
        assert all(LOWEST_PORT <= port <= HIGHEST_PORT for port in ports)
        # Ephemeral ports begin at 32768 on Linux; half of the range is below.
        assert any(port < 16_000 for port in ports)
        assert any(port > 50_000 for port in ports)
        assert max(Counter(map(id, drawn)).values()) < 40


def test_two_pools_do_not_draw_alike() -> None:
    with pool() as first, pool() as second:
        ids = [[made.draw(0)[1] for _ in range(50)] for made in (first, second)]
        ports = [{port_of(held.sock) for held in made.by_fd.values()} for made in (first, second)]
        assert ids[0] != ids[1]
        assert len(ports[0] & ports[1]) < len(ports[0]) // 2


def test_ids_are_spread_over_all_sixteen_bits() -> None:
    with pool() as made:
        numbers = [made.draw(0)[1] for _ in range(16_384)]
    buckets = Counter(number >> 12 for number in numbers)
    # 16 buckets of 1,024 on average: a deviation of 200 has a probability below 1e-8.
    assert all(abs(buckets[bucket] - 1024) < 200 for bucket in range(16))
    assert len(set(numbers)) > 14_000


def test_id_in_use_on_a_socket_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnsfilter.engine.reference.pool.POOL_SIZE", 1)
    with pool() as made:
        held, _ = made.draw(0)
        held.waiting = dict.fromkeys(set(range(65_536)) - {4711}, 1)
        assert made.draw(0) == (held, 4711)


@pytest.mark.parametrize("worn_by", ["sends", "time"])
def test_worn_socket_is_replaced_by_a_new_one(monkeypatch: pytest.MonkeyPatch, worn_by: str) -> None:
    monkeypatch.setattr("dnsfilter.engine.reference.pool.POOL_SIZE", 1)
    with pool() as made:
        held, _ = made.draw(0)
        now_ms = 0
        if worn_by == "sends":
            held.sends = LIFETIME_SENDS - 1
            assert made.draw(0)[0] is held
            held.sends += 1
        else:
            assert made.draw(LIFETIME_MS - 1)[0] is held
            now_ms = LIFETIME_MS
        fresh, _ = made.draw(now_ms)
        assert fresh is not held
        assert held.sock.fileno() == -1
        assert list(made.by_fd.values()) == [fresh]


def test_worn_socket_is_read_while_a_send_is_outstanding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnsfilter.engine.reference.pool.POOL_SIZE", 1)
    with pool() as made:
        held, number = made.draw(0)
        held.waiting[number] = 1
        made.draw(LIFETIME_MS)
        made.sweep(LIFETIME_MS)
        assert held.sock.fileno() in made.by_fd
        held.waiting.clear()
        made.sweep(LIFETIME_MS)
        assert held.sock.fileno() == -1
        assert len(made.by_fd) == 1


def test_sweep_closes_only_worn_sockets() -> None:
    with pool() as made:
        for _ in range(100):
            made.draw(0)
        young = len(made.by_fd)
        made.sweep(LIFETIME_MS - 1)
        assert len(made.by_fd) == young
        made.sweep(LIFETIME_MS)
        assert made.by_fd == {}


def test_sockets_are_connected_and_receive_only_from_the_server() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        server.bind(("::1", 0))
        with pool(Endpoint(ip_address("::1"), server.getsockname()[1])) as made:
            held, _ = made.draw(0)
            assert held.sock.getpeername()[:2] == ("::1", server.getsockname()[1])
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as forger:
                forger.sendto(b"lie", ("::1", port_of(held.sock)))
            server.sendto(b"truth", ("::1", port_of(held.sock)))
            select.select([held.sock], [], [], 10)
            assert held.sock.recv(100) == b"truth"


def test_closed_pool_holds_no_descriptor() -> None:
    with pool() as made:
        socks = [made.draw(0)[0].sock for _ in range(20)]
        made.close()
        assert all(sock.fileno() == -1 for sock in socks)
        assert made.by_fd == {}
