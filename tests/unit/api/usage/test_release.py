"""Which numbers are shown, and that nothing shown reveals a hidden one."""

from collections import defaultdict
from itertools import product
from typing import Any

import pytest

from api.usage.release import (
    Figure,
    bounded,
    coarse,
    distinct,
    figure,
    first_split_day,
    is_hidden,
    last_shown_day,
    may_split,
    total,
)
from api.usage.state import HOURS_KEPT_S
from dnsfilter.policy.calendar import parse_instant

MOST = 36
"""Totals below this are compared."""


@pytest.mark.parametrize("queries", [0, 5, 12_345])
def test_zero_and_numbers_from_five_on_are_shown(queries: int) -> None:
    assert figure(queries) == Figure(queries)


@pytest.mark.parametrize("queries", [1, 2, 3, 4])
def test_a_number_from_one_to_four_is_hidden(queries: int) -> None:
    assert figure(queries) == Figure(below=5)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], Figure(0)),
        ([7, 0, 5], Figure(12)),
        ([0, 3], Figure(below=5)),
        ([1, 2], Figure(at_least=2, at_most=8)),
        ([7, 3], Figure(at_least=8, at_most=11)),
        ([100, 1, 1, 4], Figure(at_least=103, at_most=112)),
    ],
)
def test_a_total_reveals_no_more_than_its_numbers(parts: list[int], expected: Figure) -> None:
    assert total(parts) == expected
    other = [part % 4 + 1 if is_hidden(part) else part for part in parts]
    assert total(other) == expected


def test_a_total_with_unknown_parts_has_only_a_least() -> None:
    assert bounded(30, 2, is_complete=False) == Figure(at_least=32)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([], Figure(0)),
        ([[7], [8, 0]], Figure(15)),
        ([[100, 80], [20]], Figure(at_least=120, at_most=200)),
        ([[3]], Figure(below=5)),
        ([[3, 1]], Figure(at_least=1, at_most=8)),
        ([[3], [9]], Figure(at_least=10, at_most=13)),
    ],
)
def test_queries_that_several_bans_counted_on_a_day_count_once_at_least(
    days: list[list[int]], expected: Figure
) -> None:
    assert distinct(days) == expected
    assert distinct(days, is_complete=False).at_most is None


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (Figure(12), "12"),
        (Figure(below=5), "<5"),
        (Figure(at_least=8, at_most=11), "8-11"),
        (Figure(at_least=8), ">=8"),
    ],
)
def test_a_number_has_a_plain_text(shown: Figure, expected: str) -> None:
    assert shown.text == expected


def test_a_split_leaves_each_hidden_number_all_numbers_from_one_to_four() -> None:
    """Worlds that look the same to a reader, who may know that there is no rest, are in one group."""
    worlds = defaultdict[Any, list[tuple[int, ...]]](list)
    for parts in product(range(1, 9), repeat=3):
        hidden = [part for part in parts if is_hidden(part)]
        for rest in range(MOST):
            if may_split(sum(parts) + rest, sum(parts) - sum(hidden), len(hidden), sum(hidden)):
                seen = tuple(figure(part) for part in parts), sum(parts) + rest, rest == 0
                worlds[seen].append((*parts, rest))
    assert len(worlds) > 100
    for same in worlds.values():
        if sum(same[0]) >= MOST:
            continue  # it has more worlds than these
        for numbers in zip(*same, strict=True):
            assert {1, 2, 3, 4} <= set(numbers) or not any(map(is_hidden, numbers)), same


def test_a_day_is_not_split_if_its_parts_exceed_it() -> None:
    assert not may_split(9, 10, 0, 0)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-09-21T22:59:59Z", "2026-09-20"),
        ("2026-09-21T23:00:00Z", "2026-09-21"),
        ("2026-09-22T12:00:00Z", "2026-09-21"),
    ],
)
def test_a_day_is_shown_an_hour_after_its_end(now: str, expected: str) -> None:
    assert last_shown_day(parse_instant(now), "Europe/Brussels").isoformat() == expected


def test_a_day_is_split_while_all_its_hours_are_kept() -> None:
    now_s = parse_instant("2026-09-21T12:00:00Z") + HOURS_KEPT_S
    assert first_split_day(now_s, "Europe/Brussels").isoformat() == "2026-09-22"


@pytest.mark.parametrize(
    ("queries", "shown"),
    [(0, 0), (1, 0), (4, 0), (5, 5), (9, 5), (10, 10), (19, 10), (20, 20), (999, 500), (1000, 1000)],
)
def test_a_number_that_grows_is_shown_in_steps(queries: int, shown: int) -> None:
    assert coarse(queries) == shown
