"""Queries on updates."""

from collections.abc import Sequence

from sqlalchemy import or_, select, tuple_
from sqlalchemy.orm import Session

from api.db.models import ObjectionRow, ServiceRow, UpdateRow
from api.db.unknown_names import numbered
from api.errors import NotFound, did_you_mean
from api.http.pagination import Paging, cut_page, decode_keys, equal, select_page
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


def pending_of(session: Session, service: str, now: Instant) -> Sequence[UpdateRow]:
    """Return the updates of a service that are pending, by number."""
    of_service = select(_ROW).where(_ROW.service == service, in_state(UpdateState.PENDING, now))
    return session.scalars(of_service.order_by(_ROW.number)).all()


def objections(session: Session, service: str) -> Sequence[ObjectionRow]:
    """Return the names that were objected to, by name."""
    row = ObjectionRow
    return session.scalars(select(row).where(row.service == service).order_by(row.name)).all()


def objections_page(
    session: Session, visible: frozenset[str] | None, service: str | None, paging: Paging
) -> tuple[Sequence[ObjectionRow], str | None]:
    """Return a page of objections, by service and name: those to services of `visible` and of the catalogue."""
    row = ObjectionRow
    statement = select(row).where(*equal({row.service: service}))
    if visible is not None:
        # Of a service that a release brought back, only the objections are left.
        known = select(ServiceRow.slug).where(ServiceRow.authority.not_in(visible))
        statement = statement.where(row.service.not_in(known))
    if paging.cursor is not None:
        statement = statement.where(tuple_(row.service, row.name) > tuple_(*decode_keys(paging.cursor, (str, str))))
    rows = session.scalars(statement.order_by(row.service, row.name).limit(paging.limit + 1)).all()
    return cut_page(rows, paging.limit, lambda each: [each.service, each.name])


def owner_of(session: Session, objection: ObjectionRow) -> str | None:
    """Return the authority that defines the service of an objection; None for one of the catalogue."""
    return session.scalar(select(ServiceRow.authority).where(ServiceRow.slug == objection.service))


def get_objection(session: Session, service: str, name: str) -> ObjectionRow:
    """Return the objection to a name of a service. Raise NotFound."""
    row = session.get(ObjectionRow, (service, name))
    if row is None:
        known = (each.name for each in objections(session, service))
        hint = did_you_mean(name, known) or " See dnsfilterctl update objections."
        raise NotFound(f'No objection to "{name}" of {service}.{hint}')
    return row


def objected_names(session: Session, service: str) -> frozenset[WireName]:
    """Return the names that were objected to as wire names."""
    return frozenset(parse_name(row.name) for row in objections(session, service))
