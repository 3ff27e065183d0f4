"""Workers that count no query over several looks while queries wait, and workers that report nothing."""

import socket

import pytest

from dnsfilter.supervisor.stalls import (
    HOLD_S,
    SILENCE_S,
    START_S,
    STILL_S,
    Silence,
    Stall,
    any_waiting,
    queries_counted,
)
from dnsfilter.telemetry.metrics import Outcome, Transport
from dnsfilter.telemetry.slots import CACHE_HITS, FIXED_SLOTS, QUERY

STEP = 0.6 * STILL_S
Look = tuple[int, bool]
"""The count of queries, and whether queries wait."""


def looked(stall: Stall, *looks: Look, begin: float = 0.0, heard: float = -1.0) -> list[bool]:
    """Return the result of each of these looks, STEP apart."""
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
    ids=["stands still", "is idle", "goes on", "has emptied its sockets", "goes on in time"],
)
def test_worker_that_leaves_queries_waiting_is_stalled(looks: list[Look], said: list[bool]) -> None:
    assert looked(Stall(), *looks) == said


def test_worker_stays_stalled_while_others_empty_its_sockets() -> None:
    stall = Stall()
    assert looked(stall, *[(7, True)] * 4)[-1]
    assert looked(stall, (7, False), begin=100 * HOLD_S) == [True]


def test_worker_that_counts_again_stays_stalled_for_the_hold_time() -> None:
    stall = Stall()
    assert looked(stall, *[(7, True)] * 4)[-1]
    assert looked(stall, (8, True), begin=HOLD_S / 2) == [True]
    assert looked(stall, (9, True), begin=2 * HOLD_S) == [False]


def test_worker_that_reports_again_is_no_longer_stalled() -> None:
    stall = Stall()
    assert looked(stall, *[(7, True)] * 4)[-1]
    assert looked(stall, *[(7, True)] * 4, begin=2 * HOLD_S, heard=HOLD_S) == [False, False, True, True]


@pytest.mark.parametrize(
    ("used_s", "starting", "ended_after", "hangs"),
    [
        pytest.param(1.0, False, SILENCE_S, True, id="computes all the time"),
        pytest.param(0.3, False, SILENCE_S, True, id="shares the processor with others that hang"),
        pytest.param(0.0, False, SILENCE_S, False, id="is stopped"),
        pytest.param(0.1, False, SILENCE_S, False, id="gets little processor time"),
        pytest.param(1.0, True, START_S, True, id="hangs at its start"),
        pytest.param(None, False, SILENCE_S, False, id="processor time is unknown"),
    ],
)
def test_silent_worker_hangs_if_it_computes_meanwhile(
    used_s: float | None, starting: bool, ended_after: float, hangs: bool
) -> None:
    """`used_s` is the processor time for each second."""
    silence = Silence()

    def look(now: float) -> bool:
        return silence.look(now, 0.0, lambda: None if used_s is None else 100.0 + used_s * now, starting=starting)

    seconds = [step / 2 for step in range(int(2 * ended_after) + 1)]
    assert not any(look(now) for now in seconds)
    assert look(ended_after + 0.1)
    assert silence.is_hang is hangs


def test_processor_time_before_the_silence_does_not_count() -> None:
    silence = Silence()
    for now, heard, used_s in ((2.0, 0.0, 0.0), (3.0, 2.5, 1.0), (4.0, 2.5, 2.0)):
        assert not silence.look(now, heard, lambda used_s=used_s: used_s, starting=False)  # type: ignore[misc]
    assert silence.look(4.0 + SILENCE_S, 2.5, lambda: 2.0, starting=False)
    assert not silence.is_hang


def test_only_queries_count_as_progress() -> None:
    slots = memoryview(bytearray(8 * FIXED_SLOTS)).cast("Q")
    slots[CACHE_HITS] = 100
    assert queries_counted(slots) == 0
    for transport in Transport:
        for outcome in Outcome:
            slots[QUERY[transport][outcome]] += 1
    assert queries_counted(slots) == len(Transport) * len(Outcome)


def test_waiting_datagram_at_any_socket_is_seen() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        assert not any_waiting([])
        assert not any_waiting([one, two])
        one.sendto(b"", two.getsockname())
        assert any_waiting([one, two])
        assert not any_waiting([one])
