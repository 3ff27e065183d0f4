"""Sockets to an upstream: unpredictable ports and ids, soon retired, none lost."""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from dnsfilter.config.node_config import Endpoint
from dnsfilter.engine.reference.pool import (
    LIFETIME_MS,
    LIFETIME_SENDS,
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


def test_sweep_closes_only_worn_sockets() -> None:
    with pool() as made:
        for _ in range(100):
            made.draw(0)
        young = len(made.by_fd)
        made.sweep(LIFETIME_MS - 1)
        assert len(made.by_fd) == young
        made.sweep(LIFETIME_MS)
        assert made.by_fd == {}


def test_closed_pool_holds_no_descriptor() -> None:
    with pool() as made:
        socks = [made.draw(0)[0].sock for _ in range(20)]
        made.close()
        assert all(sock.fileno() == -1 for sock in socks)
        assert made.by_fd == {}
