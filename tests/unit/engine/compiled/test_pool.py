"""Sockets towards upstreams in C: unpredictable ports, soon retired, none lost, as the pools of Python."""

import os
import resource
import select
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dnsfilter.engine.pool import HIGHEST_PORT, LIFETIME_MS, LIFETIME_SENDS, LOWEST_PORT, POOL_SIZE

engine = pytest.importorskip("dnsfilter.engine._engine")

SERVER = ("127.0.0.1", 53)


def packed(host: str, port: int) -> tuple[int, bytes]:
    head = port.to_bytes(2, "big")
    if ":" in host:
        return socket.AF_INET6, b"\x0a\0" + head + bytes(4) + socket.inet_pton(socket.AF_INET6, host) + bytes(4)
    return socket.AF_INET, b"\2\0" + head + socket.inet_pton(socket.AF_INET, host) + bytes(8)


@contextmanager
def pools(*servers: tuple[str, int], size: int = POOL_SIZE) -> Iterator[tuple[Any, select.epoll]]:
    with select.epoll() as poller:
        made = engine.Pools([packed(*server) for server in servers or (SERVER,)], poller.fileno(), size)
        yield made, poller
        made.close()


def port_of(fd: int | None) -> int:
    with borrowed(fd) as sock:
        return int(sock.getsockname()[1])


def borrowed(fd: int | None) -> socket.socket:
    """A socket object of its own on the same socket."""
    assert fd is not None
    return socket.socket(fileno=os.dup(fd))


def test_many_ports_are_in_use_at_once_and_all_of_the_range() -> None:
    with pools() as (made, _):
        drawn = [made.drawn_from(0, 0) for _ in range(2_000)]
        ports = {port_of(fd) for fd in set(drawn)}
        assert len(ports) == len(set(drawn)) == made.open_count
        assert 200 <= len(ports) <= POOL_SIZE
        assert all(LOWEST_PORT <= port <= HIGHEST_PORT for port in ports)
        # Ephemeral ports begin at 32768 on Linux; a third of the range is below.
        assert any(port < 16_000 for port in ports)
        assert any(port > 50_000 for port in ports)
        assert max(Counter(drawn).values()) < 40


def test_numbers_are_spread_evenly_and_differ_between_pools() -> None:
    with pools() as (one, _), pools() as (other, _):
        assert one.numbers(50, 65_536) != other.numbers(50, 65_536)
        buckets = Counter(number >> 12 for number in one.numbers(16_384, 65_536))
        # 16 buckets of 1,024 on average: a deviation of 200 has a probability below 1e-8.
        assert all(abs(buckets[bucket] - 1024) < 200 for bucket in range(16))
        thirds = Counter(one.numbers(9_000, 3))
        assert set(thirds) == {0, 1, 2}
        assert all(abs(count - 3_000) < 300 for count in thirds.values())


@pytest.mark.parametrize("worn_by", ["sends", "time"])
def test_a_worn_socket_is_replaced_by_one_on_another_port(worn_by: str) -> None:
    with pools(size=1) as (made, _):
        port = port_of(made.drawn_from(0, 0))
        now_ms = 0
        if worn_by == "sends":
            assert {port_of(made.drawn_from(0, 0)) for _ in range(LIFETIME_SENDS - 1)} == {port}
        else:
            assert port_of(made.drawn_from(0, LIFETIME_MS - 1)) == port
            now_ms = LIFETIME_MS
        assert port_of(made.drawn_from(0, now_ms)) != port
        assert made.open_count == 1


def test_a_worn_socket_is_listened_to_while_something_waits_on_it() -> None:
    with pools(size=1) as (made, _):
        fd = made.drawn_from(0, 0)
        assert fd is not None
        made.wait_on(fd, 1)
        made.drawn_from(0, LIFETIME_MS)
        made.sweep_at(LIFETIME_MS)
        assert made.open_count == 2
        assert made.holds(fd)
        made.wait_on(fd, -1)
        made.sweep_at(LIFETIME_MS)
        assert made.open_count == 1
        assert not made.holds(fd)


def test_sweeping_closes_what_is_worn_and_nothing_else() -> None:
    with pools() as (made, _):
        for _ in range(100):
            made.drawn_from(0, 0)
        young = made.open_count
        made.sweep_at(LIFETIME_MS - 1)
        assert made.open_count == young
        made.sweep_at(LIFETIME_MS)
        assert made.open_count == 0


def test_sockets_are_watched_and_connected_to_the_server_and_hear_nobody_else() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        server.bind(("::1", 0))
        with pools(SERVER, ("::1", server.getsockname()[1])) as (made, poller):
            fd = made.drawn_from(1, 0)
            with borrowed(fd) as sock, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as stranger:
                assert sock.getpeername()[:2] == ("::1", server.getsockname()[1])
                assert not os.get_inheritable(fd or -1)
                stranger.sendto(b"lie", ("::1", port_of(fd)))
                server.sendto(b"truth", ("::1", port_of(fd)))
                assert poller.poll(10) == [(fd, select.EPOLLIN)]
                assert sock.recv(100) == b"truth"


@pytest.mark.parametrize(("host", "level", "option"), [("127.0.0.1", 0, 10), ("::1", 41, 23)])
def test_no_icmp_message_makes_the_kernel_fragment(host: str, level: int, option: int) -> None:
    with pools((host, 53)) as (made, _), borrowed(made.drawn_from(0, 0)) as sock:
        assert sock.getsockopt(level, option) == 5


def test_without_descriptors_the_sockets_that_are_open_go_on() -> None:
    with pools() as (made, _):
        opened = {made.drawn_from(0, 0) for _ in range(20)}
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            drawn = {made.drawn_from(0, 0) for _ in range(500)}
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert drawn == opened


def test_without_descriptors_and_without_sockets_there_is_none() -> None:
    with pools() as (made, _):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            drawn = made.drawn_from(0, 0)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert drawn is None


def test_pools_that_are_closed_hold_no_descriptor() -> None:
    with pools() as (made, _):
        fds = {made.drawn_from(0, 0) for _ in range(20)}
        made.close()
        assert made.open_count == 0
        assert not any(made.holds(fd) for fd in fds if fd is not None)
