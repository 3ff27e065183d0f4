"""A clock that is wrong."""

from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.cli.doctor.contact import Contact
from dnsfilter.cli.doctor.in_force import clock
from tests.support.doctor_subjects import page, subject, texts
from tests.support.policies import NOW


def test_clock_that_the_node_does_not_believe_is_found(tmp_path: Path) -> None:
    node = subject(tmp_path)
    doubted = replace(node, page=page(dnsfilter_clock_doubted=1))
    assert texts(clock(doubted)) == [
        "the node does not believe this clock: it jumped ahead, it was just set, or the machine was off for over a week"
    ]
    assert "timedatectl set-ntp true" in clock(doubted).findings[0].advice
    assert "rtcsync" in clock(doubted).findings[0].advice
    assert "trust_clock = true" in clock(doubted).findings[0].advice
    assert texts(clock(replace(node, page=page(dnsfilter_clock_doubted=0)))) == []


def test_clock_earlier_than_the_snapshot_is_found_without_a_running_node(tmp_path: Path) -> None:
    node = replace(subject(tmp_path), page="no node")
    assert texts(clock(replace(node, now_s=NOW - 61))) == [
        "the clock says 2026-03-27T23:58:59Z, but the snapshot was made at 2026-03-28T00:00:00Z"
    ]
    assert texts(clock(replace(node, now_s=NOW - 60))) == []


@pytest.mark.parametrize(("ahead_s", "side"), [(61.0, "behind"), (-61.0, "ahead of"), (60.0, None), (-60.0, None)])
def test_clock_that_differs_from_the_control_planes_is_found(tmp_path: Path, ahead_s: float, side: str | None) -> None:
    contact = Contact("http://192.0.2.9", True, status=200, clock_ahead_s=ahead_s)
    found = texts(clock(replace(subject(tmp_path), contact=contact)))
    assert found == ([] if side is None else [f"this clock is 61 s {side} the control plane's"])
