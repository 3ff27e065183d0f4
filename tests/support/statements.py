"""The SQL statements that a database executes."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from api.db.session import Database


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Yield the statements that are executed within the context, in order."""
    executed = list[str]()

    def note(*given: object) -> None:
        executed.append(str(given[2]))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield executed
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
