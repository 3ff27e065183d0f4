"""Queries on what a closing or merged authority has."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.accounts.state import has_ended
from api.db.models import (
    AuditRow,
    BanRow,
    BindingRow,
    ConcernRow,
    ExemptionRow,
    GrantRow,
    RangeRow,
    SpaceRow,
)
from api.exemptions.schemas import ExemptionState
from api.exemptions.state import in_state
from dnsfilter.policy.model import Instant


def bans(session: Session, authority: str) -> Sequence[BanRow]:
    """Return its bans, by number."""
    return session.scalars(select(BanRow).where(BanRow.authority == authority).order_by(BanRow.number)).all()


def bindings_of(session: Session, ban: int, now: Instant) -> Sequence[BindingRow]:
    """Return the bindings of a ban that have not ended, by number."""
    return _live(
        session.scalars(select(BindingRow).where(BindingRow.ban == ban).order_by(BindingRow.number)).all(), now
    )


def bindings_to(session: Session, authority: str, now: Instant) -> Sequence[BindingRow]:
    """Return the bindings to an authority that have not ended, by number."""
    statement = select(BindingRow).where(BindingRow.authority == authority).order_by(BindingRow.number)
    return _live(session.scalars(statement).all(), now)


def exemptions_from(session: Session, ban: int, now: Instant, *states: ExemptionState) -> Sequence[ExemptionRow]:
    """Return the exemptions from a ban in one of these states, in the order of the states, then by number."""
    statement = select(ExemptionRow).where(ExemptionRow.ban == ban).order_by(ExemptionRow.number)
    return [row for state in states for row in session.scalars(statement.where(in_state(state, now)))]


def grants(session: Session, authority: str, now: Instant) -> Sequence[GrantRow]:
    """Return the grants in an authority that have not ended, by number."""
    statement = select(GrantRow).where(GrantRow.authority == authority).order_by(GrantRow.number)
    return [row for row in session.scalars(statement) if not has_ended(row, now)]


def ranges(session: Session, authority: str) -> Sequence[RangeRow]:
    """Return its ranges, in the order of registration."""
    return session.scalars(select(RangeRow).where(RangeRow.authority == authority).order_by(RangeRow.id)).all()


def spaces(session: Session, authority: str) -> Sequence[SpaceRow]:
    """Return its space, in the order of allotment."""
    return session.scalars(select(SpaceRow).where(SpaceRow.authority == authority).order_by(SpaceRow.id)).all()


def concerns(session: Session, authority: str) -> frozenset[int]:
    """Return the numbers of the exemptions that name ranges of it."""
    return frozenset(session.scalars(select(ConcernRow.exemption).where(ConcernRow.authority == authority)))


def entries_after(session: Session, seq: int) -> Sequence[AuditRow]:
    """Return the audit log entries after an entry."""
    return session.scalars(select(AuditRow).where(AuditRow.seq > seq).order_by(AuditRow.seq)).all()


def _live(rows: Sequence[BindingRow], now: Instant) -> Sequence[BindingRow]:
    return [row for row in rows if not row.period.has_ended(now)]
