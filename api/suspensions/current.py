"""The suspensions in force now, for metrics and readiness, which run outside a request's transaction."""

from collections.abc import Callable, Sequence

from api.db.session import Database
from api.suspensions.repository import suspended


class CurrentSuspensions:
    """Read the current suspensions from one database, by one clock."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def suspended(self) -> Sequence[str | None]:
        """Return the suspended authorities, None for all; raise what the database raises."""
        with self._database.reading() as session:
            return sorted(suspended(session, int(self._clock())), key=lambda authority: authority or "")
