"""Limits of clients, and unregistered networks, in C: any queries have the same results as in the reference."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.config.node_config import Clients, Limits, Rate, Unregistered
from dnsfilter.engine.interface import Drop, Miss
from dnsfilter.engine.limits import KEY_BYTES, SETS, WAYS
from dnsfilter.engine.unregistered_counts import SLOTS
from dnsfilter.telemetry.metrics import Transport
from tests.fuzz.examples import examples
from tests.support.engines import query, running
from tests.support.policies import policy
from tests.support.scripted import Scripted, silent
from tests.unit.engine.compiled.both import both

pytest.importorskip("dnsfilter.engine._engine")

OVERRIDES = tuple(
    (ip_network(prefix), Rate(per_second, burst))
    for prefix, per_second, burst in (
        ("192.0.2.0/24", 3, 2),
        ("192.0.2.1/32", 0, 0),
        ("192.0.2.128/25", 500_000, 9_000_000),
        ("2001:db8::/48", 7, 1),
        ("2001:db8:0:1::/64", 1, 20),
        ("ffff::/16", 1, 1),
    )
)
ADDRESSES = (
    *("0.0.0.0", "192.0.2.1", "192.0.2.2", "192.0.2.200", "192.0.3.1", "198.51.100.1", "198.51.100.255"),
    *("255.255.255.255", "::", "::1", "2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:ff::1", "2001:db8:1::1"),
    *("ffff::", "ffff:ff::1"),
)
SOME = Clients(Unregistered.RESOLVE, (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"), ip_network("ffff::/32")))
EVERYONE = Clients(Unregistered.RESOLVE, (ip_network("0.0.0.0/0"), ip_network("::/0")))
CLIENTS = st.sampled_from(ADDRESSES) | st.one_of(
    st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)
).map(lambda packed: str(ip_address(packed)))
STEPS = st.lists(
    st.tuples(
        CLIENTS,
        st.sampled_from(Transport),
        st.sampled_from((0, 0, 0, 1, 50, 300, 700, 999, 1_000, 7_000, 40_000, 2**33, 2**40)),
    ),
    min_size=1,
    max_size=80,
)
LIMITS = st.builds(
    Limits,
    clients=st.builds(Rate, st.integers(0, 40), st.integers(1, 6)),
    overrides=st.sampled_from(((), OVERRIDES, OVERRIDES[2:])),
    unregistered=st.builds(Rate, st.integers(0, 9), st.integers(1, 3)),
    slip=st.integers(0, 10),
)
KEYS = st.just(bytes(KEY_BYTES)) | st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
"""Keys of the tables. With a key of zeros, all clients share one set, and all networks share one."""
QUERY = query("www.example.org", id=7)


@contextmanager
def keyed(key: bytes) -> Iterator[None]:
    """Give engines that are made meanwhile this key for their tables."""
    with patch("secrets.token_bytes", lambda size: key[:size]):
        yield


@given(LIMITS, KEYS, STEPS)
@examples(60)
def test_queries_are_admitted_and_networks_counted_as_by_the_reference(
    limits: Limits, key: bytes, steps: list[tuple[str, Transport, int]]
) -> None:
    with keyed(key), both(policy(), clients=SOME, limits=limits) as ask:
        later_ms = 0
        for client, transport, wait_ms in steps:
            later_ms += wait_ms
            ask(QUERY, client, transport, later_ms=later_ms)
        expected, found = (sorted(rig.engine.take_unregistered(), key=lambda one: one.prefix) for rig in ask.rigs)
        assert found == expected


@pytest.mark.heavy
def test_each_of_many_overrides_applies() -> None:
    networks = random.Random(1).sample(range(1 << 16), 4000)
    prefixes = [ip_network((number << 8, 24)) for number in networks[::3]]
    limits = Limits(clients=Rate(1, 1), overrides=tuple((prefix, Rate(1, 2)) for prefix in prefixes))
    # An engine for some at a time: buckets of thousands that are all in use share sets of the table.
    for first in range(0, 4000, 200):
        with running("compiled", policy(), Scripted(silent), clients=EVERYONE, limits=limits) as rig:
            for place, number in enumerate(networks[first : first + 200], first):
                client = str(ip_address(number << 8 | 7))
                types: list[Any] = [type(rig.judge(QUERY, client)) for _ in range(2)]
                assert types == [Miss, Drop if place % 3 else Miss]


@pytest.mark.heavy
def test_flood_of_addresses_frees_no_limited_client() -> None:
    limits = Limits(clients=Rate(1, 2))
    with running("compiled", policy(), Scripted(silent), clients=EVERYONE, limits=limits) as rig:
        assert [type(rig.judge(QUERY, "192.0.2.1")) for _ in range(3)] == [Miss, Miss, Drop]
        answer, at = rig.engine.answer, (rig.clock.now_s, rig.clock.boot_ms)
        for number in range(8 * SETS * WAYS):
            answer(QUERY, (0x0A00_0000 + number).to_bytes(4, "big"), Transport.UDP, *at)
        assert type(rig.judge(QUERY, "192.0.2.1")) is Drop


@pytest.mark.parametrize(
    ("name", "other", "message"),
    [
        ("limits.SETS", SETS - 1, "limiter table has 131056 words, not 131072"),
        ("unregistered_counts.SLOTS", SLOTS - 1, "table of networks has 1533 words, not 1536"),
    ],
)
def test_table_of_wrong_size_is_rejected(name: str, other: int, message: str) -> None:
    with (
        patch(f"dnsfilter.engine.{name}", other),
        pytest.raises(ValueError, match=message),
        running("compiled", policy(), Scripted(silent)),
    ):
        pass
