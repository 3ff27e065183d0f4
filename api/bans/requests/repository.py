"""Queries on requests."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from api.bans.requests.reading import OF_BAN
from api.bans.requests.schemas import RequestState
from api.bans.requests.state import in_state
from api.db.models import RequestRow
from api.db.unknown_names import numbered
from api.http.pagination import Sorting, sorted_page
from dnsfilter.policy.model import Instant

SORTING = Sorting(RequestRow.number, {"number": RequestRow.number})


get = numbered(RequestRow, "request")
"""Return the request with a number. Raise NotFound."""


def waiting(session: Session, authority: str, now: Instant) -> Sequence[RequestRow]:
    """Return the requests that wait for an approver of the authority."""
    statement = select(RequestRow).where(RequestRow.authority == authority, in_state(RequestState.REQUESTED, now))
    return session.scalars(statement.order_by(RequestRow.number)).all()


def page(
    session: Session,
    visible: frozenset[str] | None,
    ban: str | None,
    state: RequestState | None,
    now: Instant,
    limit: int,
    cursor: str | None,
) -> tuple[Sequence[RequestRow], str | None]:
    """Return a page of requests by number; only those about `ban` and in the authorities `visible`, unless None."""
    statement = select(RequestRow).options(undefer(RequestRow.body))
    if ban is not None:
        statement = statement.where(RequestRow.object == f"{OF_BAN}{ban}")
    if visible is not None:
        statement = statement.where(RequestRow.authority.in_(visible))
    if state is not None:
        statement = statement.where(in_state(state, now))
    return sorted_page(session, statement, SORTING, "number", limit, cursor)
