"""Buckets: which queries pass, who owns a bucket, and floods, which neither empty nor multiply buckets."""

import itertools
from collections import defaultdict
from fractions import Fraction
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.config.node_config import Limits, Rate
from dnsfilter.engine.limits import KEY_BYTES, SETS, TICKS_PER_MS, WAYS, Admission, Limiter, client_block

KEY = bytes(range(1, KEY_BYTES + 1))
ONE_SET = bytes(KEY_BYTES)
"""A key under which all clients share one set."""
PASS, SLIP, DROP = Admission.PASS, Admission.SLIP, Admission.DROP


def admit(limiter: Limiter, client: str, now_ms: int = 5, may_ask: bool = True, forgeable: bool = True) -> Admission:
    return limiter.admit(ip_address(client).packed, may_ask, forgeable, now_ms)


def passed(limiter: Limiter, client: str, queries: int, now_ms: int = 5) -> int:
    return sum(admit(limiter, client, now_ms) is PASS for _ in range(queries))


def test_burst_passes_at_once_and_then_the_rate_applies() -> None:
    limiter = Limiter(Limits(clients=Rate(100, 250)), KEY)
    assert passed(limiter, "192.0.2.1", 400) == 250
    assert passed(limiter, "192.0.2.1", 400, 5 + 9) == 0
    assert passed(limiter, "192.0.2.1", 400, 5 + 10) == 1
    assert passed(limiter, "192.0.2.1", 400, 5 + 1010) == 100
    assert passed(limiter, "192.0.2.1", 400, 10_000_000) == 250


def test_without_a_rate_everything_passes_and_nothing_is_stored() -> None:
    limiter = Limiter(Limits(clients=Rate(0, 0), unregistered=Rate(0, 0)), KEY)
    assert passed(limiter, "192.0.2.1", 10_000) == 10_000
    assert admit(limiter, "192.0.2.1", may_ask=False) is PASS
    assert not any(limiter.table)


@pytest.mark.parametrize(
    ("first", "second", "may_ask", "same"),
    [
        ("192.0.2.1", "192.0.2.2", True, False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True, True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", True, False),
        ("::1", "0.0.0.0", True, False),
        ("192.0.2.1", "192.0.2.255", False, True),
        ("192.0.2.1", "192.0.3.1", False, False),
        ("2001:db8:0:1::1", "2001:db8:0:ff::2", False, True),
        ("2001:db8:0:1::1", "2001:db8:0:100::1", False, False),
    ],
)
def test_bucket_is_an_address_or_64_and_for_clients_that_may_not_ask_a_24_or_56(
    first: str, second: str, may_ask: bool, same: bool
) -> None:
    limiter = Limiter(Limits(clients=Rate(1, 1), unregistered=Rate(1, 1), slip=0), KEY)
    assert admit(limiter, first, may_ask=may_ask) is PASS
    assert admit(limiter, first, may_ask=may_ask) is DROP
    assert admit(limiter, second, may_ask=may_ask) is (DROP if same else PASS)


def test_client_that_may_not_ask_but_cannot_be_forged_has_its_own_bucket() -> None:
    limiter = Limiter(Limits(clients=Rate(1, 1), unregistered=Rate(1, 1)), KEY)
    assert [admit(limiter, "192.0.2.1", may_ask=False, forgeable=False) for _ in range(2)] == [PASS, DROP]
    assert admit(limiter, "192.0.2.2", may_ask=False, forgeable=False) is PASS
    assert admit(limiter, "192.0.2.1", may_ask=False) is PASS


@pytest.mark.parametrize(
    ("slip", "expected"),
    [
        (0, [DROP] * 6),
        (1, [SLIP] * 6),
        (2, [DROP, SLIP] * 3),
        (3, [DROP, DROP, SLIP] * 2),
        (10, [*[DROP] * 9, SLIP, *[DROP] * 9, SLIP]),
    ],
)
def test_every_nth_reply_beyond_the_limit_slips(slip: int, expected: list[Admission]) -> None:
    limiter = Limiter(Limits(unregistered=Rate(1, 1), slip=slip), KEY)
    assert admit(limiter, "192.0.2.1", may_ask=False) is PASS
    assert [admit(limiter, "192.0.2.1", may_ask=False) for _ in expected] == expected


OVERRIDES = (
    (ip_network("192.0.2.0/24"), Rate(1, 3)),
    (ip_network("192.0.2.64/26"), Rate(1, 4)),
    (ip_network("192.0.2.65/32"), Rate(0, 0)),
    (ip_network("192.0.2.128/25"), Rate(1, 5)),
    (ip_network("255.255.255.255/32"), Rate(1, 6)),
    (ip_network("2001:db8::/32"), Rate(1, 7)),
    (ip_network("2001:db8:0:5::/64"), Rate(1, 8)),
)


@pytest.mark.parametrize(
    ("client", "burst"),
    [
        ("192.0.1.255", 2),
        ("192.0.2.0", 3),
        ("192.0.2.63", 3),
        ("192.0.2.64", 4),
        ("192.0.2.65", 20),
        ("192.0.2.66", 4),
        ("192.0.2.127", 4),
        ("192.0.2.128", 5),
        ("192.0.2.255", 5),
        ("192.0.3.0", 2),
        ("255.255.255.254", 2),
        ("255.255.255.255", 6),
        ("2001:db7:ffff::1", 2),
        ("2001:db8::1", 7),
        ("2001:db8:0:5::1", 8),
        ("2001:db8:0:6::1", 7),
        ("2001:db9::", 2),
        ("ffff::", 2),
    ],
)
def test_longest_of_nested_overrides_applies(client: str, burst: int) -> None:
    for overrides in (OVERRIDES, OVERRIDES[::-1]):
        limiter = Limiter(Limits(clients=Rate(1, 2), overrides=overrides), KEY)
        assert passed(limiter, client, 20) == burst


def test_flood_of_addresses_neither_grows_the_table_nor_frees_a_limited_client() -> None:
    limiter = Limiter(Limits(clients=Rate(1, 2)), KEY)
    size = limiter.table.nbytes
    assert passed(limiter, "192.0.2.1", 3) == 2
    for number in range(4 * SETS * WAYS):
        limiter.admit((0x0A00_0000 + number).to_bytes(4), True, True, 5)
    assert limiter.table.nbytes == size == 2 * SETS * WAYS * 16
    assert admit(limiter, "192.0.2.1") is DROP


def test_flood_of_networks_that_may_not_ask_does_not_change_client_buckets() -> None:
    limiter = Limiter(Limits(), KEY)
    for number in range(500):
        admit(limiter, f"192.0.2.{number % 200}")
    half = len(limiter.table) // 2
    before = bytes(limiter.table[:half])
    for number in range(4 * SETS * WAYS):
        limiter.admit((number << 8).to_bytes(4), False, True, 5)
    assert any(limiter.table[half:])
    assert bytes(limiter.table[:half]) == before


@pytest.mark.heavy
def test_flood_from_one_client_does_not_affect_others() -> None:
    limiter = Limiter(Limits(), KEY)
    others = [f"192.0.2.{number}" for number in range(1, 51)]
    flooded = 0
    for now_ms in range(1000):
        flooded += passed(limiter, "198.51.100.1", 200, now_ms)
        assert admit(limiter, others[now_ms % 50], now_ms) is PASS
    assert flooded == 2000 + 999


def test_bucket_with_the_least_debt_in_a_full_set_is_reused() -> None:
    limiter = Limiter(Limits(clients=Rate(1, 10)), ONE_SET)
    for number, queries in enumerate((4, 2, 6, 8), 1):
        passed(limiter, f"192.0.2.{number}", queries)
    assert passed(limiter, "192.0.2.9", 10) == 8  # with the debt of 192.0.2.2
    assert {limiter.table[at] & 0xFF for at in range(0, 2 * WAYS, 2)} == {1, 9, 3, 4}
    assert passed(limiter, "192.0.2.4", 10) == 2


def test_table_matches_its_description() -> None:
    limiter = Limiter(Limits(clients=Rate(1000, 10), unregistered=Rate(10, 1), slip=3), KEY)
    admit(limiter, "192.0.2.1", 7)
    for _ in range(2):
        admit(limiter, "2001:db8:1:2ff::9", 7, may_ask=False)
    pairs = {limiter.table[at]: limiter.table[at + 1] for at in range(0, len(limiter.table), 2)}
    assert pairs == {
        0: 0,
        0xC000_0201: 8 * TICKS_PER_MS << 6,
        0x2001_0DB8_0001_0200: 107 * TICKS_PER_MS << 6 | 1 << 2 | 3,
    }
    words = [int.from_bytes(KEY[at : at + 8], "little") for at in (0, 8, 16, 24)]
    kind, block = 3, 0x2001_0DB8_0001_0200
    mixed = (words[0] + words[1] * (block % 2**32) + words[2] * (block // 2**32) + words[3] * kind) % 2**64
    first = (SETS + mixed // 2 ** (64 - 13)) * 2 * WAYS
    assert block in limiter.table[first : first + 2 * WAYS]


def test_limiters_that_share_table_and_key_act_as_one() -> None:
    first, second = (Limiter(Limits(clients=Rate(1, 4)), KEY) for _ in range(2))
    second.table = first.table
    assert [admit(each, "192.0.2.1") for each in (first, second) * 3] == [PASS] * 4 + [DROP] * 2


@pytest.mark.parametrize("size", [0, KEY_BYTES - 1, KEY_BYTES + 1])
def test_key_of_wrong_length_is_rejected(size: int) -> None:
    with pytest.raises(ValueError, match=f"limiter key has {size} bytes, not 32"):
        Limiter(Limits(), bytes(size))


STEPS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 400)), max_size=120)
"""The client of each query, and the milliseconds since the query before."""
CLIENTS = [ip_address(f"192.0.2.{number}").packed for number in range(6)] + [
    ip_address(f"2001:db8:0:{number}::1").packed for number in range(6)
]


@given(STEPS, st.integers(1, 20), st.integers(1, 5))
def test_while_there_is_room_each_client_has_exactly_its_bucket(
    steps: list[tuple[int, int]], per_second: int, burst: int
) -> None:
    limiter = Limiter(Limits(clients=Rate(per_second, burst)), KEY)
    cost = Fraction(1000 * TICKS_PER_MS // per_second, TICKS_PER_MS)  # in milliseconds
    tokens: defaultdict[bytes, Fraction] = defaultdict(lambda: Fraction(burst))
    filled: dict[bytes, int] = {}
    now_ms = 0
    for who, wait_ms in steps:
        now_ms += wait_ms
        client = CLIENTS[who]
        tokens[client] = min(tokens[client] + (now_ms - filled.get(client, now_ms)) / cost, Fraction(burst))
        filled[client] = now_ms
        passes = tokens[client] >= 1
        tokens[client] -= passes
        assert (limiter.admit(client, True, True, now_ms) is PASS) == passes


@given(STEPS, st.integers(1, 20), st.integers(1, 5))
def test_no_client_gets_more_than_its_bucket_even_if_all_share_one_set(
    steps: list[tuple[int, int]], per_second: int, burst: int
) -> None:
    limiter = Limiter(Limits(clients=Rate(per_second, burst)), ONE_SET)
    cost_ms = 1000 // per_second
    passes: defaultdict[bytes, list[int]] = defaultdict(list)
    now_ms = 0
    for who, wait_ms in steps:
        now_ms += wait_ms
        if limiter.admit(CLIENTS[who], True, True, now_ms) is PASS:
            passes[CLIENTS[who]].append(now_ms)
    for times in passes.values():
        for first, last in itertools.combinations(range(len(times)), 2):
            assert (last - first + 1 - burst) * cost_ms <= times[last] - times[first]


def test_client_is_an_ipv4_address_or_an_ipv6_64() -> None:
    assert client_block(ip_address("192.0.2.1").packed) == bytes((192, 0, 2, 1))
    assert client_block(ip_address("2001:db8:0:1::7").packed) == bytes.fromhex("20010db800000001")
