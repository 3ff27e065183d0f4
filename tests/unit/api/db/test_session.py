"""The database: schema, transactions, an audit log that only grows."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from api.db.session import Database, forget
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.db.unusable import Unusable
from tests.unit.api.conftest import Plane


def test_sqlite_uses_wal_and_enforces_foreign_keys(plane: Plane) -> None:
    with plane.database.reading() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA foreign_keys")) == 1


_COPIED = (
    "(seq, time_s, account, access, request, act, object, authorities, before, after, revision, previous, hash, token) "
    "SELECT {seq}, time_s, 7, access, request, act, object, authorities, before, after, revision, previous, hash, "
    "token FROM audit WHERE seq = 2"
)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit",
        "UPDATE audit SET account = 7",
        "UPDATE OR REPLACE audit SET seq = 1 WHERE seq = 2",
        # REPLACE deletes a row without a trigger for DELETE.
        f"INSERT OR REPLACE INTO audit {_COPIED.format(seq=2)}",
        f"REPLACE INTO audit {_COPIED.format(seq=2)}",
        f"INSERT OR IGNORE INTO audit {_COPIED.format(seq=2)}",
        f"INSERT INTO audit {_COPIED.format(seq=2)} ON CONFLICT (seq) DO UPDATE SET account = 7",
        f"INSERT INTO audit {_COPIED.format(seq=0)}",
        f"INSERT INTO audit {_COPIED.format(seq=999)}",
        f"INSERT INTO audit {_COPIED.format(seq='NULL')}",
        "DELETE FROM matters",
        "UPDATE matters SET authority = 'zone' WHERE seq = 4",
        "UPDATE OR REPLACE matters SET authority = 'zone' WHERE seq = 4",
    ],
)
def test_the_audit_log_only_grows(town: Plane, statement: str) -> None:
    before = town.done("GET", "/v1/audit?limit=200")["items"]
    with pytest.raises(IntegrityError, match="append-only"), town.database.writing() as session:
        session.execute(text(statement))
    assert town.done("GET", "/v1/audit?limit=200")["items"] == before


def test_the_audit_log_accepts_the_next_entry(town: Plane) -> None:
    count = len(town.done("GET", "/v1/audit?limit=200")["items"])
    with town.database.writing() as session:
        session.execute(text(f"INSERT INTO audit {_COPIED.format(seq=count + 1)}"))
    assert len(town.done("GET", "/v1/audit?limit=200")["items"]) == count + 1


def test_an_exception_rolls_the_transaction_back(plane: Plane) -> None:
    def interrupted() -> None:
        with plane.database.writing() as session:
            UnitOfWork(session, LOCAL, 1).note("example", "nothing", None, None)
            session.flush()
            raise KeyError("interrupted")

    with pytest.raises(KeyError, match="interrupted"):
        interrupted()
    assert "example" not in {act["act"] for act in plane.done("GET", "/v1/audit?limit=200")["items"]}


def test_a_reader_sees_one_state_while_a_writer_commits(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'file.sqlite3'}", create=True)
    database.migrate()

    def revision(session: Session) -> int:
        return int(session.scalar(text("SELECT revision FROM installation")) or 0)

    with database.reading() as reader:
        before = revision(reader)
        with database.writing() as writer:
            writer.execute(text("UPDATE installation SET revision = 9"))
        assert (before, revision(reader)) == (0, 0)
    with database.reading() as reader:
        assert revision(reader) == 9
    database.close()


NAME = b"somebody-who-left"


def _erased_during_a_read(path: Path) -> Database:
    """Return a database whose log still holds erased data, because of a reader."""
    database = Database(f"sqlite:///{path}", create=True)
    database.migrate()
    with database.writing() as session:
        session.execute(text("UPDATE installation SET identity = :name"), {"name": NAME.decode()})
    with database.reading() as reader:
        reader.execute(text("SELECT revision FROM installation"))
        with database.writing() as session:
            session.execute(text("UPDATE installation SET identity = ''"))
            forget(session)
    assert NAME in _log_of(path)
    return database


def _log_of(path: Path) -> bytes:
    return path.with_name(f"{path.name}-wal").read_bytes()


def test_erased_data_leaves_the_log_with_the_next_act(tmp_path: Path) -> None:
    path = tmp_path / "file.sqlite3"
    with closing(_erased_during_a_read(path)) as database:
        with database.writing() as session:
            session.execute(text("UPDATE installation SET revision = 9"))
        assert NAME not in _log_of(path) + path.read_bytes()


def test_erased_data_leaves_the_log_when_a_process_starts(tmp_path: Path) -> None:
    path = tmp_path / "file.sqlite3"
    # A killed process does not close its connections, which would empty the log.
    with closing(_erased_during_a_read(path)), closing(Database(f"sqlite:///{path}")) as another:
        another.migrate()
        assert NAME not in _log_of(path) + path.read_bytes()


@pytest.mark.parametrize("error", [sqlite3.OperationalError("database or disk is full"), PoolTimeout()])
def test_an_act_is_kept_if_the_log_cannot_be_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    path = tmp_path / "file.sqlite3"

    def failing(_self: Database) -> bool:
        raise error

    with closing(_erased_during_a_read(path)) as database:
        with monkeypatch.context() as patched:
            patched.setattr(Database, "_empty_log", failing)
            with caplog.at_level("ERROR", "dnsfilter.api"), database.writing() as session:
                session.execute(text("UPDATE installation SET revision = 9"))
        assert "log could not be emptied" in caplog.text
        with database.writing() as session:
            assert session.scalar(text("SELECT revision FROM installation")) == 9
        assert NAME not in _log_of(path)


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("gone", ["the file", "its directory"])
def test_nothing_is_recorded_after_the_file_was_replaced(town: Plane, gone: str, replaced: bool) -> None:
    file = town.settings.state_dir / "dnsfilter.sqlite3"
    town.database.watch(town.settings.state_dir, file)
    ban, revision = "/v1/authorities/town/bans/alpha", town.revision()
    path = file if gone == "the file" else file.parent
    kept = path.with_name("kept")
    path.rename(kept)
    if replaced:
        shutil.copy(kept, path) if kept.is_file() else shutil.copytree(kept, path)
    refused = town.call("PATCH", ban, {"mode": "off"})
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/database-unavailable")
    assert f"{path} was removed or replaced" in refused.json()["detail"]
    ready = town.call("GET", "/readyz")
    assert (ready.status_code, ready.json()["reason"]) == (503, refused.json()["detail"])
    assert (town.revision(), path.exists()) == (revision, replaced)
    if not replaced:
        kept.rename(path)
        assert town.done("PATCH", ban, {"mode": "off"})["mode"] == "off"


def test_nothing_is_recorded_after_the_log_was_removed_and_stopping_loses_nothing(tmp_path: Path) -> None:
    file, log_file = tmp_path / "file.sqlite3", tmp_path / "file.sqlite3-wal"
    with closing(Database(f"sqlite:///{file}", create=True)) as database:
        database.migrate()
        database.watch(file)
        # The pool does not remove it with its last connection either.
        database.engine.dispose()
        with database.writing() as session:
            UnitOfWork(session, LOCAL, 1).note("example", "nothing", None, None)
        assert database.obstacle is None
        log_file.unlink()
        with pytest.raises(Unusable, match=r"file.sqlite3-wal was removed.*Stop dnsfilter-api"), database.writing():
            pass
    with closing(Database(f"sqlite:///{file}")) as database, database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM audit")) == 1


def test_an_act_that_is_lost_with_its_file_is_not_acknowledged(town: Plane) -> None:
    file = town.settings.state_dir / "dnsfilter.sqlite3"
    town.database.watch(file)

    def act() -> None:
        with town.database.writing() as session:
            UnitOfWork(session, LOCAL, 1).note("example", "nothing", None, None)
            file.unlink()

    with pytest.raises(Unusable, match="removed or replaced"):
        act()


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "a #%41.sqlite3"
    refused = pytest.raises(OperationalError, match="unable to open database file")
    with closing(Database(f"sqlite:///{path}")) as database, refused, database.engine.connect():
        pass
    assert not path.exists()
