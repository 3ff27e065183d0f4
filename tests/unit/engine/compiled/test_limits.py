"""Buckets in C: the same memory, and the same words in it, as the limiter's."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.config.model import Limits, Rate
from dnsfilter.engine._engine import Buckets
from dnsfilter.engine.limits import KEY_OCTETS, SETS, WAYS, Admission, Limiter

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
ADDRESSES = [
    ip_address(text).packed
    for text in (
        *("0.0.0.0", "192.0.2.1", "192.0.2.2", "192.0.2.200", "198.51.100.1", "198.51.100.255", "255.255.255.255"),
        *("::", "::1", "2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:ff::1", "2001:db8:1::1", "ffff:ff::1"),
    )
]
CLIENTS = st.sampled_from(ADDRESSES) | st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)
STEPS = st.lists(
    st.tuples(CLIENTS, st.booleans(), st.booleans(), st.sampled_from((0, 0, 1, 50, 700, 2**40))), max_size=80
)
LIMITS = st.builds(
    Limits,
    clients=st.builds(Rate, st.integers(0, 40), st.integers(1, 6)),
    overrides=st.sampled_from(((), OVERRIDES, OVERRIDES[2:])),
    unregistered=st.builds(Rate, st.integers(0, 9), st.integers(1, 3)),
    slip=st.integers(0, 10),
)
KEYS = st.just(bytes(KEY_OCTETS)) | st.binary(min_size=KEY_OCTETS, max_size=KEY_OCTETS)
"""With a key of noughts all clients share one set."""


@given(LIMITS, KEYS, STEPS)
def test_any_queries_leave_the_same_table_and_are_admitted_alike(
    limits: Limits, key: bytes, steps: list[tuple[bytes, bool, bool, int]]
) -> None:
    limiter, other = Limiter(limits, key), Limiter(limits, key)
    buckets = Buckets(other)
    now_ms = 0
    for client, may_ask, forgeable, wait_ms in steps:
        now_ms += wait_ms
        expected = limiter.admit(client, may_ask, forgeable, now_ms)
        assert buckets.passes(client, may_ask, forgeable, now_ms) == (expected is Admission.PASS)
        assert buckets.admitted(client, may_ask, forgeable, now_ms) == expected
    assert bytes(limiter.table) == bytes(other.table)


@given(LIMITS, KEYS, STEPS)
def test_two_engines_that_take_turns_are_one(
    limits: Limits, key: bytes, steps: list[tuple[bytes, bool, bool, int]]
) -> None:
    alone, shared = Limiter(limits, key), Limiter(limits, key)
    buckets = Buckets(shared)
    now_ms = 0
    for number, (client, may_ask, forgeable, wait_ms) in enumerate(steps):
        now_ms += wait_ms
        turn = buckets.admitted if number % 2 else shared.admit
        assert turn(client, may_ask, forgeable, now_ms) == alone.admit(client, may_ask, forgeable, now_ms)


def test_every_start_of_many_overrides_is_found() -> None:
    prefixes = [ip_network((number << 8, 24)) for number in range(0, 4000, 3)]
    limits = Limits(clients=Rate(1, 1), overrides=tuple((prefix, Rate(1, 2)) for prefix in prefixes))
    limiter = Limiter(limits, bytes(range(KEY_OCTETS)))
    buckets = Buckets(limiter)
    for number in range(4000):
        client = (number << 8 | 7).to_bytes(4)
        assert [buckets.admitted(client, True, True, 5) for _ in range(2)] == [0, 2 if number % 3 else 0]


def test_a_flood_of_addresses_frees_nobody() -> None:
    buckets = Buckets(Limiter(Limits(clients=Rate(1, 2)), bytes(range(KEY_OCTETS))))
    limited = ip_address("192.0.2.1").packed
    assert [buckets.admitted(limited, True, True, 5) for _ in range(3)] == [0, 0, 2]
    for number in range(8 * SETS * WAYS):
        buckets.admitted((0x0A00_0000 + number).to_bytes(4), True, True, 5)
    assert buckets.admitted(limited, True, True, 5) == Admission.DROP


def test_a_table_of_another_size_is_refused() -> None:
    limiter = Limiter(Limits(), bytes(KEY_OCTETS))
    limiter.table = limiter.table[2:]
    with pytest.raises(ValueError, match="take buckets: a table has 131072 words, not 131070"):
        Buckets(limiter)
