"""Local suspensions: the file, and the time for which they hold."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.errors import UnavailableError
from dnsfilter.local.local_suspensions import (
    Given,
    LocalSuspensions,
    change_given,
    given_bytes,
    load_given,
    parse_given,
)
from dnsfilter.local.private_files import writing
from dnsfilter.local.timed_acts import MAX_GIVEN, ClockReading
from dnsfilter.policy.model import Instant, Suspension
from tests.support.policies import HOUR, NOW

BOOT_MS = 5_000_000
THEN = ClockReading(NOW, BOOT_MS, "boot-1")
GIVEN = Given("ghent", THEN, 600, "payroll is down")


def later(by_s: int, *, stepped_s: int = 0, boot: str = "boot-1") -> ClockReading:
    """Return the time `by_s` seconds later, by a wall clock that was also set forward by `stepped_s`."""
    boot_ms = BOOT_MS + 1000 * by_s if boot == "boot-1" else 7_000
    return ClockReading(NOW + by_s + stepped_s, boot_ms, boot)


@pytest.mark.parametrize(
    ("now", "start"),
    [
        pytest.param(later(0), NOW, id="at once"),
        pytest.param(later(599), NOW, id="in the last second"),
        pytest.param(later(600), None, id="ended"),
        pytest.param(later(60, stepped_s=1), NOW, id="rounding is not a set clock"),
        pytest.param(later(60, stepped_s=-1), NOW, id="rounding back is not a set clock"),
        pytest.param(later(60, stepped_s=HOUR), NOW + HOUR, id="a clock set forward does not end it"),
        pytest.param(later(60, stepped_s=-HOUR), NOW - HOUR, id="a clock set back does not prolong it"),
        pytest.param(later(600, stepped_s=-HOUR), None, id="a clock set back does not restore it"),
        pytest.param(later(300, boot="boot-2"), NOW, id="after a restart of the machine"),
        pytest.param(later(600, boot="boot-2"), None, id="ended after a restart of the machine"),
        pytest.param(later(-59, boot="boot-2"), NOW, id="after a restart with a clock slightly behind"),
        pytest.param(later(-HOUR, boot="boot-2"), None, id="a start in the future comes from a wrong clock"),
        pytest.param(later(300, boot=""), NOW, id="an unknown boot"),
        pytest.param(
            ClockReading(NOW + 300, 600_000, "boot-2"), None, id="the machine has run longer than the duration"
        ),
        pytest.param(ClockReading(NOW + 300, 600_000, ""), NOW, id="the same with an unknown boot"),
    ],
)
def test_times_for_which_a_suspension_holds(now: ClockReading, start: Instant | None) -> None:
    expected = None if start is None else Suspension("ghent", start, start + 600, "payroll is down")
    assert GIVEN.holds(now) == expected


def test_two_unknown_boots_are_not_the_same() -> None:
    given = replace(GIVEN, given_at=replace(THEN, boot=""))
    assert given.holds(ClockReading(NOW + 300, 7_000, "")) == Suspension("ghent", NOW, NOW + 600, "payroll is down")


def test_file_is_read_back() -> None:
    given = (GIVEN, Given(None, ClockReading(NOW, 1, "boot-2"), 4 * HOUR, 'says "no"'))
    assert parse_given(given_bytes(given)) == given


def changed(**values: object) -> bytes:
    value = json.loads(given_bytes((GIVEN,)))["suspensions"][0] | values
    return json.dumps({"suspensions": [value]}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"suspensions": 7}',
        b'{"suspensions": [{}]}',
        b'{"suspensions": [null]}',
        b"[" * 100_000,
        changed(authority=7),
        changed(for_s=0),
        changed(for_s=4 * HOUR + 1),
        changed(for_s=True),
        changed(for_s="600"),
        changed(start="yesterday"),
        changed(start="2026-03-28T00:00:00"),
        changed(start=7),
        changed(boot=None),
        changed(boot_ms="soon"),
        changed(boot_ms=float("inf")),
        changed(reason=7),
        changed(reason="x" * 501),
        changed(reason="\x1b]0;title\x07"),
        changed(reason="two\nlines"),
        changed(authority="ghent\r"),
        changed(boot="\x9b31m"),
        given_bytes((GIVEN,) * (MAX_GIVEN + 1)),
    ],
)
def test_invalid_content_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="suspensions"):
        parse_given(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node" / "suspensions.json"


def test_change_keeps_suspensions_in_force_and_removes_ended_ones(path: Path) -> None:
    change_given(path, THEN, lambda held: (*held, GIVEN))
    change_given(path, THEN, lambda held: (*held, replace(GIVEN, authority=None, for_s=60)))
    assert [given.authority for given in load_given(path)] == ["ghent", None]
    seen: list[tuple[Given, ...]] = []

    def look(held: tuple[Given, ...]) -> tuple[Given, ...]:
        seen.append(held)
        return held

    change_given(path, later(60), look)
    assert seen == [(GIVEN,)]
    assert load_given(path) == (GIVEN,)


def test_invalid_file_is_replaced(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"nonsense")
    change_given(path, THEN, lambda held: (*held, GIVEN))
    assert load_given(path) == (GIVEN,)


def test_missing_file_has_no_suspensions(path: Path) -> None:
    assert load_given(path) == ()
    assert LocalSuspensions(path).holding(THEN) == ()


def test_change_by_another_process_is_read(path: Path) -> None:
    watched = LocalSuspensions(path)
    assert watched.holding(THEN) == ()
    change_given(path, THEN, lambda _: (GIVEN,))
    assert [held.authority for held in watched.holding(THEN)] == ["ghent"]
    change_given(path, THEN, lambda _: ())
    assert watched.holding(THEN) == ()


def test_set_clock_moves_a_suspension_once(path: Path) -> None:
    change_given(path, THEN, lambda _: (GIVEN,))
    watched = LocalSuspensions(path)
    starts = [
        watched.holding(replace(later(60 + n, stepped_s=HOUR), boot_ms=BOOT_MS + 1000 * (60 + n) + jitter))[0].start
        for n in range(5)
        for jitter in (0, 999, -1)
    ]
    assert set(starts) == {NOW + HOUR}


def restarted(at: int) -> ClockReading:
    """Return the time `at` seconds later, by a correct clock, of a machine that restarted after 200 s."""
    return ClockReading(NOW + at, 1000 * (at - 200), "boot-2")


@pytest.mark.parametrize("ahead_s", [HOUR, -HOUR, 30 * 24 * HOUR])
def test_suspension_ends_by_the_corrected_clock_after_a_restart(path: Path, ahead_s: int) -> None:
    change_given(path, THEN, lambda _: (replace(GIVEN, given_at=replace(THEN, instant=NOW + ahead_s)),))
    assert LocalSuspensions(path).holding(later(60)) == (Suspension("ghent", NOW, NOW + 600, "payroll is down"),)
    assert load_given(path) == (GIVEN,)
    found = [bool(LocalSuspensions(path).holding(restarted(at))) for at in (300, 599, 600, 3600, 30 * 24 * HOUR)]
    assert found == [True, True, False, False, False]


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(restarted(300), id="starts later by the clock of another boot"),
        pytest.param(later(600), id="has ended"),
        pytest.param(restarted(HOUR), id="has ended after a restart"),
    ],
)
def test_ended_suspension_is_removed_and_not_restored_by_any_clock(path: Path, seen: ClockReading) -> None:
    ahead = HOUR if seen == restarted(300) else 0
    change_given(path, THEN, lambda _: (replace(GIVEN, given_at=replace(THEN, instant=NOW + ahead)),))
    assert LocalSuspensions(path).holding(seen) == ()
    assert load_given(path) == ()


def test_ended_suspension_is_not_restored_if_the_file_is_read_only(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change_given(path, THEN, lambda _: (GIVEN, replace(GIVEN, authority="mechelen", for_s=HOUR)))
    watched = LocalSuspensions(path)
    with writing("test", path.with_suffix(".lock")):
        held = [[one.authority for one in watched.holding(now)] for now in (later(600), later(601), restarted(300))]
    assert held == [["mechelen"], ["mechelen"], ["mechelen"]]
    assert len(load_given(path)) == 2
    assert [record.getMessage().split(" reason")[0] for record in caplog.records] == ["local suspensions not corrected"]


def test_broken_file_has_no_suspensions_and_is_logged_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"nonsense")
    watched = LocalSuspensions(path)
    assert watched.holding(THEN) == ()
    path.write_bytes(b"nonsense again")
    assert watched.holding(THEN) == ()
    assert len(caplog.records) == 1


def test_file_that_others_may_write_is_refused(path: Path) -> None:
    change_given(path, THEN, lambda _: (GIVEN,))
    path.parent.chmod(0o770)
    with pytest.raises(UnavailableError, match="others may write"):
        load_given(path)
    assert LocalSuspensions(path).holding(THEN) == ()


def test_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    (tmp_path / "elsewhere").write_bytes(given_bytes((GIVEN,)))
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnavailableError):
        load_given(path)


def test_endless_file_is_not_read(path: Path) -> None:
    change_given(path, THEN, lambda _: (GIVEN,))
    os.truncate(path, 2**40)
    with pytest.raises(UnavailableError, match="longer"):
        load_given(path)


def test_a_second_reader_writes_nothing(path: Path) -> None:
    change_given(path, THEN, lambda _: (GIVEN,))
    content = path.read_bytes()
    reader = LocalSuspensions(path, read_only=True)
    assert reader.holding(later(599)) == (GIVEN.holds(THEN),)
    assert reader.holding(later(600)) == ()
    assert reader.holding(later(60, stepped_s=HOUR)) == ()
    assert path.read_bytes() == content
