"""Migrations on both databases: of an empty one, and of a version with rows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select, text

from api.chain.verification import verify
from api.db.base import Base
from api.db.migration import schema_of, upgrade
from api.db.models import AuditRow, AuthorityRow, NodeRow, VersionRow
from api.db.session import Database
from api.db.unit_of_work import LOCAL, UnitOfWork, entry_of
from api.timestamps import timestamp_text
from tests.support.earlier import set_back
from tests.unit.api.conftest import START, Plane, on_both_databases
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.usage.conftest import batch, count

FIRST = "0001"
_AUTHORITY = {
    "slug": "town",
    "kind": "municipality",
    "names": '{"en": "Town"}',
    "languages": '["en"]',
    "time_zone": "UTC",
    "contact": "ict@example.org",
    "usage": "none",
    "display_group": "",
    "revision": 1,
}
_BAN = {
    "number": 1,
    "authority": "town",
    "service": "alpha",
    "mode": "enforce",
    "tiers": "[1]",
    "funding": '["public"]',
    "audience": '["staff"]',
    "reply": "refused",
    "addresses": "[]",
    "provisional": False,
    "decision": "{}",
    "revision": 1,
}
_EXEMPTION = {
    "ban": 1,
    "site": "default",
    "ranges": "[]",
    "start_s": START,
    "end_s": START + 9,
    "hours": "[]",
    "time_zone": "UTC",
    "reason": "r",
    "requested_s": START,
    "requested_by": "administrator",
    "note": "n",
    "revision": 1,
}
_NODE = {"site": "default", "registered_s": START, "enrolment_digest": "", "digest": "", "revision": 1}
_UNDECIDED = {**_EXEMPTION, "number": 1, "approved_s": None, "decided_by": ""}
_APPROVED = {**_EXEMPTION, "number": 2, "approved_s": START, "decided_by": "administrator"}


@pytest.fixture
def empty(tmp_path: Path, backend: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Return a database without tables."""
    postgresql = backend == "postgresql"
    url = request.getfixturevalue("server").make() if postgresql else f"sqlite:///{tmp_path / 'file.sqlite3'}"
    database = Database(url, create=True)
    yield database
    database.close()


def _insert(connection: Connection, table: str, row: dict[str, Any]) -> None:
    values = ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})"), row)


def _filled_by_the_first_version(connection: Connection) -> None:
    upgrade(connection, FIRST)
    _insert(connection, "authorities", _AUTHORITY)
    _insert(connection, "bans", _BAN)
    for exemption in (_UNDECIDED, _APPROVED):
        _insert(connection, "exemptions", exemption)
    for seq in (1, 2):
        entry = {"time_s": START, "actor": "administrator", "act": "ban.adopt", "object": "ban/town/alpha"}
        after = json.dumps({"mode": "enforce", "number": seq})
        _insert(connection, "audit", {**entry, "seq": seq, "after": after, "revision": seq})


def _differences(database: Database) -> list[Any]:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert schema_of(connection) is not None
        return list(compare_metadata(context, Base.metadata))


@on_both_databases
def test_an_empty_database_gets_the_schema_of_the_models(empty: Database) -> None:
    empty.migrate()
    assert _differences(empty) == []
    empty.migrate()
    assert _differences(empty) == []


@on_both_databases
def test_rows_of_the_first_version_are_kept(empty: Database) -> None:
    with empty.engine.begin() as connection:
        _filled_by_the_first_version(connection)
    empty.migrate()
    assert _differences(empty) == []
    with empty.writing() as session:
        UnitOfWork(session, LOCAL, START).note("example", "nothing", None, None)
    with empty.reading() as session:
        entries = [entry_of(row) for row in session.query(AuditRow).order_by(AuditRow.seq)]
        exemptions = session.execute(text("SELECT requested_by, decided_by FROM exemptions ORDER BY number")).all()
        concerns = session.execute(text("SELECT authority, exemption FROM concerns ORDER BY exemption")).all()
        identity = session.scalar(text("SELECT identity FROM installation"))
    report = verify(json.dumps(entry, sort_keys=True, separators=(",", ":")).encode() + b"\n" for entry in entries)
    assert (report.chain.fault, report.chain.seq) == (None, 3)
    assert [entry["after"] for entry in entries[:2]] == [{"mode": "enforce", "number": seq} for seq in (1, 2)]
    assert [tuple(row) for row in exemptions] == [(0, None), (0, 0)]
    assert [tuple(row) for row in concerns] == [("town", 1), ("town", 2)]
    assert len(identity or "") == 32


@on_both_databases
def test_the_last_report_of_a_node_keeps_its_memory(empty: Database) -> None:
    load = {"queries_per_second": 1.5, "memory_octets": 4096}
    with empty.engine.begin() as connection:
        upgrade(connection, "0008")
        for number, report in ((1, {"load": load}), (2, {"load": None}), (3, {})):
            _insert(
                connection, "nodes", {**_NODE, "number": number, "name": f"n{number}", "report": json.dumps(report)}
            )
    empty.migrate()
    with empty.reading() as session:
        reports = [row.report for row in session.query(NodeRow).order_by(NodeRow.number)]
    assert reports == [{"load": {"queries_per_second": 1.5, "memory_bytes": 4096}}, {"load": None}, {}]


@on_both_databases
@pytest.mark.parametrize(("stored", "level"), [("none", "none"), ("range", "authority"), ("client", "authority")])
def test_an_upgrade_begins_to_count_nothing_that_was_not_counted(empty: Database, stored: str, level: str) -> None:
    with empty.engine.begin() as connection:
        upgrade(connection, "0009")
        row = {**_AUTHORITY, "usage": stored, "off_needs_reason": False, "off_needs_approver": False}
        _insert(connection, "authorities", {**row, "closed_reason": "", "closed_decision": "{}"})
        for kind, key, body in (
            ("authority", "town", {"usage": stored}),
            ("authority", "gone", None),
            ("ban", "1", {}),
        ):
            body_text = None if body is None else json.dumps(body)
            _insert(connection, "versions", {"kind": kind, "key": key, "revision": 1, "body": body_text})
    empty.migrate()
    with empty.reading() as session:
        assert session.get_one(AuthorityRow, "town").usage_level == level
        bodies = session.scalars(select(VersionRow.body).order_by(VersionRow.kind, VersionRow.key.desc())).all()
    assert bodies == [{"usage": level}, None, {}]


@on_both_databases
def test_an_upgrade_adds_captures_coverage_and_clients_and_keeps_usage(town: Plane) -> None:
    town.done("PATCH", "/v1/authorities/town", {"usage": "range"})
    Machine.enrolled(town, "office-1").use(batch([count(9, range={"prefix": "192.0.2.0/24"})]))
    town.clock.now += 86_400
    paths = "/v1/authorities/town", "/v1/usage?authority=town", "/v1/usage?authority=town&by=range"
    before = [town.done("GET", path) for path in paths]
    set_back(town.database, "0011")
    town.database.migrate()
    assert [town.done("GET", path) for path in paths] == before
    assert [one["queries"] for one in before[2]["items"]] == [9]
    asked = {"authority": "town", "prefix": "192.0.2.0/24", "for": "10m", "reason": "names do not resolve"}
    assert town.done("POST", "/v1/captures", asked)["number"] == 1


@on_both_databases
def test_an_upgrade_keeps_requests_and_lapses_those_that_wait(town: Plane) -> None:
    set_back(town.database, "0015")
    columns = "number, ban, mode, until_s, reason, was, requested_s, requested_by, approved_s, note, revision"
    with town.database.engine.begin() as connection:
        for values in (
            f"1, 1, 'off', {START + 9}, 'election night', 'enforce', {START - 99}, 1, {START - 9}, 'for the night', 3",
            f"2, 1, 'monitor', NULL, '', 'enforce', {START - 8}, 1, NULL, '', 4",
        ):
            connection.execute(text(f"INSERT INTO requests ({columns}) VALUES ({values})"))
    town.database.migrate()
    town.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_approver": True})
    first, second = town.done("GET", "/v1/requests")["items"]
    assert (first["ban"], first["mode"], first["until"]) == ("town/alpha", "off", timestamp_text(START + 9))
    assert (first["state"], first["note"], first["reason"]) == ("approved", "for the night", "election night")
    assert (second["mode"], second["until"], second["state"]) == ("monitor", None, "lapsed")
    _, desk = town.account("desk", ("operator", "town"))
    assert town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"}, token=desk)["number"] == 3


@on_both_databases
def test_a_failed_migration_keeps_the_old_version(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_entry: object) -> str:
        raise KeyError("interrupted")

    with empty.engine.begin() as connection:
        _filled_by_the_first_version(connection)
    with monkeypatch.context() as patch:
        patch.setattr("api.chain.entry_hash.entry_hash", interrupted)
        with pytest.raises(KeyError, match="interrupted"):
            empty.migrate()
    with empty.engine.connect() as connection:
        assert schema_of(connection) == FIRST
        assert connection.scalar(text("SELECT count(*) FROM audit WHERE actor = 'administrator'")) == 2
    empty.migrate()
    assert _differences(empty) == []
