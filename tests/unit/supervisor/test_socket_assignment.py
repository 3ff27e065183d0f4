"""The sockets that each worker reads, with and without missing neighbours."""

from collections.abc import Mapping

import pytest

from dnsfilter.supervisor.socket_assignment import assign_sockets, positions_to_fill


@pytest.mark.parametrize(
    ("sets", "positions", "able", "expected"),
    [
        pytest.param(2, 2, {0: True, 1: True}, {0: {0}, 1: {1}}, id="each reads its own"),
        pytest.param(2, 2, {0: True}, {0: {0, 1}}, id="one is missing: its neighbour reads both"),
        pytest.param(2, 2, {0: True, 1: False}, {0: {0, 1}, 1: {1}}, id="one hangs: both read its set"),
        pytest.param(3, 3, {0: True, 1: False, 2: True}, {0: {0}, 1: {1}, 2: {1, 2}}, id="the next able worker covers"),
        pytest.param(3, 3, {0: False, 1: False, 2: True}, {0: {0}, 1: {1}, 2: {0, 1, 2}}, id="one covers for all"),
        pytest.param(3, 3, {0: True, 1: True}, {0: {0, 2}, 1: {1}}, id="the order is cyclic"),
        pytest.param(1, 1, {0: True, 1: True}, {0: {0}, 1: set()}, id="a standby reads nothing"),
        pytest.param(1, 1, {1: True}, {1: {0}}, id="until it is needed"),
        pytest.param(1, 1, {0: False, 1: True}, {0: {0}, 1: {0}}, id="also when the worker hangs"),
        pytest.param(1, 1, {0: False, 1: False}, {0: {0}, 1: set()}, id="a standby that hangs does not cover"),
        pytest.param(4, 2, {0: True, 1: True}, {0: {0, 2}, 1: {1, 3}}, id="more sets than positions"),
        pytest.param(2, 2, {0: True, 1: True, 2: True}, {0: {0}, 1: {1}, 2: set()}, id="one position too many"),
        pytest.param(2, 2, {}, {}, id="no worker"),
    ],
)
def test_every_set_is_read_by_an_able_worker_if_any(
    sets: int, positions: int, able: Mapping[int, bool], expected: Mapping[int, set[int]]
) -> None:
    assert assign_sockets(sets, positions, able) == expected


@pytest.mark.parametrize(("workers", "processes"), [(1, 2), (2, 2), (8, 8)])
def test_only_a_single_worker_needs_a_standby(workers: int, processes: int) -> None:
    assert positions_to_fill(workers) == processes
