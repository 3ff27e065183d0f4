"""All bans in short, for metrics, which run outside a request's transaction."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.authorities.state import sql_is_closed
from api.bans.state import gapless_end, is_held, mode_setting_at, quoted_term, reference_in, reviewed_term
from api.db.models import AuthorityRow, BanRow
from api.db.session import Database
from api.publish.repository import MANY
from dnsfilter.policy.intervals import FOREVER
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


@dataclass(frozen=True, slots=True)
class _CachedSummary:
    """A summary of a ban's row with this revision, which is right from `since` until before `until`."""

    revision: int
    summary: BanSummary
    since: Instant
    until: Instant

    def holds(self, revision: int, at: Instant) -> bool:
        return self.revision == revision and self.since <= at < self.until


class BanSummaries:
    """Read the bans from one database, by one clock. Use it in one thread at a time.

    A summary is kept until its ban has another revision, or one of its dates is reached: thousands of bans take a
    second of a core to read.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._kept: Mapping[int, _CachedSummary] = {}
        self._summaries: Sequence[BanSummary] = ()

    def summaries(self) -> Sequence[BanSummary]:
        """Return the bans of all authorities that are not closed, by number. Raise SQLAlchemyError.

        The sequence is the same one as long as nothing changes.
        """
        now, kept = int(self._clock()), self._kept
        closed = select(AuthorityRow.slug).where(sql_is_closed(now))
        wanted = select(BanRow.number, BanRow.revision).where(BanRow.authority.not_in(closed)).order_by(BanRow.number)
        with self._database.reading() as session:
            stamps = session.execute(wanted).all()
            due = [number for number, revision in stamps if number not in kept or not kept[number].holds(revision, now)]
            fresh = {row.number: _kept(row, now) for row in _read(session, due)} if due else {}
        if fresh or len(stamps) != len(kept):
            self._kept = {number: fresh.get(number) or kept[number] for number, _ in stamps}
            self._summaries = tuple(each.summary for each in self._kept.values())
        return self._summaries


def _read(session: Session, numbers: Sequence[int]) -> Iterable[BanRow]:
    """Return the bans with these numbers, or all bans if there are many."""
    statement = select(BanRow)
    return session.scalars(statement.where(BanRow.number.in_(numbers)) if len(numbers) <= MANY else statement)


def _kept(row: BanRow, now: Instant) -> _CachedSummary:
    dates = [row.off_until_s]
    for term in row.terms:
        dates += (term.start_s, term.recorded_s, term.period.end, term.review_by_s)
    until = min((date for date in dates if date is not None and date > now), default=FOREVER)
    return _CachedSummary(row.revision, _summary(row, now), now, until)


def _summary(row: BanRow, now: Instant) -> BanSummary:
    switch, reviewed = mode_setting_at(row, now), reviewed_term(row.terms, now)
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
