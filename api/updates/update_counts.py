"""How many updates each authority has, for metrics, which run outside a request's transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from api.db.models import UpdateRow
from api.db.session import Database
from api.updates.schemas import UpdateState
from api.updates.state import in_state


@dataclass(frozen=True, slots=True)
class UpdateCount:
    """The updates of an authority's own services, or without one of the catalogue, and how many names only wait."""

    authority: str | None
    held_back: int
    pending: int
    pending_names: int


class UpdateCounts:
    """Count the updates in one database, by one clock."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def counts(self) -> Sequence[UpdateCount]:
        """Return the counts of each authority that has any, the catalogue's first. Raise SQLAlchemyError."""
        now, row = int(self._clock()), UpdateRow
        held, waits = (in_state(state, now) for state in (UpdateState.HELD_BACK, UpdateState.PENDING))
        with self._database.reading() as session:
            found: dict[str | None, list[int]] = {}
            for index, state in enumerate((held, waits)):
                columns = (row.authority, func.count(), func.sum(row.pending))
                for authority, count, names in session.execute(select(*columns).where(state).group_by(row.authority)):
                    counted = found.setdefault(authority, [0, 0, 0])
                    counted[index], counted[2] = count, names if state is waits else counted[2]
        return [UpdateCount(authority, *found[authority]) for authority in sorted(found, key=lambda slug: slug or "")]
