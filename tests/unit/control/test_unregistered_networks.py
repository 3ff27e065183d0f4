"""Networks in no range: merged over all workers, bounded, and forgotten after a day."""

import random
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.control.unregistered_networks import (
    MOST_UNREGISTERED,
    REMEMBERED_S,
    UnregisteredBook,
    UnregisteredNetwork,
    merge,
    prefix_text,
)
from dnsfilter.engine.unregistered_counts import TABLE_KEY_BYTES, Noted, UnregisteredTable

V4, V6 = bytes((192, 0, 2)), bytes.fromhex("20010db80007")
NOW_S = 200_000


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        (V4, "192.0.2.0/24"),
        (bytes(3), "0.0.0.0/24"),
        (V6, "2001:db8:7::/48"),
        (bytes(6), "::/48"),
    ],
)
def test_prefix_text_is_in_the_usual_notation(prefix: bytes, text: str) -> None:
    assert prefix_text(prefix) == text


def test_queries_add_up_over_workers_and_the_last_time_counts() -> None:
    book = UnregisteredBook()
    book.add([Noted(V4, 3, NOW_S - 9, NOW_S), Noted(V6, 9, NOW_S - 2, NOW_S)], NOW_S)
    book.add([Noted(V4, 4, NOW_S - 4, NOW_S - 2)], NOW_S)
    book.add([Noted(V4, 5, NOW_S - 6, NOW_S - 4)], NOW_S)
    assert book.listed(NOW_S + 1) == (
        UnregisteredNetwork("192.0.2.0/24", 12, 5),
        UnregisteredNetwork("2001:db8:7::/48", 9, 3),
    )


def test_network_silent_for_a_day_is_forgotten() -> None:
    book = UnregisteredBook()
    book.add([Noted(V4, 3, NOW_S, NOW_S + 2)], NOW_S)
    assert len(book.listed(NOW_S + REMEMBERED_S - 1)) == 1
    assert book.listed(NOW_S + REMEMBERED_S) == ()
    book.add([Noted(V4, 1, NOW_S + REMEMBERED_S, NOW_S + REMEMBERED_S + 2)], NOW_S + REMEMBERED_S)
    assert book.listed(NOW_S + REMEMBERED_S)[0].queries == 4
    assert merge({V4: Noted(V4, 3, NOW_S, NOW_S + 2)}, [], NOW_S + REMEMBERED_S) == {}


def test_age_is_never_negative() -> None:
    book = UnregisteredBook()
    book.add([Noted(V4, 1, NOW_S + 1, NOW_S + 3)], NOW_S)
    assert book.listed(NOW_S) == (UnregisteredNetwork("192.0.2.0/24", 1, 0),)


NOTED = st.builds(
    Noted,
    st.binary(min_size=3, max_size=3) | st.sampled_from((V4, V6)),
    st.integers(1, 100),
    st.integers(NOW_S - 2 * REMEMBERED_S, NOW_S),
    st.integers(NOW_S, NOW_S + 40_000),
)


@given(st.lists(st.lists(NOTED, max_size=300), max_size=3))
def test_networks_are_bounded_and_counts_never_exceed_the_queries(reports: list[list[Noted]]) -> None:
    known: Mapping[bytes, Noted] = {}
    asked: Counter[bytes] = Counter()
    for noted in reports:
        known = merge(known, noted, NOW_S)
        for one in noted:
            asked[one.prefix] += one.queries
        assert len(known) <= MOST_UNREGISTERED
        assert all(one.queries <= asked[prefix] and NOW_S - one.seen_s < REMEMBERED_S for prefix, one in known.items())


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 4))
def test_flood_does_not_reduce_counts_of_steady_networks(seed: int, steady: int, workers: int) -> None:
    drawn = random.Random(seed)
    tables = [UnregisteredTable(drawn.randbytes(TABLE_KEY_BYTES)) for _ in range(workers)]
    book = UnregisteredBook()
    asked: Counter[str] = Counter()
    for now_s in range(1, 31):
        for number in range(steady):
            # Each worker sees all networks before the flood: a network that it first sees amid one may be missed.
            for table in tables if now_s <= 5 else drawn.sample(tables, 1):
                table.note(bytes((192, 0, number, drawn.randrange(256))), now_s * 1000)
                asked[f"192.0.{number}.0/24"] += 1
        for table in tables:
            for _ in range(100 if now_s > 5 else 0):
                table.note(b"\xfd" + drawn.randbytes(15), now_s * 1000)
            if now_s % 5 == 0:
                book.add(table.take(), now_s)
    listed = book.listed(30)
    assert len(listed) <= MOST_UNREGISTERED
    assert {one.prefix: one.queries for one in listed if one.prefix.startswith("192.0.")} == asked
