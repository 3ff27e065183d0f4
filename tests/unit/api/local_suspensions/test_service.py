"""Local suspensions, as lists and mails have them."""

import pytest

from api.local_suspensions.service import LocalSuspension, local_suspensions
from api.nodes.last_reports import Heard
from api.nodes.state import said

UNTIL = "2026-09-21T14:43:20Z"
UNTIL_S = 1_790_001_800


@pytest.mark.parametrize(("now_s", "holds"), [(UNTIL_S - 1, True), (UNTIL_S, False)])
def test_a_suspension_holds_until_its_end(now_s: int, holds: bool) -> None:
    report = {"suspended": [{"authority": "town", "until": UNTIL}, {"authority": None, "until": UNTIL}]}
    reported = [LocalSuspension("a", "depot", whose, UNTIL_S) for whose in ("town", None)]
    assert list(local_suspensions("a", "depot", report, now_s)) == (reported if holds else [])


def test_a_node_that_has_said_nothing_suspends_nothing() -> None:
    assert list(local_suspensions("a", "depot", {}, 0)) == []


def test_what_was_heard_goes_before_what_was_written_down() -> None:
    heard = Heard({"revision": 2}, 20.5)
    assert said({"revision": 1}, 10, heard) == ({"revision": 2}, 20)
    assert said({"revision": 1}, 10, None) == ({"revision": 1}, 10)
