"""The response to deaths of workers."""

from collections.abc import Sequence

import pytest

from dnsfilter.supervisor.crashes import CrashLog, Suspect, Verdict

AGAIN, QUARANTINE, FALL_BACK = Verdict.START_AGAIN, Verdict.QUARANTINE, Verdict.FALL_BACK


@pytest.mark.parametrize(
    ("deaths", "expected"),
    [
        pytest.param([(5, 7, 0), (10, 7, 0), (60, 7, 0)], [AGAIN, AGAIN, QUARANTINE], id="a new snapshot kills"),
        pytest.param(
            [(5, 7, 0), (10, 7, 0), (61, 7, 0)], [AGAIN, AGAIN, FALL_BACK], id="in force too long to be blamed"
        ),
        pytest.param([(500, 7, 0), (510, 7, 0), (520, 7, 0)], [AGAIN, AGAIN, FALL_BACK], id="an old snapshot"),
        pytest.param(
            [(5, 6, None), (10, 6, None), (15, 6, None)],
            [AGAIN, AGAIN, FALL_BACK],
            id="a snapshot in force after a quarantine",
        ),
        pytest.param([(5, 6, 0), (10, 7, 8), (15, 7, 8)], [AGAIN, AGAIN, FALL_BACK], id="deaths of two snapshots"),
        pytest.param(
            [(5, 6, 0), (10, 7, 8), (15, 7, 8), (20, 7, 8)],
            [AGAIN, AGAIN, FALL_BACK, AGAIN],
            id="the count restarts after a verdict",
        ),
        pytest.param([(0, 7, 0), (50, 7, 0), (100, 7, 0), (150, 7, 0)], [AGAIN] * 4, id="occasional deaths"),
        pytest.param(
            [(0, 7, 0), (50, 7, 0), (100, 7, 0), (105, 7, 0)], [AGAIN] * 3 + [FALL_BACK], id="three recent deaths"
        ),
    ],
)
def test_three_deaths_within_a_minute_have_a_consequence(
    deaths: Sequence[tuple[float, int, float | None]], expected: Sequence[Verdict]
) -> None:
    log = CrashLog()
    assert [log.died(at, Suspect(revision, since)) for at, revision, since in deaths] == expected
