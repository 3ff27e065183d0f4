"""Sockets to upstreams in C: unpredictable ports, soon retired, none lost, as the pools of Python."""

import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from dnsfilter.config.node_config import Endpoint
from dnsfilter.engine.reference.pool import LIFETIME_MS, LIFETIME_SENDS, POOL_SIZE
from dnsfilter.engine.slow_path.exchange import Exchange
from dnsfilter.wire.query import build_upstream_query, question_of
from tests.unit.engine.tables import Bench, bench, key_of

pytest.importorskip("dnsfilter.engine._engine")

MESSAGE = build_upstream_query(question_of(b"\0", 6), id=0, cd=False, do=False)
CLIENT = b"\x7f\0\5\x0a"


class Asker:
    """One question that is sent repeatedly."""

    def __init__(self, at: Bench, before: set[int]) -> None:
        self.at, self.before = at, before
        self.exchange: Exchange = at.open(key_of("www.example.org"), CLIENT)

    def send(self, times: int = 1, server: int = 0, now_ms: int = 0) -> None:
        """Send `times` times. Before each send, withdraw the one before."""
        for _ in range(times):
            self.at.table.withdraw(self.exchange)
            self.at.table.send(self.exchange, server, MESSAGE, now_ms)

    def sockets(self) -> set[int]:
        """Return the open descriptors to upstreams."""
        return descriptors() - self.before


def descriptors() -> set[int]:
    return {int(path.name) for path in Path("/proc/self/fd").iterdir() if path.is_symlink() and is_socket(path)}


def is_socket(path: Path) -> bool:
    try:
        return os.readlink(path).startswith("socket:")
    except FileNotFoundError:
        return False


@contextmanager
def asking(*endpoints: Endpoint) -> Iterator[Asker]:
    before = descriptors()
    with bench("compiled", *endpoints) as at:
        yield Asker(at, before)


def borrowed(fd: int) -> socket.socket:
    """Return a new socket object on the same socket."""
    return socket.socket(fileno=os.dup(fd))


def port_of(fd: int) -> int:
    with borrowed(fd) as sock:
        return int(sock.getsockname()[1])


SERVER = Endpoint(ip_address("127.0.0.1"), 53)


@pytest.mark.heavy
def test_sockets_are_replaced_after_enough_sends() -> None:
    with asking(SERVER) as asker:
        asker.send(POOL_SIZE * 8)
        first = {fd: port_of(fd) for fd in asker.sockets()}
        asker.send(POOL_SIZE * (LIFETIME_SENDS + 200))
        kept = [fd for fd in asker.sockets() if first.get(fd) == port_of(fd)]
        assert len(kept) < POOL_SIZE // 8
        assert len(asker.sockets()) <= POOL_SIZE + 1


def test_sweep_closes_only_worn_sockets() -> None:
    with asking(SERVER) as asker:
        asker.send(100)
        asker.at.table.withdraw(asker.exchange)
        young = asker.sockets()
        asker.at.table.sweep(LIFETIME_MS - 1)
        assert asker.sockets() == young
        asker.at.table.sweep(LIFETIME_MS + 1_000)
        assert asker.sockets() == set()


def test_sockets_are_watched_and_connected_and_receive_only_from_the_server() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        server.bind(("::1", 0))
        with asking(SERVER, Endpoint(ip_address("::1"), server.getsockname()[1])) as asker:
            asker.send(server=1)
            (fd,) = asker.sockets()
            with borrowed(fd) as sock, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
                assert sock.getpeername()[:2] == ("::1", server.getsockname()[1])
                assert not os.get_inheritable(fd)
                other.sendto(b"lie", ("::1", port_of(fd)))
                server.sendto(b"truth", ("::1", port_of(fd)))
                assert asker.at.poller.poll(10) == [(fd, select.EPOLLIN)]
                assert sock.recv(100) == b"truth"


@pytest.mark.parametrize(("host", "level", "option"), [("127.0.0.1", 0, 10), ("::1", 41, 23)])
def test_icmp_does_not_make_the_kernel_fragment(host: str, level: int, option: int) -> None:
    with asking(Endpoint(ip_address(host), 53)) as asker:
        asker.send()
        (fd,) = asker.sockets()
        with borrowed(fd) as sock:
            assert sock.getsockopt(level, option) == 5


def test_closed_table_holds_no_descriptor() -> None:
    with asking(SERVER) as asker:
        asker.send(20)
        assert asker.sockets()
    assert asker.sockets() == set()
