"""Unregistered networks: merged by site, in a stable order, for any sequence of reports."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from api.nodes.schemas import UnregisteredNetwork
from api.nodes.unregistered_prefixes import Position, Unregistered, UnregisteredNetworks, position_of

PREFIXES = ("9.0.0.0/24", "10.0.0.0/24", "192.0.2.0/24", "2001:db8::/48", "2001:db8:1::/48")
SITES = ("a", "b")
KNOWN = frozenset({1, 2})


def _unregistered(prefix: str, queries: int = 1, seen_s_ago: int = 0) -> UnregisteredNetwork:
    return UnregisteredNetwork(prefix=prefix, queries=queries, seen_s_ago=seen_s_ago)


def _all(
    unregistered: UnregisteredNetworks, site: str | None = None, since_s: float = -1, size: int = 2
) -> list[Unregistered]:
    """Return all networks, read by pages of `size`."""
    found: list[Unregistered] = []
    while True:
        after = found[-1].position if found else None
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
def test_list_matches_the_last_report_of_each_node(
    reports: list[tuple[int, str, Mapping[str, tuple[int, int]]]], site: str | None, since_s: int, size: int
) -> None:
    unregistered, last = UnregisteredNetworks(), {}
    for at_s, (number, where, networks) in enumerate(reports):
        unregistered.take(number, where, [_unregistered(prefix, *counts) for prefix, counts in networks.items()], at_s)
        last[number] = at_s, where, networks
        # Listing between reports must not disturb the order.
        unregistered.listed(None, None, 0, 1, KNOWN.__contains__)
    expected: dict[Position, dict[int, tuple[int, float]]] = {}
    for number, (at_s, where, networks) in last.items():
        for prefix, (queries, ago_s) in networks.items():
            if number in KNOWN and site in (None, where) and at_s - ago_s > since_s:
                expected.setdefault(position_of(where, prefix), {})[number] = queries, at_s - ago_s
    found = _all(unregistered, site, since_s, size)
    assert [(one.position, one.asked) for one in found] == sorted(expected.items())
    assert all(position_of(one.position.site, one.prefix) == one.position for one in found)


def test_entry_updated_between_two_pages_is_shown_once() -> None:
    unregistered = UnregisteredNetworks()
    unregistered.take(1, "a", [_unregistered(prefix, 1, index) for index, prefix in enumerate(PREFIXES)], 10)
    first = unregistered.listed(None, None, 0, 2, KNOWN.__contains__)
    unregistered.take(1, "a", [_unregistered(prefix, 2, 5 - index) for index, prefix in enumerate(PREFIXES)], 20)
    rest = unregistered.listed(None, first[-1].position, 0, 9, KNOWN.__contains__)
    assert [one.prefix for one in (*first, *rest)] == list(PREFIXES)


def test_networks_of_a_node_are_dropped_with_it_and_after_a_long_silence() -> None:
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
