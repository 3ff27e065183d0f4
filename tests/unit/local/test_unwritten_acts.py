"""Local suspensions that the disk does not take: who may leave them in memory, and when they reach the disk."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dnsfilter.errors import UnavailableError
from dnsfilter.local import local_suspensions, unwritten_acts
from dnsfilter.local.journal import JOURNAL_NAME, Act, Journal
from dnsfilter.local.local_suspensions import Given, LocalSuspensions, change_given, load_given, path_in_use
from dnsfilter.local.timed_acts import ClockReading
from dnsfilter.local.unwritten_acts import LOOK_S, RETRY_S, SUSPENSIONS, UnwrittenActs, WriteBack, is_of_disk
from tests.support.policies import HOUR, NOW

THEN = ClockReading(NOW, 5_000_000, "boot-1")
GIVEN = Given("ghent", THEN, HOUR, "payroll is down")


@pytest.fixture
def node_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(unwritten_acts, "SHARED_MEMORY", tmp_path / "shm")
    (tmp_path / "shm").mkdir()
    (tmp_path / "node").mkdir(mode=0o700)
    return tmp_path / "node"


def leave(node_dir: Path, *given: Given) -> UnwrittenActs:
    """Leave one act and these suspensions in memory, as the command does."""
    unwritten = UnwrittenActs(node_dir)
    unwritten.journal().add(NOW, 7, Act.SUSPEND, "payroll is down", authority="ghent", until=NOW + HOUR)
    change_given(unwritten.suspensions, THEN, lambda _: given)
    return unwritten


def held(node_dir: Path) -> list[str | None]:
    return [each.authority for each in LocalSuspensions(node_dir / SUSPENSIONS).holding(THEN)]


def test_suspensions_in_memory_replace_those_on_disk(node_dir: Path) -> None:
    change_given(node_dir / SUSPENSIONS, THEN, lambda _: (Given(None, THEN, HOUR, "fire"),))
    local = LocalSuspensions(node_dir / SUSPENSIONS)
    assert [each.authority for each in local.holding(THEN)] == [None]
    unwritten = leave(node_dir, GIVEN)
    assert [each.authority for each in local.holding(THEN)] == ["ghent"]
    assert path_in_use(node_dir / SUSPENSIONS) == unwritten.suspensions
    unwritten.write_back()
    assert [each.authority for each in local.holding(THEN)] == ["ghent"]
    assert path_in_use(node_dir / SUSPENSIONS) == node_dir / SUSPENSIONS


def test_the_first_change_in_memory_begins_with_what_is_on_disk(node_dir: Path) -> None:
    change_given(node_dir / SUSPENSIONS, THEN, lambda _: (GIVEN,))
    unwritten = UnwrittenActs(node_dir)
    unwritten.journal()
    more = Given("mechelen", THEN, HOUR, "storm")
    change_given(unwritten.suspensions, THEN, lambda now: (*now, more), base=node_dir / SUSPENSIONS)
    assert load_given(unwritten.suspensions) == (GIVEN, more)


def loosen(directory: Path) -> None:
    directory.chmod(0o770)


def link(directory: Path) -> None:
    directory.rename(directory.with_name("elsewhere"))
    directory.symlink_to(directory.with_name("elsewhere"))


def give_away(directory: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives a directory away")
    os.chown(directory, 4242, 4242)


@pytest.mark.parametrize("spoil", [loosen, link, give_away])
def test_a_directory_that_another_user_may_have_made_is_ignored_and_not_used(
    node_dir: Path, spoil: Callable[[Path], None]
) -> None:
    unwritten = leave(node_dir, GIVEN)
    assert held(node_dir) == ["ghent"]
    spoil(unwritten.directory)
    assert held(node_dir) == []
    assert not unwritten.is_there()
    with pytest.raises(UnavailableError, match="another user has made it"):
        unwritten.journal()


def test_acts_are_written_in_order_and_once(node_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Journal(node_dir / JOURNAL_NAME)
    disk.add(NOW - 60, 7, Act.FLUSH_CACHE, "all answers")
    unwritten = leave(node_dir, GIVEN)
    unwritten.journal().add(NOW + 60, 7, Act.END_SUSPENSION, "done", authority="ghent")

    def full(_path: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(unwritten_acts, "replace_private", full)
        with pytest.raises(UnavailableError, match="No space left on device"):
            unwritten.write_back()
    assert unwritten.is_there()
    assert unwritten.write_back() == 2
    assert [(entry.number, entry.act) for entry in disk.entries()] == [
        (1, Act.FLUSH_CACHE),
        (2, Act.SUSPEND),
        (3, Act.END_SUSPENSION),
    ]
    assert not unwritten.is_there()


def test_the_node_tries_again_and_says_why_it_waits(
    node_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    now_s = [100.0]
    writing = WriteBack(node_dir, lambda: now_s[0])
    writing.look()
    assert writing.reason is None
    leave(node_dir, GIVEN)
    now_s[0] += LOOK_S

    def full(_path: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(unwritten_acts, "replace_private", full)
        for _ in range(3):
            writing.look()
            assert writing.reason is not None
            assert "No space left on device" in writing.reason
            now_s[0] += RETRY_S
    assert caplog.text.count("local acts are only in memory") == 1
    writing.look()
    assert writing.reason is None
    assert "local acts are on disk now" in caplog.text
    assert local_suspensions.load_given(node_dir / SUSPENSIONS) == (GIVEN,)


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (OSError(errno.ENOSPC, "full"), True),
        (OSError(errno.EDQUOT, "quota"), True),
        (OSError(errno.EROFS, "read-only"), True),
        (OSError(errno.EIO, "broken"), True),
        (PermissionError(errno.EACCES, "no"), False),
        (BlockingIOError(errno.EAGAIN, "locked"), False),
        (None, False),
    ],
)
def test_only_a_disk_that_takes_nothing_is_a_reason(cause: OSError | None, expected: bool) -> None:
    error = UnavailableError("write")
    error.__cause__ = cause
    assert is_of_disk(error) is expected
