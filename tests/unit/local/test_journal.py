"""The record of what was done to a node by hand."""

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


def test_an_act_is_read_back_as_it_was_written(path: Path) -> None:
    kept = Journal(path)
    first = kept.add(NOW, 0, Act.SUSPEND, 'says "no"\nto all', authority="ghent", until=NOW + 60)
    second = kept.add(NOW + 1, 12, Act.USE_REVISION, "bad lists", revision=7)
    third = kept.add(NOW + 2, 12, Act.END_SUSPENSION, "")
    assert [entry.number for entry in (first, second, third)] == [1, 2, 3]
    assert Journal(path).entries() == (first, second, third)
    assert len(path.read_text().splitlines()) == 3


def test_an_entry_for_others_has_its_times_as_text() -> None:
    assert Entry(7, NOW, 0, Act.SUSPEND, None, NOW + 60, None, "why").value() == {
        "number": 7,
        "time": "2026-03-28T00:00:00Z",
        "uid": 0,
        "act": "suspend",
        "authority": None,
        "until": "2026-03-28T00:01:00Z",
        "revision": None,
        "reason": "why",
    }


def test_the_journal_is_its_owners_alone(path: Path) -> None:
    add(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_nothing_is_unreported_without_a_file(path: Path) -> None:
    assert Journal(path).unreported() == ()
    assert not path.exists()


def test_what_is_reported_is_not_reported_again(path: Path) -> None:
    entries = add(path, 4)
    watcher = Journal(path)
    assert watcher.unreported() == tuple(entries)
    watcher.mark_reported(3)
    assert watcher.unreported() == (entries[3],)
    assert Journal(path).unreported() == (entries[3],)


def test_what_the_control_plane_has_no_longer_is_unreported_again(path: Path) -> None:
    entries = add(path, 4)
    Journal(path).mark_reported(4, enrolment="a")
    Journal(path).mark_reported(2, enrolment="a")
    assert Journal(path).unreported() == tuple(entries[2:])
    assert add(path)[0].number == 5


def test_what_was_told_to_another_enrolment_is_not_told_to_the_next(path: Path) -> None:
    entries = add(path, 3)
    Journal(path).mark_reported(2, enrolment="a")
    Journal(path).mark_reported(0, enrolment="b")
    Journal(path).mark_reported(0, enrolment="b")
    assert Journal(path).unreported() == (entries[2],)
    Journal(path).mark_reported(3, enrolment="b")
    Journal(path).mark_reported(2, enrolment="b")
    assert Journal(path).unreported() == (entries[2],)


def test_a_journal_that_was_lost_goes_on_above_what_is_on_record(path: Path) -> None:
    Journal(path).mark_reported(7, told=0, enrolment="a")
    assert not path.exists() or Journal(path).entries() == ()
    assert add(path)[0].number == 8


def test_what_was_written_before_that_is_known_goes_on_above_it(path: Path) -> None:
    entries = add(path, 3)
    Journal(path).mark_reported(7, told=0, enrolment="a")
    assert Journal(path).unreported() == tuple(replace(entry, number=entry.number + 7) for entry in entries)
    assert add(path)[0].number == 11


@pytest.mark.parametrize("number", [MOST_AHEAD + 4, MOST_NUMBER])
def test_numbers_are_moved_no_further_than_any_journal_comes(path: Path, number: int) -> None:
    entries = add(path, 3)
    with pytest.raises(UnavailableError, match=f"says that {number} is, far above 3"):
        Journal(path).mark_reported(number, told=3, enrolment="a")
    assert (Journal(path).unreported(), Journal(path).broken_lines()) == (tuple(entries), 0)
    Journal(path).mark_reported(MOST_AHEAD + 3, told=3, enrolment="a")
    assert [entry.number for entry in Journal(path).unreported()] == [MOST_AHEAD + 4, MOST_AHEAD + 5, MOST_AHEAD + 6]


def test_no_act_is_done_that_has_no_number(path: Path) -> None:
    (last,) = add(path)
    path.write_text(json.dumps(replace(last, number=MOST_NUMBER).value()) + "\n")
    before = path.read_bytes()
    with pytest.raises(UnavailableError, match="its numbers are used up"):
        add(path)
    assert path.read_bytes() == before
    Journal(path).mark_reported(MOST_NUMBER - 1, enrolment="a")
    assert len(Journal(path).unreported()) == 1


def test_an_answer_that_was_lost_makes_no_journal_another(path: Path) -> None:
    entries = add(path, 3)
    Journal(path).mark_reported(2, told=3, enrolment="a")
    assert Journal(path).unreported() == (entries[2],)


def test_a_node_to_which_nothing_was_done_gets_no_journal(path: Path) -> None:
    Journal(path).mark_reported(0, enrolment="a")
    assert not path.exists()


@pytest.mark.parametrize("uid", [-1, 2**32 - 1, 9_999_999_999])
def test_no_user_has_a_number_that_none_can_have(path: Path, uid: int) -> None:
    assert 0 <= Journal(path).add(NOW, uid, Act.SUSPEND, "why").uid <= journal.MOST_UID


def test_what_another_process_adds_is_seen(path: Path) -> None:
    watcher = Journal(path)
    assert watcher.unreported() == ()
    first = add(path)
    assert watcher.unreported() == tuple(first)
    second = add(path)
    assert watcher.unreported() == (*first, *second)


@pytest.mark.parametrize("cut", [1, 2, 30])
def test_a_last_line_that_a_power_cut_broke_is_counted_and_the_next_act_stands_on_its_own(path: Path, cut: int) -> None:
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
def test_a_line_that_is_no_entry_is_counted_and_passed_over(path: Path, line: bytes) -> None:
    entries = add(path)
    with path.open("ab") as file:
        file.write(line + b"\n")
    assert Journal(path).entries() == tuple(entries)
    assert Journal(path).broken_lines() == 1


def test_reported_entries_make_room_and_numbers_go_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "KEPT_REPORTED", 2)
    monkeypatch.setattr(journal, "_SPARE", 3)
    kept = Journal(path)
    entries = add(path, 9)
    kept.mark_reported(8)
    assert kept.entries() == tuple(entries[6:])
    assert kept.unreported() == (entries[8],)
    assert add(path)[0].number == 10


def test_a_journal_that_nobody_takes_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_ENTRIES", 4)
    monkeypatch.setattr(journal, "_SPARE", 3)
    entries = add(path, 12)
    assert 4 <= len(Journal(path).entries()) <= 7
    assert Journal(path).entries()[-1] == entries[-1]


@pytest.mark.slow
def test_two_who_write_take_turns(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=add, args=(path, 20)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [entry.number for entry in Journal(path).entries()] == list(range(1, 41))


def test_what_cannot_be_written_is_said(path: Path) -> None:
    path.parent.write_text("no directory")
    with pytest.raises(UnavailableError, match=r"write the journal .*journal\.jsonl"):
        add(path)


def test_a_journal_that_is_a_link_is_not_written_through(path: Path, tmp_path: Path) -> None:
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
