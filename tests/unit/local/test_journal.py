"""The journal of local acts on a node."""

import json
import multiprocessing
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.errors import UnavailableError
from dnsfilter.local import journal
from dnsfilter.local.journal import MOST_AHEAD, MOST_NUMBER, Act, Entry, Journal
from tests.support.policies import NOW


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node" / "journal.jsonl"


def add(path: Path, count: int = 1) -> list[Entry]:
    kept = Journal(path)
    return [
        kept.add(NOW + n, 0, Act.SUSPEND, "payroll is down", authority="ghent", until=NOW + n + 60)
        for n in range(count)
    ]


def test_act_is_read_back_as_written(path: Path) -> None:
    kept = Journal(path)
    first = kept.add(NOW, 0, Act.SUSPEND, 'says "no"\nto all', authority="ghent", until=NOW + 60)
    second = kept.add(NOW + 1, 12, Act.USE_REVISION, "bad lists", revision=7)
    third = kept.add(NOW + 2, 12, Act.END_SUSPENSION, "")
    assert [entry.number for entry in (first, second, third)] == [1, 2, 3]
    assert Journal(path).entries() == (first, second, third)
    assert len(path.read_text().splitlines()) == 3


def test_entry_value_has_timestamps_as_text() -> None:
    assert Entry(7, NOW, 0, Act.SUSPEND, None, NOW + 60, None, "why").value() == {
        "number": 7,
        "time": "2026-03-28T00:00:00Z",
        "uid": 0,
        "act": "suspend",
        "authority": None,
        "until": "2026-03-28T00:01:00Z",
        "revision": None,
        "reason": "why",
        "name": None,
        "exact": False,
    }


def test_journal_is_readable_by_its_owner_alone(path: Path) -> None:
    add(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_missing_file_has_no_unreported_entries(path: Path) -> None:
    assert Journal(path).unreported() == ()
    assert not path.exists()


def test_reported_entries_are_not_reported_again(path: Path) -> None:
    entries = add(path, 4)
    watcher = Journal(path)
    assert watcher.unreported() == tuple(entries)
    watcher.mark_reported(3)
    assert watcher.unreported() == (entries[3],)
    assert Journal(path).unreported() == (entries[3],)


def test_entries_lost_by_the_control_plane_are_unreported_again(path: Path) -> None:
    entries = add(path, 4)
    Journal(path).mark_reported(4, enrolment="a")
    Journal(path).mark_reported(2, enrolment="a")
    assert Journal(path).unreported() == tuple(entries[2:])
    assert add(path)[0].number == 5


def test_entries_reported_to_another_enrolment_are_not_reported_again(path: Path) -> None:
    entries = add(path, 3)
    Journal(path).mark_reported(2, enrolment="a")
    Journal(path).mark_reported(0, enrolment="b")
    Journal(path).mark_reported(0, enrolment="b")
    assert Journal(path).unreported() == (entries[2],)
    Journal(path).mark_reported(3, enrolment="b")
    Journal(path).mark_reported(2, enrolment="b")
    assert Journal(path).unreported() == (entries[2],)


def test_new_journal_continues_above_the_recorded_number(path: Path) -> None:
    Journal(path).mark_reported(7, sent=0, enrolment="a")
    assert not path.exists() or Journal(path).entries() == ()
    assert add(path)[0].number == 8


def test_entries_written_before_the_number_is_known_are_renumbered(path: Path) -> None:
    entries = add(path, 3)
    Journal(path).mark_reported(7, sent=0, enrolment="a")
    assert Journal(path).unreported() == tuple(replace(entry, number=entry.number + 7) for entry in entries)
    assert add(path)[0].number == 11


@pytest.mark.parametrize("number", [MOST_AHEAD + 4, MOST_NUMBER])
def test_numbers_far_above_the_journal_are_refused(path: Path, number: int) -> None:
    entries = add(path, 3)
    with pytest.raises(UnavailableError, match=f"has number {number}, far above 3"):
        Journal(path).mark_reported(number, sent=3, enrolment="a")
    assert (Journal(path).unreported(), Journal(path).broken_lines()) == (tuple(entries), 0)
    Journal(path).mark_reported(MOST_AHEAD + 3, sent=3, enrolment="a")
    assert [entry.number for entry in Journal(path).unreported()] == [MOST_AHEAD + 4, MOST_AHEAD + 5, MOST_AHEAD + 6]


def test_act_is_refused_if_numbers_are_used_up(path: Path) -> None:
    (last,) = add(path)
    path.write_text(json.dumps(replace(last, number=MOST_NUMBER).value()) + "\n")
    before = path.read_bytes()
    with pytest.raises(UnavailableError, match="its numbers are used up"):
        add(path)
    assert path.read_bytes() == before
    Journal(path).mark_reported(MOST_NUMBER - 1, enrolment="a")
    assert len(Journal(path).unreported()) == 1


def test_lost_answer_does_not_renumber_the_journal(path: Path) -> None:
    entries = add(path, 3)
    Journal(path).mark_reported(2, sent=3, enrolment="a")
    assert Journal(path).unreported() == (entries[2],)


def test_node_without_local_acts_has_no_journal(path: Path) -> None:
    Journal(path).mark_reported(0, enrolment="a")
    assert not path.exists()


@pytest.mark.parametrize("uid", [-1, 2**32 - 1, 9_999_999_999])
def test_uid_is_clamped_to_valid_numbers(path: Path, uid: int) -> None:
    assert 0 <= Journal(path).add(NOW, uid, Act.SUSPEND, "why").uid <= journal.MOST_UID


def test_entry_of_another_process_is_read(path: Path) -> None:
    watcher = Journal(path)
    assert watcher.unreported() == ()
    first = add(path)
    assert watcher.unreported() == tuple(first)
    second = add(path)
    assert watcher.unreported() == (*first, *second)


@pytest.mark.parametrize("cut", [1, 2, 30])
def test_broken_last_line_is_counted_and_next_act_starts_a_new_line(path: Path, cut: int) -> None:
    add(path, 3)
    os.truncate(path, path.stat().st_size - cut)
    lost = cut > 1
    assert Journal(path).broken_lines() == int(lost)
    entry = add(path)[0]
    assert entry.number == (3 if lost else 4)
    assert Journal(path).entries()[-1] == entry
    assert Journal(path).broken_lines() == int(lost)


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe",
        b"[]",
        b"7",
        b'"reported"',
        b'{"reported": []}',
        b'{"number": 9}',
        b'{"number": 2, "time": "now", "uid": 0, "act": "suspend", "authority": null, "until": null, "revision": null,'
        b' "reason": ""}',
        b"[" * 20_000,
        b'{"reported": -1}',
        *(
            json.dumps({**Entry(9, NOW, 0, Act.SUSPEND).value(), **odd}).encode()
            for odd in (
                {"number": 0},
                {"number": 2**63},
                {"uid": -1},
                {"uid": 2**32},
                {"authority": "a b"},
                {"revision": -1},
            )
        ),
    ],
)
def test_invalid_line_is_counted_and_skipped(path: Path, line: bytes) -> None:
    entries = add(path)
    with path.open("ab") as file:
        file.write(line + b"\n")
    assert Journal(path).entries() == tuple(entries)
    assert Journal(path).broken_lines() == 1


def test_reported_entries_are_removed_and_numbers_continue(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "KEPT_REPORTED", 2)
    monkeypatch.setattr(journal, "_SURPLUS", 3)
    kept = Journal(path)
    entries = add(path, 9)
    kept.mark_reported(8)
    assert kept.entries() == tuple(entries[6:])
    assert kept.unreported() == (entries[8],)
    assert add(path)[0].number == 10


def test_unreported_journal_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_ENTRIES", 4)
    monkeypatch.setattr(journal, "_SURPLUS", 3)
    entries = add(path, 12)
    assert 4 <= len(Journal(path).entries()) <= 7
    assert Journal(path).entries()[-1] == entries[-1]


@pytest.mark.heavy
def test_concurrent_writers_are_serialized(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=add, args=(path, 20)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [entry.number for entry in Journal(path).entries()] == list(range(1, 41))


def test_write_error_is_reported(path: Path) -> None:
    path.parent.write_text("no directory")
    with pytest.raises(UnavailableError, match=r"write the journal .*journal\.jsonl"):
        add(path)


def test_symbolic_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    aim = tmp_path / "elsewhere"
    aim.write_text("")
    path.symlink_to(aim)
    with pytest.raises(UnavailableError):
        add(path)
    assert aim.read_text() == ""


def test_a_long_reason_is_cut(path: Path) -> None:
    entry = Journal(path).add(NOW, 0, Act.SUSPEND, "x" * 10_000)
    assert len(json.loads(path.read_text())["reason"]) == len(entry.reason) == journal.REASON_CHARS
