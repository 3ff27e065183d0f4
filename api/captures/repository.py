"""Queries on captures."""

from collections.abc import Sequence

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from api.captures.schemas import CaptureState
from api.captures.state import capture_state, may_exist
from api.db.models import CaptureRow, RangeRow
from api.db.unknown_names import numbered
from api.http.pagination import Paging, equal, select_page, within
from dnsfilter.policy.model import Instant, Prefix

get = numbered(CaptureRow, "capture")
"""Return the capture with a number. Raise NotFound."""


def page(
    session: Session, visible: frozenset[str] | None, authority: str | None, paging: Paging
) -> tuple[Sequence[CaptureRow], str | None]:
    """Return a page of captures, newest first; only those of `visible`, unless it is None."""
    owner = CaptureRow.authority
    statement = select(CaptureRow).where(*within(owner, visible), *equal({owner: authority}))
    return select_page(session, statement, CaptureRow.number, int, *paging, newest_first=True)


def existing(session: Session, now: Instant, site: str | None = None) -> Sequence[CaptureRow]:
    """Return the captures whose files may exist, by number; only those of `site`, unless it is None."""
    statement = select(CaptureRow).where(may_exist(now), *equal({CaptureRow.site: site})).order_by(CaptureRow.number)
    return [row for row in session.scalars(statement) if capture_state(row, now) is not CaptureState.DELETED]


def is_registered(session: Session, authority: str, site: str, prefix: Prefix) -> bool:
    """Return whether the authority has a range with exactly that prefix."""
    found = exists().where(RangeRow.site == site, RangeRow.prefix == str(prefix), RangeRow.authority == authority)
    return bool(session.scalar(select(found)))
