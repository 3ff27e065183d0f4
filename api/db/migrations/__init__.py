"""The Alembic environment. `api.db.session.Database.migrate` runs it."""
