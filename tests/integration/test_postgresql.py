"""PostgreSQL: an append-only audit log, writers in turn, consistent reads, and only values that it accepts too."""

import io
import json
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from api.archive.restore import NotEmpty, RestoreOptions, restore
from api.chain.verification import verify
from api.db.exclusive import Turn
from api.db.models import AuditRow
from api.db.session import Database
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.http.pagination import encode_cursor
from api.settings import Settings, parse_settings
from tests.support.control_planes import Api
from tests.support.nodes import eventually, program
from tests.support.postgresql import Server
from tests.unit.api.conftest import START, Plane, authority, on_both_databases

WRITERS, ACTS = 20, 5
on_postgresql = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
_COPIED = (
    "(seq, time_s, account, access, request, act, object, authorities, before, after, revision, previous, hash, token) "
    "SELECT {seq}, time_s, 7, access, request, act, object, authorities, before, after, revision, previous, hash, "
    "token FROM audit WHERE seq = 2"
)


def _chain_of(plane: Plane) -> tuple[int, object]:
    """Return the number of the last entry, and the fault of the audit log."""
    report = verify(plane.call("GET", "/v1/audit/export").content.splitlines(keepends=True))
    return report.chain.seq, report.chain.fault


@on_postgresql
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit",
        "DELETE FROM audit WHERE seq = 2",
        "UPDATE audit SET account = 7",
        "TRUNCATE audit",
        f"INSERT INTO audit {_COPIED.format(seq=2)}",
        f"INSERT INTO audit {_COPIED.format(seq=2)} ON CONFLICT (seq) DO UPDATE SET account = 7",
        f"INSERT INTO audit {_COPIED.format(seq=0)}",
        f"INSERT INTO audit {_COPIED.format(seq=999)}",
        "MERGE INTO audit USING (VALUES (2)) AS other (seq) ON audit.seq = other.seq WHEN MATCHED THEN DELETE",
        "DELETE FROM matters",
        "UPDATE matters SET authority = 'zone' WHERE seq = 4",
        "TRUNCATE matters",
    ],
)
def test_the_audit_log_only_grows(town: Plane, statement: str) -> None:
    before = town.call("GET", "/v1/audit/export").content
    with pytest.raises(DBAPIError, match="append-only"), town.database.writing() as session:
        session.execute(text(statement))
    assert town.call("GET", "/v1/audit/export").content == before


@on_postgresql
def test_writers_of_several_processes_take_turns(town: Plane) -> None:
    before, revision = _chain_of(town)[0], town.revision()

    def write(number: int) -> list[int]:
        # A separate database object acts like a separate process, because PostgreSQL holds the lock.
        database = Database(town.settings.database)
        seen = []
        for act in range(ACTS):
            with database.writing() as session:
                unit = UnitOfWork(session, LOCAL, START)
                unit.record("example", f"{number}/{act}", None, {"by": number}, "town")
                seen.append(unit.revision)
        database.close()
        return seen

    with ThreadPoolExecutor(WRITERS) as pool:
        seen = list(pool.map(write, range(WRITERS)))
    assert all(revisions == sorted(revisions) for revisions in seen)
    assert sorted(chain.from_iterable(seen)) == list(range(revision + 1, revision + WRITERS * ACTS + 1))
    assert town.revision() == revision + WRITERS * ACTS
    assert _chain_of(town) == (before + WRITERS * ACTS, None)


@on_postgresql
def test_a_reader_sees_one_state_while_a_writer_commits(town: Plane) -> None:
    def revision(session: Session) -> int:
        return int(session.scalar(text("SELECT revision FROM installation")) or 0)

    before = town.revision()
    with town.database.reading() as reader:
        assert revision(reader) == before
        town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
        assert revision(reader) == before
        assert reader.scalar(text("SELECT max(revision) FROM audit")) == before
    assert town.revision() == before + 1


@on_postgresql
def test_an_exception_rolls_the_transaction_back(town: Plane) -> None:
    before = _chain_of(town)

    def interrupted() -> None:
        with town.database.writing() as session:
            UnitOfWork(session, LOCAL, START).record("example", "nothing", None, None)
            session.flush()
            raise KeyError("interrupted")

    with pytest.raises(KeyError, match="interrupted"):
        interrupted()
    assert _chain_of(town) == before


@on_postgresql
def test_a_connection_that_the_server_closed_is_opened_again(town: Plane, server: Server) -> None:
    server.cut(town.settings.database)
    assert town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})["mode"] == "off"


@pytest.fixture
def elsewhere(tmp_path: Path, backend: str, server: Server) -> Settings:
    """Return settings of an installation on the kind of database that the control plane does not use."""
    url = server.make() if backend == "sqlite" else None
    return parse_settings({"state_dir": f"{tmp_path}/restored", "database": url}, {})


@on_both_databases
def test_a_backup_is_restored_on_the_other_database(town: Plane, elsewhere: Settings) -> None:
    data = town.call("GET", "/v1/backup").content
    seq, _ = _chain_of(town)
    restored = restore(io.BytesIO(data), RestoreOptions("d" * 64, START + 60), elsewhere)
    assert (restored.revision, restored.manifest.audit.seq) == (town.revision() + 1, seq)
    database = Database(elsewhere.database)
    try:
        with database.writing() as session:
            UnitOfWork(session, LOCAL, START + 60).note("example", "nothing", None, None)
        with database.reading() as session:
            assert session.query(AuditRow).count() == seq + 2
            assert session.scalar(text("SELECT count(*) FROM versions")) > 0
    finally:
        database.close()
    with pytest.raises(NotEmpty):
        restore(io.BytesIO(data), RestoreOptions("d" * 64, START + 60), elsewhere)


@on_both_databases
@pytest.mark.parametrize("written", ["\0", "a\0b", "\ud800", "é" * 200, "😀" * 200], ids=ascii)
def test_any_text_is_stored_or_refused(plane: Plane, written: str) -> None:
    body = json.dumps(authority(names={"nl": written, "fr": "Ville"}))
    headers = {"Authorization": f"Bearer {plane.token}", "Content-Type": "application/json"}
    assert plane.call("PUT", "/v1/authorities/town", content=body, headers=headers).status_code in {201, 422}
    for path in ("/v1/authorities", "/v1/audit", "/v1/accounts"):
        for name in ("sort", "cursor", "act", "object", "authority", "login"):
            parameters = {name: written.encode("utf-8", "replace")}
            assert plane.call("GET", path, params=parameters).status_code in {200, 422}, (path, name)


@on_both_databases
@pytest.mark.parametrize("number", [2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**30])
def test_a_number_of_any_size_is_answered(town: Plane, number: int) -> None:
    paths = ("accounts/{0}", "exemptions/{0}", "bindings/{0}", "grants/{0}", "revisions/{0}", "revisions/{0}/changes")
    queries = ("audit/export?after={0}", "audit?account={0}", "exemptions?number={0}", "grants?account={0}")
    for path in (*paths, *queries):
        assert town.call("GET", f"/v1/{path.format(number)}").status_code in {200, 404, 422}, path
    for path in ("audit", "accounts", "grants", "exemptions", "bindings", "revisions"):
        asked = town.call("GET", f"/v1/{path}", params={"cursor": encode_cursor(number)})
        assert asked.status_code in {200, 422}, path


@on_postgresql
def test_what_a_person_is_called_is_in_no_log_of_a_failure(town: Plane, caplog: pytest.LogCaptureFixture) -> None:
    assert town.call("GET", "/v1/accounts", params={"login": b"somebody\0"}).status_code == 422
    assert "somebody" not in "".join(str(vars(record)) for record in caplog.records if record.name != "httpx")


def test_a_second_process_waits_for_the_first_and_who_lost_its_turn_ends(tmp_path: Path, server: Server) -> None:
    url = server.fresh()
    api = Api(tmp_path, "", ("--database", url))
    api.is_forked = False  # the first fork of a test process waits until all imports are done
    subprocess.run([program("dnsfilter-api"), "init", "--state-dir", api.state, "--database", url], check=True)
    with ThreadPoolExecutor(1) as pool, closing(Turn(url)) as other:
        assert other.take()
        starting = pool.submit(api.start)
        assert eventually(lambda: api.log.exists() and "waiting until it ends" in api.log.read_text())
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", api.port))
        other.close()
        running = starting.result().process
        server.cut(url)
        assert other.take()
        assert running is not None
        try:
            assert running.wait(10) == 1
        finally:
            running.kill()
    assert "another control plane took the database" in api.log.read_text()
