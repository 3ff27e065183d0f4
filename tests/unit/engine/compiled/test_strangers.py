"""Networks in no range in C: the same memory, and the same words in it, as the reference's table."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.engine._engine import Strangers
from dnsfilter.engine.strangers import TABLE_KEY_OCTETS, StrangerTable

ADDRESSES = [
    ip_address(text).packed
    for text in ("0.0.0.0", "192.0.2.1", "192.0.2.2", "192.0.3.1", "255.255.255.255", "::", "2001:db8::1", "ffff::")
]
CLIENTS = st.sampled_from(ADDRESSES) | st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)
STEPS = st.lists(st.tuples(CLIENTS, st.sampled_from((0, 0, 0, 300, 999, 1000, 7_000, 40_000, 2**33))), max_size=120)
KEYS = st.just(bytes(TABLE_KEY_OCTETS)) | st.binary(min_size=TABLE_KEY_OCTETS, max_size=TABLE_KEY_OCTETS)
"""With a key of noughts all networks share one set."""


@given(KEYS, STEPS)
def test_any_queries_leave_the_same_table(key: bytes, steps: list[tuple[bytes, int]]) -> None:
    alone, other = StrangerTable(key), StrangerTable(key)
    strangers = Strangers(other)
    now_ms = 0
    for client, wait_ms in steps:
        now_ms += wait_ms
        alone.note(client, now_ms)
        strangers.note_one(client, now_ms)
    assert bytes(alone.table) == bytes(other.table)
    assert alone.take() == other.take()


@given(KEYS, STEPS)
def test_two_engines_that_take_turns_are_one(key: bytes, steps: list[tuple[bytes, int]]) -> None:
    alone, shared = StrangerTable(key), StrangerTable(key)
    strangers = Strangers(shared)
    now_ms = 0
    for number, (client, wait_ms) in enumerate(steps):
        now_ms += wait_ms
        alone.note(client, now_ms)
        (strangers.note_one if number % 2 else shared.note)(client, now_ms)
    assert bytes(alone.table) == bytes(shared.table)


@pytest.mark.parametrize("octets", [0, 3, 5, 15, 17])
def test_what_is_no_address_is_not_noted(octets: int) -> None:
    table = StrangerTable(bytes(TABLE_KEY_OCTETS))
    Strangers(table).note_one(bytes(octets), 5_000)
    assert not any(table.table)


def test_a_table_of_another_size_is_refused() -> None:
    table = StrangerTable(bytes(TABLE_KEY_OCTETS))
    table.table = table.table[1:]
    with pytest.raises(ValueError, match="take strangers: a table has 1536 words, not 1535"):
        Strangers(table)
