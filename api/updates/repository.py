"""Queries on updates."""

from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from api.db.models import ObjectionRow, UpdateRow
from api.db.unknown_names import numbered
from api.http.pagination import Paging, equal, select_page
from api.updates.schemas import Outcome, UpdateState
from api.updates.state import in_state
from dnsfilter.policy.model import Instant, WireName
from dnsfilter.wire.names import parse_name

_ROW = UpdateRow

get = numbered(UpdateRow, "update")
"""Return the update with a number. Raise NotFound."""


def page(
    session: Session,
    visible: frozenset[str] | None,
    authority: str | None,
    service: str | None,
    state: UpdateState | None,
    now: Instant,
    paging: Paging,
) -> tuple[Sequence[UpdateRow], str | None]:
    """Return a page of updates, newest first: those of the authorities `visible` and of the catalogue; None: all."""
    statement = select(_ROW).where(*equal({_ROW.authority: authority, _ROW.service: service}))
    if visible is not None:
        statement = statement.where(or_(_ROW.authority.is_(None), _ROW.authority.in_(visible)))
    if state is not None:
        statement = statement.where(in_state(state, now))
    return select_page(session, statement, _ROW.number, int, *paging, newest_first=True)


def held_back(session: Session, service: str) -> UpdateRow | None:
    """Return the update of a service that is held back; there is at most one."""
    return session.scalar(select(_ROW).where(_ROW.service == service, _ROW.outcome == Outcome.HELD_BACK))


def open_of(session: Session, service: str, now: Instant) -> Sequence[UpdateRow]:
    """Return the updates of a service that are held back or pending."""
    is_open = or_(in_state(UpdateState.HELD_BACK, now), in_state(UpdateState.PENDING, now))
    return session.scalars(select(_ROW).where(_ROW.service == service, is_open)).all()


def refused_before(session: Session, service: str, digest: str) -> UpdateRow | None:
    """Return the newest update of a service with these names that is held back or was rejected."""
    same = (_ROW.service == service, _ROW.digest == digest)
    refused = _ROW.outcome.in_((Outcome.HELD_BACK, Outcome.REJECTED))
    return session.scalar(select(_ROW).where(*same, refused).order_by(_ROW.number.desc()).limit(1))


def sharing_instant(session: Session, row: UpdateRow) -> Sequence[UpdateRow]:
    """Return the updates of the same service whose names are enforced from the same instant, with this one."""
    same = (_ROW.service == row.service, _ROW.enforced_from_s == row.enforced_from_s)
    return session.scalars(select(_ROW).where(*same, _ROW.outcome == Outcome.TAKEN)).all()


def objections(session: Session, service: str) -> Sequence[ObjectionRow]:
    """Return the names that were objected to, by name."""
    row = ObjectionRow
    return session.scalars(select(row).where(row.service == service).order_by(row.name)).all()


def objected_names(session: Session, service: str) -> frozenset[WireName]:
    """Return the names that were objected to as wire names."""
    return frozenset(parse_name(row.name) for row in objections(session, service))
