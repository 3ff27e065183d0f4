"""Files of captures: they begin, end and are deleted in time, also if the process or the control plane ends."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dnsfilter.engine.interface import Capture, Captured, CapturedQuery
from dnsfilter.local import capture_files
from dnsfilter.local.capture_files import DIRECTORY, LAST_MS, CaptureFiles, CaptureOrder, parse_orders
from dnsfilter.local.timed_acts import ClockReading
from dnsfilter.policy.bounds import CAPTURE_KEPT_S, MAX_CAPTURE_S, MOST_CAPTURES
from tests.support.policies import NOW

BOOT_MS = 5_000_000
QUERY = CapturedQuery(7, NOW, "192.0.2.9", "udp", "www.example.org", "A", "pass", "NOERROR", None)
LISTED = {"number": 7, "authority": "ghent", "prefix": "192.0.2.0/24", "for_s": 600, "delete_s": 600 + CAPTURE_KEPT_S}


def at(after_s: float = 0, *, stepped_s: int = 0) -> ClockReading:
    """Return the time `after_s` seconds later, by a wall clock that was also set forward by `stepped_s`."""
    return ClockReading(NOW + int(after_s) + stepped_s, BOOT_MS + int(1000 * after_s), "boot-1")


def orders(after_s: float = 0, **changes: Any) -> tuple[CaptureOrder, ...]:
    """Return the captures of an answer that arrives `after_s` seconds later."""
    return parse_orders([{**LISTED, **changes}], at(after_s).boot_ms)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[CaptureFiles]:
    with closing(CaptureFiles(tmp_path)) as made:
        made.look((), None, at())
        yield made


def lines(directory: Path, number: int = 7) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / DIRECTORY / f"{number}.jsonl").read_text().splitlines()]


def kept(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / DIRECTORY).iterdir())


def test_capture_is_written_between_its_start_and_its_end(tmp_path: Path, files: CaptureFiles) -> None:
    assert files.look((), orders(), at())
    assert files.in_force == (Capture(7, "ghent", "192.0.2.0/24", at(600).boot_ms),)
    assert not files.look([Captured([QUERY])], None, at(1))
    assert files.look((), None, at(600))
    assert not files.in_force
    files.look([Captured([QUERY], {7: 3})], None, at(600.5))  # the last report of a worker
    files.look((), None, at(600 + LAST_MS / 1000))
    files.look([Captured([QUERY])], None, at(602))
    shown = {"client": "192.0.2.9", "transport": "udp", "name": "www.example.org", "type": "A"}
    query = {"time": "2026-03-28T00:00:00Z", **shown, "verdict": "pass", "rcode": "NOERROR", "ede": None}
    head, *queries, last = lines(tmp_path)
    assert (head["capture"], head["authority"], head["range"]) == (7, "ghent", "192.0.2.0/24")
    assert queries == [query, query]
    assert last == {"end": "2026-03-28T00:10:01Z", "dropped": 3}


def test_only_its_owner_can_read_the_file(tmp_path: Path, files: CaptureFiles) -> None:
    old = os.umask(0)
    try:
        files.look((), orders(), at())
    finally:
        os.umask(old)
    assert (tmp_path / DIRECTORY).stat().st_mode & 0o777 == 0o700
    assert (tmp_path / DIRECTORY / "7.jsonl").stat().st_mode & 0o777 == 0o600


def test_later_answers_do_not_prolong_a_capture_and_an_earlier_end_holds(files: CaptureFiles) -> None:
    files.look((), orders(), at())
    files.look((), orders(10, for_s=600), at(10))
    assert [each.end_ms for each in files.in_force] == [at(600).boot_ms]
    files.look((), orders(20, for_s=0), at(20))
    assert not files.in_force
    files.look((), orders(30, for_s=600), at(30))
    assert not files.in_force


def test_file_is_deleted_a_day_after_the_end_without_the_control_plane(tmp_path: Path, files: CaptureFiles) -> None:
    files.look((), orders(), at())
    files.look((), None, at(600 + CAPTURE_KEPT_S - 1))
    assert kept(tmp_path) == ["7.jsonl"]
    files.look((), None, at(600 + CAPTURE_KEPT_S))
    assert kept(tmp_path) == []


@pytest.mark.parametrize("stepped_s", [-(10**6), 10**6])
def test_setting_the_wall_clock_prolongs_nothing(tmp_path: Path, files: CaptureFiles, stepped_s: int) -> None:
    files.look((), orders(), at())
    files.look((), None, at(599, stepped_s=stepped_s))
    assert len(files.in_force) == 1
    files.look((), None, at(600, stepped_s=stepped_s))
    assert not files.in_force
    files.look((), None, at(600 + CAPTURE_KEPT_S, stepped_s=stepped_s))
    assert kept(tmp_path) == []


def test_file_whose_capture_is_no_longer_listed_is_deleted_at_once(tmp_path: Path, files: CaptureFiles) -> None:
    files.look((), orders(), at())
    files.look((), (), at(10))
    assert not files.in_force
    assert kept(tmp_path) == []


def restarted(directory: Path, now: ClockReading) -> CaptureFiles:
    made = CaptureFiles(directory)
    made.look((), None, now)
    return made


def test_after_a_restart_a_file_is_deleted_in_time(tmp_path: Path, files: CaptureFiles) -> None:
    files.look((), orders(), at())
    files.close()
    again = restarted(tmp_path, at(3_600))
    again.look((), None, at(600 + CAPTURE_KEPT_S - 1))
    assert kept(tmp_path) == ["7.jsonl"]
    again.look((), None, at(600 + CAPTURE_KEPT_S))
    assert kept(tmp_path) == []


def test_file_that_fell_due_while_the_node_was_stopped_is_deleted_at_the_start(
    tmp_path: Path, files: CaptureFiles
) -> None:
    files.look((), orders(), at())
    files.close()
    restarted(tmp_path, at(600 + CAPTURE_KEPT_S))
    assert kept(tmp_path) == []


def test_after_a_restart_a_capture_goes_on_when_the_control_plane_lists_it(tmp_path: Path, files: CaptureFiles) -> None:
    files.look((), orders(), at())
    files.look([Captured([QUERY])], None, at(1))
    files.close()
    with closing(restarted(tmp_path, at(60))) as again:
        again.look([Captured([QUERY])], None, at(61))
        assert not again.in_force
        again.look((), orders(62, for_s=538), at(62))
        again.look([Captured([QUERY])], None, at(63))
        assert [each.end_ms for each in again.in_force] == [at(600).boot_ms]
    assert [line.get("client") for line in lines(tmp_path)] == [None, "192.0.2.9", "192.0.2.9"]


def test_after_a_restart_a_file_that_is_not_listed_is_deleted(tmp_path: Path, files: CaptureFiles) -> None:
    files.look((), orders(), at())
    files.close()
    restarted(tmp_path, at(1)).look((), (), at(2))
    assert kept(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("7.jsonl", ""),
        ("7.jsonl", "192.0.2.9"),
        ("7.jsonl", '{"capture": 7}'),
        ("7.jsonl", '{"capture": 8, "delete": "2026-03-28T01:00:00Z"}'),
        ("7.jsonl", '{"capture": 7, "delete": "2026-04-28T00:00:00Z"}'),
        ("7.jsonl", '{"capture": 7, "delete": "soon"}'),
        ("copy", '{"capture": 7, "delete": "2026-03-28T01:00:00Z"}'),
    ],
)
def test_file_that_says_nothing_about_its_end_is_deleted_at_the_start(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / DIRECTORY).mkdir()
    (tmp_path / DIRECTORY / name).write_text(content)
    restarted(tmp_path, at())
    assert kept(tmp_path) == []


def test_queries_beyond_the_size_of_a_file_are_counted(
    tmp_path: Path, files: CaptureFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.look((), orders(), at())
    size = (tmp_path / DIRECTORY / "7.jsonl").stat().st_size
    monkeypatch.setattr(capture_files, "MAX_BYTES", size + 400)
    files.look([Captured([QUERY]), Captured(5 * [QUERY]), Captured([QUERY]), Captured([QUERY])], None, at(1))
    files.look((), None, at(602))
    assert (len(lines(tmp_path)), lines(tmp_path)[-1]["dropped"]) == (4, 6)


def test_query_of_another_capture_is_not_written(tmp_path: Path, files: CaptureFiles) -> None:
    files.look((), orders(), at())
    files.look([Captured([QUERY._replace(capture=8)])], None, at(1))
    assert len(lines(tmp_path)) == 1


def test_name_from_a_client_cannot_forge_a_line(tmp_path: Path, files: CaptureFiles) -> None:
    files.look((), orders(), at())
    files.look([Captured([QUERY._replace(name='a"}\n{"client": "\x1b[2J')])], None, at(1))
    written = (tmp_path / DIRECTORY / "7.jsonl").read_bytes()
    assert written.count(b"\n") == 2
    assert b"\x1b" not in written


def test_directory_that_cannot_be_made_stops_nothing_and_is_logged_once(
    tmp_path: Path, files: CaptureFiles, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / DIRECTORY).write_text("")
    for after_s in range(3):
        files.look((), orders(after_s), at(after_s))
    assert not files.in_force
    assert sum("capture not recorded" in record.message for record in caplog.records) == 1
    (tmp_path / DIRECTORY).unlink()
    assert files.look((), orders(4), at(4))


@pytest.mark.parametrize(
    "changes",
    [
        {"number": -1},
        {"number": "../7"},
        {"number": True},
        {"authority": "../ghent"},
        {"authority": None},
        {"prefix": "192.0.2.1/24"},
        {"prefix": None},
        {"for_s": 1.5},
        {"delete_s": None},
        {"number": 2**64},
    ],
)
def test_invalid_orders_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"capture|prefix|host bits|does not appear"):
        orders(**changes)


@pytest.mark.parametrize("values", [None, {}, "7", [7], [{}], (MOST_CAPTURES + 1) * [LISTED]])
def test_invalid_lists_are_refused(values: object) -> None:
    with pytest.raises(ValueError, match="capture"):
        parse_orders(values, BOOT_MS)


def test_no_order_lasts_longer_than_an_hour_or_keeps_longer_than_a_day(files: CaptureFiles) -> None:
    (order,) = orders(for_s=10**9, delete_s=10**9)
    assert order.capture.end_ms == at(MAX_CAPTURE_S).boot_ms
    assert order.delete_ms == at(MAX_CAPTURE_S + CAPTURE_KEPT_S).boot_ms
