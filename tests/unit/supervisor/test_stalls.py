"""Who counts as stalled: one that counts nothing, several looks long, while queries wait."""

import socket

import pytest

from dnsfilter.supervisor.stalls import HOLD_S, STILL_S, Stall, any_waits, queries_counted
from dnsfilter.telemetry.metrics import Outcome, Transport
from dnsfilter.telemetry.slots import CACHE_HITS, FIXED_SLOTS, QUERY

STEP = 0.6 * STILL_S
Look = tuple[int, bool]
"""What has been counted, and whether something waits."""


def looked(stall: Stall, *looks: Look, begin: float = 0.0, heard: float = -1.0) -> list[bool]:
    """What is said at each of these looks, STEP apart."""
    return [
        stall.look(begin + STEP * number, counted, heard, lambda waits=waits: waits)  # type: ignore[misc]
        for number, (counted, waits) in enumerate(looks)
    ]


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        ([(7, True)] * 5, [False, False, False, True, True]),
        ([(7, False)] * 5, [False] * 5),
        ([(1, True), (2, True), (3, True), (4, True), (5, True)], [False] * 5),
        ([(7, True), (7, True), (7, False), (7, True), (7, True)], [False] * 5),
        ([(7, True), (7, True), (7, True), (8, True), (8, True)], [False] * 5),
    ],
    ids=["stands still", "has nothing to do", "goes on", "has emptied its sockets", "goes on in time"],
)
def test_a_worker_is_stalled_that_leaves_queries_waiting(looks: list[Look], said: list[bool]) -> None:
    assert looked(Stall(), *looks) == said


def test_a_stalled_worker_stays_so_while_others_empty_its_sockets() -> None:
    stall = Stall()
    assert looked(stall, *[(7, True)] * 4)[-1]
    assert looked(stall, (7, False), begin=100 * HOLD_S) == [True]


def test_a_stalled_worker_that_counts_again_is_held_for_a_while() -> None:
    stall = Stall()
    assert looked(stall, *[(7, True)] * 4)[-1]
    assert looked(stall, (8, True), begin=HOLD_S / 2) == [True]
    assert looked(stall, (9, True), begin=2 * HOLD_S) == [False]


def test_a_stalled_worker_that_speaks_again_is_given_another_chance() -> None:
    stall = Stall()
    assert looked(stall, *[(7, True)] * 4)[-1]
    assert looked(stall, *[(7, True)] * 4, begin=2 * HOLD_S, heard=HOLD_S) == [False, False, True, True]


def test_every_query_is_progress_and_nothing_else_is() -> None:
    slots = memoryview(bytearray(8 * FIXED_SLOTS)).cast("Q")
    slots[CACHE_HITS] = 100
    assert queries_counted(slots) == 0
    for transport in Transport:
        for outcome in Outcome:
            slots[QUERY[transport][outcome]] += 1
    assert queries_counted(slots) == len(Transport) * len(Outcome)


def test_what_waits_at_any_socket_is_seen() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        assert not any_waits([])
        assert not any_waits([one, two])
        one.sendto(b"", two.getsockname())
        assert any_waits([one, two])
        assert not any_waits([one])
