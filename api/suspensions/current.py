"""Whom a suspension concerns right now: for metrics and readiness, which ask without a request's transaction."""

from collections.abc import Callable, Sequence

from api.db.session import Database
from api.suspensions.repository import suspended


class Holding:
    """Reads one database by one clock."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def suspended(self) -> Sequence[str | None]:
        """The authorities for which nothing is refused, None for all; raises what the database raises."""
        with self._database.reading() as session:
            return sorted(suspended(session, int(self._clock())), key=lambda authority: authority or "")
