"""Whether a wall clock that is ahead is believed, while a node runs and over restarts."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from dnsfilter.engine.clock import Reference
from dnsfilter.local import believed_clock
from dnsfilter.local.believed_clock import (
    FILE_NAME,
    MOST_OFF_S,
    STEADY_S,
    STORE_MS,
    BelievedClock,
    kernel_is_synchronized,
    this_boot,
)
from dnsfilter.snapshot.contents import RELEASED_S
from tests.support.policies import DAY, HOUR

START = RELEASED_S + 30 * DAY
MADE_S = START - DAY
FAR = 400 * DAY


@dataclass
class Machine:
    """The clocks of a machine, and what its kernel says of them."""

    wall: int = START
    boot: int = 1_000
    synchronized: bool = False

    def wall_s(self) -> int:
        return self.wall

    def boot_ns(self) -> int:
        return self.boot * 1_000_000_000

    def go(self, seconds: int) -> None:
        self.wall += seconds
        self.boot += seconds

    def clock(self, path: Path | None = None, *, read_only: bool = False) -> BelievedClock:
        return BelievedClock(path, self, read_only=read_only, is_synchronized=lambda: self.synchronized)


def doubted(machine: Machine, clock: BelievedClock) -> bool:
    """Return whether the wall clock of now is ahead of the reference."""
    reference = clock.reference
    return reference is not None and machine.wall > reference.at(machine.boot * 1000) + 60


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE_NAME


def test_the_first_start_believes_the_clock(machine: Machine) -> None:
    clock = machine.clock()
    assert clock.look(MADE_S)
    assert clock.reference == Reference(START, 1_000_000)


@pytest.mark.parametrize(("ahead_s", "expected"), [(60, False), (61, True), (FAR, True)])
def test_a_jump_ahead_is_doubted_until_the_clock_is_right_again(machine: Machine, ahead_s: int, expected: bool) -> None:
    clock = machine.clock()
    clock.look(MADE_S)
    machine.wall += ahead_s
    for _ in range(3):
        machine.go(HOUR)
        clock.look(MADE_S)
        assert doubted(machine, clock) is expected
    machine.wall -= ahead_s
    machine.go(1)
    clock.look(MADE_S)
    assert not doubted(machine, clock)


def test_a_jump_ahead_is_believed_once_the_kernel_is_synchronized(machine: Machine) -> None:
    clock = machine.clock()
    clock.look(MADE_S)
    machine.wall += FAR
    machine.go(1)
    assert not clock.look(MADE_S)
    assert doubted(machine, clock)
    machine.synchronized = True
    machine.go(1)
    assert clock.look(MADE_S)
    assert not doubted(machine, clock)
    machine.synchronized = False  # as at each setting of the clock
    machine.wall += FAR
    machine.go(1)
    clock.look(MADE_S)
    assert doubted(machine, clock)


@pytest.mark.parametrize(
    ("heard_s", "expected"),
    [
        pytest.param(START + FAR, False, id="confirms"),
        pytest.param(START, True, id="contradicts"),
        pytest.param(MADE_S - 61, True, id="a control plane with a wrong clock is no evidence"),
    ],
)
def test_the_control_plane_confirms_a_jump_or_does_not(machine: Machine, heard_s: int, expected: bool) -> None:
    clock = machine.clock()
    clock.look(MADE_S)
    machine.wall += FAR
    for _ in range(2):
        machine.go(1)
        clock.look(MADE_S, Reference(heard_s, machine.boot * 1000))
        assert doubted(machine, clock) is expected
        assert clock.reference is not None
        assert clock.reference.instant >= START


@pytest.mark.parametrize(("made_ago_s", "expected"), [(0, False), (60, False), (61, True), (5 * DAY, True)])
def test_it_is_not_earlier_than_a_snapshots_making(machine: Machine, made_ago_s: int, expected: bool) -> None:
    clock = machine.clock()
    clock.look(MADE_S)
    machine.wall += FAR
    made_s = machine.wall - made_ago_s
    assert clock.look(made_s)
    assert doubted(machine, clock) is expected
    assert clock.reference is not None
    machine.go(HOUR)
    assert clock.reference.at(machine.boot * 1000) >= made_s + HOUR


def test_the_control_plane_contradicts_a_clock_that_was_ahead_at_the_first_start(machine: Machine) -> None:
    machine.wall += FAR
    clock = machine.clock()
    clock.look(MADE_S)
    assert not doubted(machine, clock)
    machine.go(1)
    assert clock.look(MADE_S, Reference(START, machine.boot * 1000))
    assert doubted(machine, clock)


def test_a_trusted_clock_is_never_doubted(machine: Machine) -> None:
    clock = machine.clock()
    clock.look(MADE_S)
    machine.wall += FAR
    machine.go(1)
    assert clock.look(MADE_S, trusted=True)
    assert clock.reference is None


@pytest.mark.parametrize("behind", [0, RELEASED_S - 1, MADE_S - 61])
def test_a_clock_that_was_behind_is_believed_once_it_is_set(machine: Machine, behind: int) -> None:
    right, machine.wall = machine.wall, behind
    clock = machine.clock()
    clock.look(MADE_S)
    assert clock.reference is None
    machine.wall = right
    machine.go(1)
    assert clock.look(MADE_S)
    assert clock.reference == Reference(machine.wall, machine.boot * 1000)


def test_small_steps_are_believed_and_followed(machine: Machine) -> None:
    clock = machine.clock()
    clock.look(MADE_S)
    moved = []
    for _ in range(100):
        machine.go(DAY)
        machine.wall += 2
        moved.append(clock.look(MADE_S))
        assert not doubted(machine, clock)
    assert moved.count(True) == 200 // (STEADY_S + 2)


def test_a_restart_of_the_node_remembers_the_jump(machine: Machine, path: Path) -> None:
    machine.clock(path).look(MADE_S)
    machine.wall += FAR
    machine.go(HOUR)
    again = machine.clock(path)
    again.look(MADE_S)
    assert doubted(machine, again)
    assert again.reference == Reference(START, 1_000_000)


@pytest.mark.parametrize(
    ("off_s", "synchronized", "expected"),
    [
        (HOUR, False, False),
        (MOST_OFF_S, False, False),
        (MOST_OFF_S + 1, False, True),
        (FAR, False, True),
        (FAR, True, False),
    ],
)
def test_a_machine_that_was_off_for_long_needs_a_confirmation(
    machine: Machine, path: Path, monkeypatch: pytest.MonkeyPatch, off_s: int, synchronized: bool, expected: bool
) -> None:
    machine.clock(path).look(MADE_S)
    monkeypatch.setattr(believed_clock, "this_boot", lambda: "another")
    machine.wall, machine.boot, machine.synchronized = machine.wall + off_s, 20, synchronized
    again = machine.clock(path)
    again.look(MADE_S)
    assert doubted(machine, again) is expected
    assert again.reference is not None
    assert again.reference.at(20_000) == (START if expected else machine.wall)


def test_the_reading_is_stored_each_hour_and_when_it_has_moved(machine: Machine, path: Path) -> None:
    clock = machine.clock(path)
    stored = []
    for step, jump in ((0, 0), (10, 0), (STORE_MS // 1000, 0), (10, 0), (10, 30)):
        machine.go(step)
        machine.wall += jump
        clock.look(MADE_S)
        stored.append(json.loads(path.read_text())["boot_ms"] // 1000)
    assert stored == [1_000, 1_000, 4_610, 4_610, 4_630]
    assert json.loads(path.read_text())["boot"] == this_boot() != ""


def test_a_process_next_to_the_node_follows_its_file_and_writes_nothing(machine: Machine, path: Path) -> None:
    alone = machine.clock(path, read_only=True)
    alone.look(MADE_S)
    assert not path.exists()
    node = machine.clock(path)
    node.look(MADE_S)
    machine.wall += FAR
    machine.go(1)
    alone.look(MADE_S)
    assert doubted(machine, alone)
    node.look(MADE_S, Reference(machine.wall, machine.boot * 1000))
    machine.go(1)
    alone.look(MADE_S)
    assert not doubted(machine, alone)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"instant": "soon", "boot_ms": 1, "boot": ""}', "\0"])
def test_a_damaged_file_is_as_none_and_is_replaced(
    machine: Machine, path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_text(content)
    machine.clock(path, read_only=True).look(MADE_S)
    assert caplog.text == ""
    clock = machine.clock(path)
    clock.look(MADE_S)
    assert clock.reference == Reference(START, 1_000_000)
    assert "believed time not read" in caplog.text
    assert json.loads(path.read_text())["boot_ms"] == 1_000_000


def test_a_file_that_cannot_be_written_is_logged_once(
    machine: Machine, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.with_suffix(".lock").mkdir()
    clock = machine.clock(path)
    for _ in range(3):
        clock.look(MADE_S)
        machine.go(2 * STORE_MS // 1000)
    assert caplog.text.count("believed time not stored") == 1


@pytest.mark.parametrize(("state", "expected"), [(-1, False), (0, True), (1, True), (4, True), (5, False)])
def test_the_kernel_says_whether_its_clock_is_synchronized(
    monkeypatch: pytest.MonkeyPatch, state: int, expected: bool
) -> None:
    class Kernel:
        def adjtimex(self, _buffer: object) -> int:
            return state

    monkeypatch.setattr(believed_clock, "_libc", Kernel())
    assert kernel_is_synchronized() is expected


def test_the_kernel_can_be_asked() -> None:
    assert kernel_is_synchronized() in (True, False)
