"""A backup has every row of every table and the token key, and no other secret."""

import json
import threading
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import JSON, Boolean, Integer, LargeBinary, String, text

from api.archive.backup_format import MANIFEST, TOKEN_KEY, member_of
from api.archive.dump import backup as dumped
from api.archive.dump import batch_of
from api.db import models
from api.db.base import Base
from api.http.problems import MEDIA_TYPE
from tests.support.backups import members, rows
from tests.unit.api.conftest import Plane

pytestmark = pytest.mark.heavy

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

BAN = "/v1/authorities/town/bans/alpha"
TABLES = sorted(Base.metadata.tables)


def manifest(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(members(data)[MANIFEST])
    return found


def test_a_backup_has_every_row_of_every_table(filled: Plane, backup: bytes) -> None:
    assert set(members(backup)) == {MANIFEST, TOKEN_KEY, *map(member_of, TABLES)}
    with filled.database.reading() as session:
        counts = {table: session.scalar(text(f"SELECT count(*) FROM {table}")) for table in TABLES}
    assert {table: len(rows(backup, table)) for table in TABLES} == counts
    assert {name: member["rows"] for name, member in manifest(backup)["members"].items()} == {
        TOKEN_KEY: 1,
        **{member_of(table): count for table, count in counts.items()},
    }
    # These tables must not be empty.
    for table in (
        "exemptions",
        "bindings",
        "tokens",
        "failed_tries",
        "spaces",
        "publications",
        "lists",
        "versions",
        "usage_days",
        "usage_hours",
        "bypass_days",
        "usage_streams",
    ):
        assert counts[table], table


def test_all_columns_have_types_that_json_can_hold() -> None:
    known = (Boolean, Integer, JSON, LargeBinary, String)
    columns = [column for table in Base.metadata.tables.values() for column in table.columns]
    assert [str(column) for column in columns if not isinstance(column.type, known)] == []


def test_rows_that_may_be_large_are_held_one_at_a_time() -> None:
    assert batch_of(Base.metadata.tables["lists"]) == 1
    assert batch_of(Base.metadata.tables["audit"]) > 1


def test_the_manifest_describes_the_backup(filled: Plane, backup: bytes) -> None:
    found, files = manifest(backup), members(backup)
    with filled.database.reading() as session:
        installation = session.get_one(models.InstallationRow, 1)
    assert (found["format"], found["installation"], found["revision"]) == (1, installation.identity, filled.revision())
    last = rows(backup, "audit")[-1]
    assert found["audit"] == {"seq": last["seq"], "hash": last["hash"]}
    assert found["time"] == "2026-09-21T14:14:20Z"
    for name, member in found["members"].items():
        assert (member["sha256"], member["bytes"]) == (sha256(files[name]).hexdigest(), len(files[name]))
    # The number of the removed range is in no row, but must not be reused.
    assert found["numbers"]["ranges"] == 2
    assert [row["id"] for row in rows(backup, "ranges")] == [1]


def test_a_backup_has_the_token_key_and_no_token(filled: Plane, backup: bytes) -> None:
    files = members(backup)
    assert files[TOKEN_KEY] == filled.settings.token_key_path.read_bytes()
    assert not any(filled.token.encode() in content for content in files.values())


class _File(BytesIO):
    """A file whose first write waits for an act."""

    def __init__(self, plane: Plane) -> None:
        super().__init__()
        self._acts = [threading.Thread(target=plane.done, args=("PATCH", BAN, {"mode": "off"}))]

    def write(self, data: "ReadableBuffer", /) -> int:
        while self._acts:
            acting = self._acts.pop()
            acting.start()
            acting.join()
        return super().write(data)


def test_a_backup_is_consistent_during_acts(full: Plane) -> None:
    before, file = full.revision(), _File(full)
    with full.database.reading() as session:
        dumped(session, b"k" * 32, 1, file)
    data = file.getvalue()
    assert full.revision() == before + 1
    assert manifest(data)["revision"] == before
    assert rows(data, "installation")[0]["revision"] == before
    assert [row["mode"] for row in rows(data, "bans")] == ["enforce"]
    assert {row["revision"] for row in rows(data, "audit")} == set(range(before + 1))


def test_the_same_state_gives_the_same_bytes(filled: Plane) -> None:
    assert filled.call("GET", "/v1/backup").content == filled.call("GET", "/v1/backup").content


@pytest.mark.parametrize("path", ["/v1/backup", "/v1/archive"])
def test_an_unreadable_database_is_answered_with_a_problem(full: Plane, path: str) -> None:
    with full.database.writing() as session:
        session.execute(text("ALTER TABLE authorities RENAME TO gone"))
    answer = full.call("GET", path)
    assert (answer.status_code, answer.headers["content-type"]) == (503, MEDIA_TYPE)
    # The next test empties a PostgreSQL database, but does not recreate its tables.
    with full.database.writing() as session:
        session.execute(text("ALTER TABLE gone RENAME TO authorities"))
