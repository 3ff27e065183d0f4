"""Run migrations on the caller's connection, within its transaction.

Alembic takes 9 MB of memory, so it is imported only if there is something to migrate.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

SCRIPTS = Path(__file__).parent / "migrations"
TABLE = "alembic_version"


class UnknownSchemaError(Exception):
    """Raised for a database whose schema has a version that this program does not know."""


def upgrade(connection: Connection, schema: str | None = None) -> None:
    """Upgrade the schema to a version; None: the newest. Raise UnknownSchemaError."""
    wanted = schema or versions()[-1]
    held = schema_of(connection)
    if held == wanted:
        return
    if held is not None and held not in versions():
        raise UnknownSchemaError(held)
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    command.upgrade(config, wanted)


def versions() -> list[str]:
    """Return the known versions of the schema, the newest last. The file of a migration begins with its version."""
    return sorted(path.name.partition("_")[0] for path in (SCRIPTS / "versions").glob("[0-9]*_*.py"))


def schema_of(connection: Connection) -> str | None:
    """Return the version of the database's schema, or None for an empty database."""
    if not inspect(connection).has_table(TABLE):
        return None
    found: str | None = connection.execute(text(f"SELECT version_num FROM {TABLE}")).scalar()
    return found
