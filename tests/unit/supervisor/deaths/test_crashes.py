"""The cause of a death, and the response to crashes and hangs of workers."""

import os
from collections.abc import Sequence
from signal import SIGABRT, SIGBUS, SIGHUP, SIGILL, SIGINT, SIGKILL, SIGQUIT, SIGSEGV, SIGTERM

import pytest

from dnsfilter.supervisor.deaths.crashes import Cause, CrashLog, Suspects, Verdict, cause_of

AGAIN, QUARANTINE, REINSTATE, FALL_BACK = (
    Verdict.START_AGAIN,
    Verdict.QUARANTINE,
    Verdict.REINSTATE,
    Verdict.FALL_BACK,
)
Deaths = Sequence[tuple[float, int, float | None]]
"""When workers died, by which revision, and since when that was in force."""


@pytest.mark.parametrize("status", [*(-number for number in (SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT)), os.EX_OSERR])
def test_what_comes_from_outside_is_no_evidence(status: int) -> None:
    assert cause_of(status, hung=False) is Cause.OUTSIDE


@pytest.mark.parametrize("status", [*(-number for number in (SIGSEGV, SIGABRT, SIGBUS, SIGILL)), 1, 2])
@pytest.mark.parametrize("hung", [False, True])
def test_a_fault_of_the_process_is_a_crash(status: int, hung: bool) -> None:
    assert cause_of(status, hung=hung) is Cause.CRASH


def test_a_kill_by_the_supervisor_is_a_hang() -> None:
    assert cause_of(-SIGKILL, hung=True) is Cause.HANG


def responses(deaths: Deaths, *, engine_can_change: bool) -> list[Verdict]:
    log = CrashLog()
    return [
        log.died(at, Suspects(revision, since, engine_can_change=engine_can_change)) for at, revision, since in deaths
    ]


@pytest.mark.parametrize(
    ("deaths", "first", "only"),
    [
        pytest.param([(5, 7, 0), (10, 7, 0), (60, 7, 0)], QUARANTINE, QUARANTINE, id="a new snapshot"),
        pytest.param([(5, 7, 0), (10, 7, 0), (61, 7, 0)], FALL_BACK, QUARANTINE, id="one that is not new any more"),
        pytest.param([(500, 7, 0), (510, 7, 0), (520, 7, 0)], FALL_BACK, QUARANTINE, id="an old snapshot"),
        pytest.param([(5, 6, None), (10, 6, None), (15, 6, None)], FALL_BACK, QUARANTINE, id="in force at the start"),
        pytest.param([(5, 6, 0), (10, 7, 8), (15, 7, 8)], FALL_BACK, AGAIN, id="the predecessor kills too"),
        pytest.param(
            [(5, 6, 0), (6, 6, 0), (70, 7, 68), (71, 7, 68), (72, 7, 68)],
            QUARANTINE,
            QUARANTINE,
            id="the predecessor killed long ago",
        ),
        pytest.param([(0, 7, 0), (50, 7, 0), (100, 7, 0), (150, 7, 0)], AGAIN, AGAIN, id="occasional deaths"),
    ],
)
def test_three_deaths_within_a_minute_have_a_response(deaths: Deaths, first: Verdict, only: Verdict) -> None:
    """`first` is the last response of a node whose engine can change, `only` of one with one engine."""
    *before, last = responses(deaths, engine_can_change=True)
    assert (set(before) <= {AGAIN}, last) == (True, first)
    *before, last = responses(deaths, engine_can_change=False)
    assert (set(before) <= {AGAIN}, last) == (True, only)


def test_the_count_restarts_after_a_response() -> None:
    deaths = [(at, 7, None) for at in (1, 2, 3, 4, 5, 6)]
    assert responses(deaths, engine_can_change=True) == [AGAIN, AGAIN, FALL_BACK, AGAIN, AGAIN, FALL_BACK]


@pytest.mark.parametrize("engine_can_change", [True, False])
def test_if_workers_die_by_the_older_snapshot_too_the_quarantine_ends(engine_can_change: bool) -> None:
    log = CrashLog()
    older = Suspects(6, replaced=7, engine_can_change=engine_can_change)
    assert [log.died(at, older) for at in (1, 2, 3)] == [AGAIN, AGAIN, REINSTATE]
    cleared = Suspects(7, is_cleared=True, engine_can_change=engine_can_change)
    assert [log.died(at, cleared) for at in (4, 5, 6)] == [AGAIN, AGAIN, FALL_BACK if engine_can_change else AGAIN]
