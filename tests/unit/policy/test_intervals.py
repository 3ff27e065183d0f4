"""Sets of instants behave as sets, and stay sorted, disjoint and non-empty."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.policy.intervals import FOREVER, Interval, Intervals, difference, intersection, union, until

raw = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8)


def members(intervals: list[Interval] | Intervals) -> set[int]:
    return {instant for start, end in intervals for instant in range(start, end)}


def well_formed(intervals: Intervals) -> bool:
    return all(start < end for start, end in intervals) and all(a[1] < b[0] for a, b in pairwise(intervals))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ()),
        ([(3, 3), (5, 4)], ()),
        ([(1, 2), (2, 3)], ((1, 3),)),
        ([(4, 6), (1, 5)], ((1, 6),)),
        ([(1, 9), (2, 3)], ((1, 9),)),
        ([(1, 2), (3, 4)], ((1, 2), (3, 4))),
        ([(1, FOREVER), (2, FOREVER)], ((1, FOREVER),)),
    ],
)
def test_union_joins_touching_intervals_and_drops_empty_ones(given: list[Interval], expected: Intervals) -> None:
    assert union(given) == expected


def test_an_open_end_is_forever() -> None:
    assert until(None) == FOREVER
    assert until(0) == 0


@given(raw)
def test_a_union_has_the_members_of_all(intervals: list[Interval]) -> None:
    found = union(intervals)
    assert members(found) == members(intervals)
    assert well_formed(found)


@given(raw, raw)
def test_intersection_and_difference_are_those_of_sets(left: list[Interval], right: list[Interval]) -> None:
    a, b = union(left), union(right)
    assert members(intersection(a, b)) == members(a) & members(b)
    assert members(difference(a, b)) == members(a) - members(b)
    assert all(start < end for start, end in (*intersection(a, b), *difference(a, b)))


def test_an_open_interval_less_a_closed_one_stays_open() -> None:
    assert difference(((5, FOREVER),), ((7, 9),)) == ((5, 7), (9, FOREVER))
    assert difference(((5, 9),), ((0, FOREVER),)) == ()
    assert difference(((-FOREVER, FOREVER),), ()) == ((-FOREVER, FOREVER),)
