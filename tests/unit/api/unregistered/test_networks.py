"""What nodes told of prefixes in no range: merged, in a steady order, however reports come."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from api.nodes.schemas import UnregisteredNetwork
from api.unregistered.networks import Place, Unregistered, UnregisteredNetworks, place_of

PREFIXES = ("9.0.0.0/24", "10.0.0.0/24", "192.0.2.0/24", "2001:db8::/48", "2001:db8:1::/48")
SITES = ("a", "b")
KNOWN = frozenset({1, 2})


def _unregistered(prefix: str, queries: int = 1, seen_s_ago: int = 0) -> UnregisteredNetwork:
    return UnregisteredNetwork(prefix=prefix, queries=queries, seen_s_ago=seen_s_ago)


def _all(
    unregistered: UnregisteredNetworks, site: str | None = None, since_s: float = -1, size: int = 2
) -> list[Unregistered]:
    """Every one, by pages of `size`."""
    found: list[Unregistered] = []
    while True:
        after = found[-1].place if found else None
        page = unregistered.listed(site, after, since_s, size, KNOWN.__contains__)
        found += page
        if len(page) < size:
            return found


_REPORTS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from(SITES),
        st.dictionaries(st.sampled_from(PREFIXES), st.tuples(st.integers(0, 9), st.integers(0, 5)), max_size=5),
    ),
    max_size=12,
)


@given(reports=_REPORTS, site=st.sampled_from((None, *SITES)), since_s=st.integers(-6, 12), size=st.integers(1, 4))
def test_the_list_is_what_the_last_report_of_each_node_says(
    reports: list[tuple[int, str, Mapping[str, tuple[int, int]]]], site: str | None, since_s: int, size: int
) -> None:
    unregistered, last = UnregisteredNetworks(), {}
    for at_s, (number, where, told) in enumerate(reports):
        unregistered.take(number, where, [_unregistered(prefix, *said) for prefix, said in told.items()], at_s)
        last[number] = at_s, where, told
        # Also one that is asked for in between.
        unregistered.listed(None, None, 0, 1, KNOWN.__contains__)
    expected: dict[Place, dict[int, tuple[int, float]]] = {}
    for number, (at_s, where, told) in last.items():
        for prefix, (queries, ago_s) in told.items():
            if number in KNOWN and site in (None, where) and at_s - ago_s > since_s:
                expected.setdefault(place_of(where, prefix), {})[number] = queries, at_s - ago_s
    found = _all(unregistered, site, since_s, size)
    assert [(one.place, one.asked) for one in found] == sorted(expected.items())
    assert all(place_of(one.place.site, one.prefix) == one.place for one in found)


def test_an_entry_that_is_seen_again_between_two_pages_is_neither_skipped_nor_shown_twice() -> None:
    unregistered = UnregisteredNetworks()
    unregistered.take(1, "a", [_unregistered(prefix, 1, place) for place, prefix in enumerate(PREFIXES)], 10)
    first = unregistered.listed(None, None, 0, 2, KNOWN.__contains__)
    unregistered.take(1, "a", [_unregistered(prefix, 2, 5 - place) for place, prefix in enumerate(PREFIXES)], 20)
    rest = unregistered.listed(None, first[-1].place, 0, 9, KNOWN.__contains__)
    assert [one.prefix for one in (*first, *rest)] == list(PREFIXES)


def test_what_a_node_told_is_dropped_with_it_and_once_it_is_silent_for_long() -> None:
    unregistered = UnregisteredNetworks()
    for number in (1, 2):
        unregistered.take(number, "a", [_unregistered(PREFIXES[0])], number)
    unregistered.forget(1)
    unregistered.forget(1)
    assert [list(one.asked) for one in _all(unregistered)] == [[2]]
    unregistered.expire(1)
    assert len(_all(unregistered)) == 1
    unregistered.expire(2)
    assert _all(unregistered) == []
