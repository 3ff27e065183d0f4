"""A full disk differs from other faults of the database."""

import errno
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from api.db.session import WRITE_TRIED_S
from api.db.unusable import DISK_FULL, is_disk_full, try_space
from tests.unit.api.conftest import Plane


class Refused(Exception):
    """An error of PostgreSQL, as psycopg raises it."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def sqlite_error(statement: str) -> sqlite3.Error:
    """Return the error of a statement in a database that must not grow."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE kept (value BLOB)")
        connection.execute("PRAGMA max_page_count = 2")
        with pytest.raises(sqlite3.Error) as raised:
            connection.execute(statement)
    return raised.value


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (sqlite_error("INSERT INTO kept VALUES (zeroblob(1000000))"), True),
        (sqlite_error("INSERT INTO missing VALUES (1)"), False),
        (Refused("53100"), True),
        (Refused("53200"), False),
    ],
)
def test_only_a_full_disk_counts(cause: Exception, expected: bool) -> None:
    assert is_disk_full(OperationalError("INSERT", None, cause)) is expected


@pytest.mark.parametrize(("number", "expected"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EROFS, False)])
def test_a_file_that_the_disk_does_not_take_counts(number: int, expected: bool) -> None:
    assert is_disk_full(OSError(number, "refused")) is expected


def test_a_try_leaves_no_file(tmp_path: Path) -> None:
    try_space(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_last_try_holds_for_some_seconds_and_while_an_act_is_written(
    town: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [1000.0]
    monkeypatch.setattr("api.db.session.time.monotonic", lambda: now_s[0])
    assert town.database.write_fault() is None

    def full(_directory: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("api.db.session.try_space", full)
    assert town.database.write_fault() is None
    now_s[0] += WRITE_TRIED_S
    with town.database.writing():
        assert town.database.write_fault() is None
    assert town.database.write_fault() == DISK_FULL
    answer = town.call("GET", "/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, DISK_FULL)


def test_an_act_that_meets_a_full_disk_makes_the_control_plane_unready_at_once(town: Plane) -> None:
    assert town.call("GET", "/readyz").status_code == 200
    full = sqlite_error("INSERT INTO kept VALUES (zeroblob(1000000))")

    def refuse(_connection: object) -> None:
        raise OperationalError("COMMIT", None, full)

    event.listen(town.database.engine, "commit", refuse)
    try:
        refused = town.call("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    finally:
        event.remove(town.database.engine, "commit", refuse)
    assert refused.json()["detail"].startswith("nothing was recorded: disk full. ")
    answer = town.call("GET", "/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, DISK_FULL)


def test_an_act_whose_snapshot_the_disk_does_not_take_says_so(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dnsfilter.snapshot.stored.store.write_atomically", refuse)
    answer = town.call("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    assert answer.json()["type"] == "/problems/not-published"
    assert f"disk full, free some space in {town.store.directory}: publishing is retried" in answer.json()["detail"]
    assert town.call("GET", "/readyz").status_code == 503
