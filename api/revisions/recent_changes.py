"""The newest changes of bans and suspensions, for metrics, which run outside a request's transaction.

Acts are read in the audit log. Terms, modes that return and suspensions also change something at an instant without
an act.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from sqlalchemy import exists, func, not_, select
from sqlalchemy.orm import Session, aliased

from api.db.models import AuditRow, BanRow, InstallationRow, SuspensionRow, TermRow
from api.db.models.audit_log import INSTALLATION
from api.db.session import Database
from dnsfilter.policy.model import Instant

NEWEST = 50
"""The most changes that are returned."""
SEARCHED = 1_000
"""The newest acts that are searched for changes of bans."""


class Change(StrEnum):
    """What happened to a ban or a single name, or, from SUSPENDED on, to an authority or all."""

    ADOPTED = "adopted"
    CONFIRMED = "confirmed"
    RENEWED = "renewed"
    CHANGED = "changed"
    ENFORCE = "enforce"
    MONITOR = "monitor"
    OFF = "off"
    ENDED = "ended"
    REMOVED = "removed"
    REFUSED = "refused"
    ALLOWED = "allowed"
    BEGAN = "began"
    LAPSED = "lapsed"
    SUSPENDED = "suspended"
    RESUMED = "resumed"


OF_ACTS: Mapping[str, Change] = MappingProxyType(
    {
        "ban.adopt": Change.ADOPTED,
        "ban.adopt_provisionally": Change.ADOPTED,
        "ban.change": Change.CHANGED,
        "ban.confirm": Change.CONFIRMED,
        "ban.end": Change.ENDED,
        "ban.remove": Change.REMOVED,
        "ban.renew": Change.RENEWED,
        "ban.set_enforce": Change.ENFORCE,
        "ban.set_monitor": Change.MONITOR,
        "ban.set_off": Change.OFF,
        "ban.set_scope": Change.CHANGED,
        "name.refuse": Change.REFUSED,
        "name.allow": Change.ALLOWED,
        "name.end": Change.ENDED,
    }
)


@dataclass(frozen=True, slots=True)
class Changed:
    """A change at an instant. A suspension has no service. That of all has no authority."""

    at: Instant
    authority: str
    service: str
    change: Change


class RecentChanges:
    """Read the newest changes from one database, by one clock."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def policy_changed_s(self) -> Instant | None:
        """Return when the policy of today was recorded; None if no act has made it. Raise SQLAlchemyError."""
        with self._database.reading() as session:
            revision = session.get_one(InstallationRow, INSTALLATION).revision
            # Entries that make no revision carry the one before them: the first entry has made it.
            made = select(AuditRow.time_s).where(AuditRow.revision == revision).order_by(AuditRow.seq).limit(1)
            return session.scalar(made) if revision > 0 else None

    def changes(self) -> Sequence[Changed]:
        """Return the newest changes, newest first; of equal ones only the last. Raise SQLAlchemyError."""
        now = int(self._clock())
        with self._database.reading() as session:
            found = [*_acts(session), *_begun(session, now), *_lapsed(session, now), *_returned(session, now)]
            found += _suspensions(session, now)
        last: dict[tuple[str, str, Change], Changed] = {}
        for each in sorted(found, key=lambda each: each.at):
            last[each.authority, each.service, each.change] = each
        return sorted(last.values(), key=lambda each: each.at, reverse=True)[:NEWEST]


def _acts(session: Session) -> Iterator[Changed]:
    newest = session.scalar(select(func.max(AuditRow.seq))) or 0
    statement = select(AuditRow.time_s, AuditRow.act, AuditRow.object)
    statement = statement.where(AuditRow.seq > newest - SEARCHED, AuditRow.act.in_(OF_ACTS))
    for at, act, subject in session.execute(statement.order_by(AuditRow.seq.desc()).limit(NEWEST)):
        _, authority, service = subject.split("/")
        yield Changed(at, authority, service, OF_ACTS[act])


def _begun(session: Session, now: Instant) -> Iterator[Changed]:
    """Yield the terms that began after their act, while no other term was in force."""
    other = aliased(TermRow)
    continued = exists().where(other.ban == TermRow.ban, other.sql_period().covers(TermRow.start_s - 1))
    ripe = (TermRow.start_s > TermRow.recorded_s, TermRow.start_s <= now, not_(TermRow.sql_period().is_void))
    statement = select(TermRow.start_s, BanRow.authority, BanRow.service).join(BanRow, BanRow.number == TermRow.ban)
    statement = statement.where(*ripe, not_(continued)).order_by(TermRow.start_s.desc()).limit(NEWEST)
    for at, authority, service in session.execute(statement):
        yield Changed(at, authority, service, Change.BEGAN)


def _lapsed(session: Session, now: Instant) -> Iterator[Changed]:
    """Yield the terms that ended as decided, while no other term was in force."""
    other, end = aliased(TermRow), TermRow.sql_period().end
    continued = exists().where(other.ban == TermRow.ban, other.sql_period().covers(end))
    as_decided = (end <= now, end == TermRow.end_s, end > TermRow.recorded_s)
    statement = select(end, BanRow.authority, BanRow.service).join(BanRow, BanRow.number == TermRow.ban)
    statement = statement.where(*as_decided, not_(continued)).order_by(end.desc()).limit(NEWEST)
    for at, authority, service in session.execute(statement):
        yield Changed(at, authority, service, Change.LAPSED)


def _returned(session: Session, now: Instant) -> Iterator[Changed]:
    """Yield the modes that returned by themselves after a ban was off."""
    returned = (BanRow.off_until_s <= now, BanRow.returns_to.is_not(None))
    for row in session.scalars(select(BanRow).where(*returned).order_by(BanRow.off_until_s.desc()).limit(NEWEST)):
        if row.off_until_s is not None:
            yield Changed(row.off_until_s, row.authority, row.service, Change(row.lasting_mode))


def _suspensions(session: Session, now: Instant) -> Iterator[Changed]:
    row, period = SuspensionRow, SuspensionRow.sql_period()
    for column, change in ((row.start_s, Change.SUSPENDED), (period.end, Change.RESUMED)):
        statement = select(column, row.authority).where(column <= now, not_(period.is_void))
        for at, authority in session.execute(statement.order_by(column.desc()).limit(NEWEST)):
            yield Changed(at, authority or "", "", change)
