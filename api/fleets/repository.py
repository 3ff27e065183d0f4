"""Queries on fleets: ranges whose prefixes lie in the block of fleets."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from api.db.fleet_rows import is_fleet_row
from api.db.models import RangeRow
from api.errors import NotFound
from api.http.pagination import Paging, select_page
from dnsfilter.policy.fleets import is_fleet_text
from dnsfilter.translatable import Text


def page(session: Session, authority: str, paging: Paging) -> tuple[Sequence[RangeRow], str | None]:
    """Return a page of an authority's fleets, by number."""
    return select_page(session, select(RangeRow).where(*_of(authority)), RangeRow.id, int, *paging)


def get(session: Session, authority: str, number: int) -> RangeRow:
    """Return the authority's fleet with a number; raise `NotFound` if there is none."""
    row = session.get(RangeRow, number)
    if row is None or row.authority != authority or not is_fleet_text(row.prefix):
        raise NotFound(
            Text(
                "{authority} has no fleet {number}. See dnsfilterctl fleet list {authority}.",
                authority=authority,
                number=number,
            )
        )
    return row


def labelled(session: Session, authority: str, site: str, label: str) -> RangeRow | None:
    """Return the authority's fleet with a label at a site, or None."""
    return session.scalar(select(RangeRow).where(*_of(authority), RangeRow.site == site, RangeRow.label == label))


def _of(authority: str) -> Sequence[ColumnElement[bool]]:
    return RangeRow.authority == authority, *is_fleet_row()
