"""Run migrations on the caller's connection, within its transaction."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection

SCRIPTS = Path(__file__).parent / "migrations"
NEWEST = "head"


def upgrade(connection: Connection, schema: str = NEWEST) -> None:
    """Upgrade the schema to a version. Raise CommandError if the database has an unknown version."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, schema)


def is_known(schema: str) -> bool:
    """Return whether there is a migration to that version."""
    try:
        return ScriptDirectory.from_config(_config()).get_revision(schema) is not None
    except CommandError:
        return False


def schema_of(connection: Connection) -> str | None:
    """Return the version of the database's schema, or None for an empty database."""
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return config
