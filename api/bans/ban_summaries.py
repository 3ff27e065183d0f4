"""All bans in short, for metrics, which run outside a request's transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from api.authorities.state import sql_is_closed
from api.bans.state import gapless_end, is_held, quoted_term, reference_in, reviewed_term, switch_at
from api.db.models import AuthorityRow, BanRow
from api.db.session import Database
from dnsfilter.policy.model import Instant, Mode


@dataclass(frozen=True, slots=True)
class BanSummary:
    """A ban at an instant: what it quotes, its mode, whether a term is in force, and what comes next."""

    authority: str
    service: str
    reply: str
    reference: str
    mode: Mode
    in_force: bool
    end: Instant | None
    review: Instant | None
    off_since: Instant | None


class BanSummaries:
    """Read the bans from one database, by one clock."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def summaries(self) -> Sequence[BanSummary]:
        """Return the bans of all authorities that are not closed, by number. Raise SQLAlchemyError."""
        now = int(self._clock())
        closed = select(AuthorityRow.slug).where(sql_is_closed(now))
        with self._database.reading() as session:
            statement = select(BanRow).where(BanRow.authority.not_in(closed)).order_by(BanRow.number)
            return [_summary(row, now) for row in session.scalars(statement)]


def _summary(row: BanRow, now: Instant) -> BanSummary:
    switch, reviewed = switch_at(row, now), reviewed_term(row.terms, now)
    return BanSummary(
        authority=row.authority,
        service=row.service,
        reply=row.reply,
        reference=reference_in(row, quoted_term(row.terms, now)),
        mode=switch.mode,
        in_force=is_held(row.terms, now),
        end=gapless_end(row.terms, now),
        review=None if reviewed is None else reviewed.review_by_s,
        off_since=switch.since if switch.mode is Mode.OFF else None,
    )
