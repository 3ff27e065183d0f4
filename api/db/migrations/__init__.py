"""Alembic environment; run by `api.db.session.migrate`."""
