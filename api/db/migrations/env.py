"""Run migrations on the connection that `Database.migrate` provides."""

from alembic import context

from api.db import models  # noqa: F401  (registers every table)
from api.db.base import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
