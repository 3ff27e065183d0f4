"""Compile each SQL statement once per test process, not once for every test's database."""

from sqlalchemy import Engine

from api.db.session import Database

_FIRST: dict[str, Engine] = {}
"""The engine whose compiled statements all others share, by dialect name."""


def share_compiled(database: Database) -> None:
    """Let a database that has just been opened use the statements that were compiled for earlier ones.

    SQLAlchemy keeps them by dialect object. A dialect is complete once its first connection is made.
    """
    own = database.engine
    if own.name not in _FIRST:
        own.connect().close()
        _FIRST[own.name] = own
    shared = _FIRST[own.name]
    for engine in (own, database._reader, database._writer):
        engine.dialect, engine._compiled_cache = shared.dialect, shared._compiled_cache
