"""A backup of an earlier version can be restored."""

import io
from pathlib import Path
from typing import Any

import pytest

from api.archive.restore import Order, restore
from api.db.base import Base
from api.db.session import Database
from api.settings import parse_settings
from tests.support.earlier import ADDED_TABLES, earlier_backup, earlier_body
from tests.unit.api.conftest import START, on_both_databases

pytestmark = pytest.mark.heavy


def _restored(data: bytes, state: Path, url: str | None) -> dict[str, list[dict[str, Any]]]:
    """Return the rows by table, without data that the restore dates."""
    target = parse_settings({"state_dir": str(state), "database": url}, {})
    restore(io.BytesIO(data), Order("d" * 64, START + 3600), target)
    database = Database(target.database)
    with database.engine.connect() as connection:
        found = {
            name: list(map(dict, connection.execute(table.select().order_by(*table.primary_key.columns)).mappings()))
            for name, table in Base.metadata.tables.items()
        }
    database.close()
    return found


@on_both_databases
@pytest.mark.parametrize("schema", ["0006", "0007"])
def test_every_row_is_restored_without_data_that_was_not_kept_then(
    backup: bytes, tmp_path: Path, backend: str, schema: str, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("server") if backend == "postgresql" else None
    urls = [server.make() if server else None for _ in range(2)]
    now = _restored(backup, tmp_path / "now", urls[0])
    earlier = _restored(earlier_backup(backup, schema), tmp_path / "earlier", urls[1])
    assert None not in {row["made_s"] for row in now["publications"]}
    if schema < "0007":
        assert {row.pop("made_s") for row in earlier["publications"]} == {None}
        for row in now["publications"]:
            del row["made_s"]
    for row in now["versions"]:
        row["body"] = earlier_body(row["kind"], row["body"], schema)
    for table in ADDED_TABLES["0010"]:
        assert now.pop(table)
        assert earlier.pop(table) == []
    assert earlier == now
