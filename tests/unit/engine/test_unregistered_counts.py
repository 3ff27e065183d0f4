"""Unregistered networks: the part of an address that is counted, places and reservations, and floods."""

import random
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.engine.unregistered_counts import SETS, SLOTS, SPREAD, TABLE_KEY_BYTES, WAYS, Noted, UnregisteredTable

KEY = bytes(range(1, TABLE_KEY_BYTES + 1))
ONE_SET = bytes(TABLE_KEY_BYTES)
"""A key under which all networks share one set."""
DAY_S = 24 * 3600


def note(table: UnregisteredTable, client: str, now_s: int = 100, times: int = 1) -> None:
    for _ in range(times):
        table.note(ip_address(client).packed, now_s * 1000 + 999)


def taken(table: UnregisteredTable) -> dict[str, int]:
    return {one.prefix.hex(): one.queries for one in table.take()}


def flood(table: UnregisteredTable, first_s: int, last_s: int, per_second: int, seed: int = 1) -> None:
    """Send queries, each from a network that never asks again."""
    drawn = random.Random(seed)
    for now_s in range(first_s, last_s):
        for _ in range(per_second):
            table.note(b"\xfd" + drawn.randbytes(15), now_s * 1000)


@pytest.mark.parametrize(
    ("clients", "prefixes"),
    [
        (("192.0.2.0", "192.0.2.7", "192.0.2.255"), {"c00002": 3}),
        (("192.0.2.1", "192.0.3.1"), {"c00002": 1, "c00003": 1}),
        (("2001:db8:7::1", "2001:db8:7:ffff::2"), {"20010db80007": 2}),
        (("2001:db8:7::1", "2001:db8:8::1"), {"20010db80007": 1, "20010db80008": 1}),
        (("0.0.0.0", "::"), {"000000": 1, "000000000000": 1}),
        (("255.255.255.255", "ffff:ffff:ffff::"), {"ffffff": 1, "ffffffffffff": 1}),
    ],
)
def test_address_is_counted_by_its_24_or_48(clients: tuple[str, ...], prefixes: dict[str, int]) -> None:
    table = UnregisteredTable(KEY)
    for client in clients:
        note(table, client)
    assert taken(table) == prefixes


def test_counts_restart_at_zero_after_take() -> None:
    table = UnregisteredTable(KEY)
    note(table, "192.0.2.1", times=5)
    note(table, "198.51.100.1", times=2)
    assert taken(table) == {"c00002": 5, "c63364": 2}
    note(table, "192.0.2.1", 104)
    assert taken(table) == {"c00002": 1}
    assert taken(table) == {}


@pytest.mark.parametrize(
    ("seconds", "seen_s", "ends_s"),
    [
        ((100,), 100, 102),
        ((100,) * 50, 100, 102),
        ((100, 101), 101, 109),
        ((100, 101, 101, 105), 105, 137),
        ((100, 9_999), 9_999, 10_007),
        (tuple(range(100, 107)), 106, 106 + 2 * 4**6),
        (tuple(range(100, 400)), 399, 399 + 2 * 4**7),
    ],
)
def test_each_later_second_with_a_query_makes_the_reservation_four_times_as_long(
    seconds: tuple[int, ...], seen_s: int, ends_s: int
) -> None:
    table = UnregisteredTable(KEY)
    for now_s in seconds:
        note(table, "192.0.2.1", now_s)
    assert table.take() == [Noted(bytes((192, 0, 2)), len(seconds), seen_s, ends_s)]


def test_full_set_reuses_only_expired_places_and_the_earliest_first() -> None:
    table = UnregisteredTable(ONE_SET)
    for number in range(WAYS):
        note(table, f"192.0.{number}.1", 100 + number % 3)
    note(table, "198.51.100.1", 101)
    assert len(taken(table)) == WAYS
    note(table, "198.51.100.1", 102)  # 192.0.0.0/24 was first, and its reservation has ended
    note(table, "203.0.113.1", 102)
    note(table, "203.0.114.1", 102)  # 192.0.3.0/24 and 192.0.6.0/24 are of the same second
    note(table, "203.0.115.1", 102)
    assert taken(table) == {"c63364": 1, "cb0071": 1, "cb0072": 1}
    for number in range(WAYS):
        note(table, f"192.0.{number}.1", 102)
    assert taken(table).keys() == {f"c000{number:02x}" for number in (1, 2, 4, 5, 7)}


def test_expired_place_is_kept_until_another_network_takes_it() -> None:
    table = UnregisteredTable(ONE_SET)
    note(table, "192.0.2.1", 100)
    note(table, "192.0.2.1", 100 + DAY_S)
    assert table.take() == [Noted(bytes((192, 0, 2)), 2, 100 + DAY_S, 100 + DAY_S + 8)]


@pytest.mark.parametrize("step", [1, 2, 7, 64, 256])
def test_adjacent_networks_spread_over_the_sets(step: int) -> None:
    drawn = random.Random(7)
    for _ in range(200):
        table = UnregisteredTable(drawn.randbytes(TABLE_KEY_BYTES))
        for number in range(0, 64 * step, step):
            table.note((0x0A00_0000 + (number << 8)).to_bytes(4), 5_000)
        assert len(table.take()) >= 60


@pytest.mark.heavy
@pytest.mark.parametrize("every_s", [1, 5, 60, 600])
def test_flood_does_not_displace_networks_that_asked_steadily_before(every_s: int) -> None:
    table = UnregisteredTable(KEY)
    for now_s in range(10, 20):
        note(table, "192.0.2.1", now_s)
    for round_ in range(5):
        now_s = 20 + round_ * every_s
        flood(table, now_s, now_s + 1, 20 * SLOTS, round_)
        note(table, "192.0.2.1", now_s + every_s)
    assert taken(table)["c00002"] == 15


def test_network_that_starts_to_ask_during_a_flood_is_found() -> None:
    table = UnregisteredTable(KEY)
    for now_s in range(10, 120):
        flood(table, now_s, now_s + 1, 1000, now_s)
        note(table, "192.0.2.1", now_s)
        note(table, "192.0.2.2", now_s)
    (found,) = (one for one in table.take() if len(one.prefix) == 3)
    assert found.ends_s == 119 + 2 * 4**7


def test_flood_of_single_queries_makes_no_network_look_steady() -> None:
    table = UnregisteredTable(KEY)
    flood(table, 10, 40, 2000)
    noted = table.take()
    assert len(noted) == SLOTS
    assert {one.ends_s - one.seen_s for one in noted} == {2}


@given(
    st.binary(min_size=TABLE_KEY_BYTES, max_size=TABLE_KEY_BYTES),
    st.lists(
        st.tuples(
            st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16) | st.just(bytes(4)),
            st.integers(0, 40),
        ),
        max_size=60,
    ),
)
def test_networks_never_exceed_the_places_and_are_counted_once(key: bytes, steps: list[tuple[bytes, int]]) -> None:
    table = UnregisteredTable(key)
    now_s = 0
    for client, wait_s in steps:
        now_s += wait_s
        table.note(client, now_s * 1000)
    noted = table.take()
    assert len({one.prefix for one in noted}) == len(noted) <= SLOTS
    assert sum(one.queries for one in noted) <= len(steps)
    asked = {client[: 3 if len(client) == 4 else 6] for client, _ in steps}
    assert {one.prefix for one in noted} <= asked
    assert all(one.seen_s < one.ends_s for one in noted)


def test_table_matches_its_description() -> None:
    table = UnregisteredTable(KEY)
    note(table, "192.0.2.1", 7)
    note(table, "2001:db8:7::1", 7)
    note(table, "2001:db8:7::2", 9, times=3)
    networks, seen, queries = (list(table.table[column * SLOTS : (column + 1) * SLOTS]) for column in range(3))
    v4, v6 = 0xC00002 << 2 | 1, 0x20010DB80007 << 2 | 3
    assert {network: (seen[at], queries[at]) for at, network in enumerate(networks) if network} == {
        v4: (7 << 3, 1),
        v6: (9 << 3 | 1, 4),
    }
    words = [int.from_bytes(KEY[at : at + 8], "little") for at in (0, 8, 16)]
    mixed = (words[0] + words[1] * (v6 % 2**32) + words[2] * (v6 // 2**32)) % 2**64
    first = (mixed ^ mixed // 2**32) * SPREAD % 2**64 // 2 ** (64 - 6) * WAYS
    assert v6 in networks[first : first + WAYS]
    assert SLOTS == SETS * WAYS


@pytest.mark.parametrize("size", [0, TABLE_KEY_BYTES - 1, TABLE_KEY_BYTES + 1])
def test_key_of_wrong_length_is_rejected(size: int) -> None:
    with pytest.raises(ValueError, match=f"key of unregistered networks has {size} bytes, not 24"):
        UnregisteredTable(bytes(size))
