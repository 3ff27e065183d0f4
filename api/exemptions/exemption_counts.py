"""How many exemptions each authority has, for metrics, which run outside a request's transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.authorities.state import sql_is_closed
from api.db.models import AuthorityRow, BanRow, ExemptionRow
from api.db.session import Database
from api.exemptions.schemas import ExemptionState
from api.exemptions.state import in_state
from dnsfilter.policy.model import Instant


@dataclass(frozen=True, slots=True)
class ExemptionCount:
    """The exemptions from an authority's bans: those in force, and the requests that wait for a decision.

    `waiting_s` is the waiting time of the oldest request, or 0.
    """

    authority: str
    in_force: int
    waiting: int
    waiting_s: int


class ExemptionCounts:
    """Count the exemptions in one database, by one clock."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def counts(self) -> Sequence[ExemptionCount]:
        """Return the counts of each authority that has any and is not closed, by slug. Raise SQLAlchemyError."""
        now = int(self._clock())
        with self._database.reading() as session:
            closed = frozenset(session.scalars(select(AuthorityRow.slug).where(sql_is_closed(now))))
            in_force = _counted(session, ExemptionState.IN_FORCE, now)
            waiting = _counted(session, ExemptionState.REQUESTED, now)
        found = []
        for authority in sorted({*in_force, *waiting} - closed):
            held, (requests, oldest) = in_force.get(authority, (0, now))[0], waiting.get(authority, (0, now))
            found.append(ExemptionCount(authority, held, requests, max(0, now - oldest)))
        return found


def _counted(session: Session, state: ExemptionState, now: Instant) -> Mapping[str, tuple[int, Instant]]:
    """Return for each authority the number of exemptions in this state, and when the oldest was requested."""
    columns = (BanRow.authority, func.count(), func.min(ExemptionRow.requested_s))
    statement = select(*columns).join(ExemptionRow, ExemptionRow.ban == BanRow.number).where(in_state(state, now))
    return {authority: (count, oldest) for authority, count, oldest in session.execute(statement.group_by(columns[0]))}
