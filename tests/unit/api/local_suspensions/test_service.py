"""Local suspensions in reports of nodes."""

import pytest

from api.local_suspensions.service import LocalSuspension, local_suspensions
from api.nodes.last_reports import ReceivedReport
from api.nodes.state import last_report

UNTIL = "2026-09-21T14:43:20Z"
UNTIL_S = 1_790_001_800


@pytest.mark.parametrize(("now_s", "holds"), [(UNTIL_S - 1, True), (UNTIL_S, False)])
def test_suspension_holds_until_its_end(now_s: int, holds: bool) -> None:
    report = {"suspended": [{"authority": "town", "until": UNTIL}, {"authority": None, "until": UNTIL}]}
    reported = [LocalSuspension("a", "depot", whose, UNTIL_S) for whose in ("town", None)]
    assert list(local_suspensions("a", "depot", report, now_s)) == (reported if holds else [])


def test_node_without_a_report_has_no_local_suspensions() -> None:
    assert list(local_suspensions("a", "depot", {}, 0)) == []


def test_received_report_takes_precedence_over_the_stored_one() -> None:
    received = ReceivedReport({"revision": 2}, 20.5)
    assert last_report({"revision": 1}, 10, received) == ({"revision": 2}, 20)
    assert last_report({"revision": 1}, 10, None) == ({"revision": 1}, 10)
