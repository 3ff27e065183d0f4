"""Migrations on both databases: of an empty one, and of a version with rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select, text

from api.db.base import Base
from api.db.migration import SCRIPTS, schema_of, versions
from api.db.models import InstallationRow, SiteRow
from api.db.session import Database
from tests.support.later_migration import LATER, add_later_migration
from tests.unit.api.conftest import on_both_databases

ADD_REGION = 'op.add_column("sites", sa.Column("region", sa.String(9), nullable=False, server_default="north"))'


@pytest.fixture
def empty(tmp_path: Path, backend: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Return a database without tables."""
    postgresql = backend == "postgresql"
    url = request.getfixturevalue("server").make() if postgresql else f"sqlite:///{tmp_path / 'file.sqlite3'}"
    database = Database(url, create=True)
    yield database
    database.close()


def _schema(database: Database) -> str | None:
    with database.engine.connect() as connection:
        return schema_of(connection)


def _differences(database: Database) -> list[Any]:
    """Return how the schema differs from the models: tables, columns, types, defaults, indexes and constraints."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, Base.metadata))


def test_versions_are_those_of_the_migrations() -> None:
    scripts = [script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()]
    assert versions() == scripts[::-1]


@on_both_databases
def test_an_empty_database_gets_the_schema_of_the_models(empty: Database) -> None:
    empty.migrate()
    assert _differences(empty) == []
    with empty.reading() as session:
        installation, site = session.query(InstallationRow).one(), session.query(SiteRow).one()
    assert (installation.revision, installation.epoch, len(installation.identity)) == (0, 0, 32)
    assert site.slug == "default"
    empty.migrate()
    with empty.reading() as session:
        assert session.scalars(select(InstallationRow.identity)).all() == [installation.identity]


@on_both_databases
@pytest.mark.parametrize("fails", [True, False])
def test_a_migration_keeps_rows_and_a_failed_one_also_the_schema(
    empty: Database, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.migrate()
    schema = _schema(empty)
    add_later_migration(tmp_path, monkeypatch, ADD_REGION, "op.execute('no SQL')" if fails else "pass")
    if fails:
        with pytest.raises(Exception, match="syntax error"):
            empty.migrate()
        assert (_schema(empty), _differences(empty)) == (schema, [])
    else:
        empty.migrate()
        with empty.reading() as session:
            assert session.execute(text("SELECT slug, region FROM sites")).all() == [("default", "north")]
        assert _schema(empty) == LATER
