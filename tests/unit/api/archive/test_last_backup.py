"""The age of the last backup counts from its making, once it was sent."""

from pathlib import Path

from api.archive.last_backup import backup_age_s, note_backup
from tests.unit.api.conftest import START, Clock, Plane


def test_a_backup_that_was_sent_has_an_age(town: Plane) -> None:
    path = town.settings.last_backup_path
    assert backup_age_s(path, town.clock) is None
    assert town.call("GET", "/v1/backup").status_code == 200
    town.clock.now += 60
    assert backup_age_s(path, town.clock) == 60


def test_what_sends_no_backup_is_not_recorded(town: Plane) -> None:
    assert town.call("HEAD", "/v1/backup").headers["content-type"] == "application/zip"
    _, token = town.account("reader", ("reader", "town"))
    assert town.call("GET", "/v1/backup", token=token).status_code == 403
    assert town.call("GET", "/v1/archive").status_code == 200
    assert not town.settings.last_backup_path.exists()


def test_an_unreadable_file_and_a_clock_set_back_do_no_harm(tmp_path: Path) -> None:
    path, clock = tmp_path / "last-backup", Clock()
    note_backup(path, START + 60)
    assert backup_age_s(path, clock) == 0
    path.write_text("yesterday")
    assert backup_age_s(path, clock) is None
    note_backup(tmp_path / "gone" / "last-backup", START)
