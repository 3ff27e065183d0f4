"""Queries on exemptions."""

from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from api.db.models import BanRow, ConcernRow, ExemptionRow, RangeRow
from api.db.time_zones import time_zone_of
from api.db.unknown_names import numbered
from api.exemptions.schemas import ExemptionState
from api.exemptions.state import in_state
from api.http.pagination import Paging, Sorting, equal, sorted_page
from dnsfilter.policy.model import Instant

SORTING = Sorting(
    ExemptionRow.number,
    {
        "number": ExemptionRow.number,
        "start": ExemptionRow.start_s,
        "end": ExemptionRow.end_s,
        "revision": ExemptionRow.revision,
    },
)


get = numbered(ExemptionRow, "exemption")
"""Return the exemption with a number. Raise NotFound."""


def of(session: Session, ban: int) -> Sequence[ExemptionRow]:
    """Return all exemptions from a ban, in any state."""
    return session.scalars(select(ExemptionRow).where(ExemptionRow.ban == ban).order_by(ExemptionRow.number)).all()


def owners(session: Session, site: str, prefixes: Sequence[str]) -> dict[str, str]:
    """Return the authority of each of these prefixes that is registered at the site."""
    statement = select(RangeRow.prefix, RangeRow.authority).where(RangeRow.site == site, RangeRow.prefix.in_(prefixes))
    return {row.prefix: row.authority for row in session.execute(statement)}


def named_ranges(session: Session, site: str, prefixes: Sequence[str]) -> Sequence[RangeRow]:
    """Return those of these prefixes that are registered at the site, in order."""
    statement = select(RangeRow).where(RangeRow.site == site, RangeRow.prefix.in_(prefixes))
    return session.scalars(statement.order_by(RangeRow.prefix)).all()


def default_zone(session: Session, ban: BanRow, site: str, prefixes: Sequence[str]) -> str:
    """Return the time zone of a request that names none: that of the authority of its ranges."""
    return time_zone_of(session, min(owners(session, site, prefixes).values(), default=ban.authority))


def affected(session: Session, row: ExemptionRow) -> frozenset[str]:
    """Return the authorities of the ranges that an exemption names."""
    return frozenset(session.scalars(select(ConcernRow.authority).where(ConcernRow.exemption == row.number)))


def concerned(session: Session, row: ExemptionRow) -> frozenset[str]:
    """Return the authorities that an exemption concerns: the ban's, and those of its ranges."""
    return affected(session, row) | {session.get_one(BanRow, row.ban).authority}


def page(
    session: Session,
    visible: frozenset[str] | None,
    ban: int | None,
    site: str | None,
    state: ExemptionState | None,
    now: Instant,
    sort: str,
    paging: Paging,
) -> tuple[Sequence[ExemptionRow], str | None]:
    """Return a page of exemptions in the order of `sort`; only those that concern `visible`, unless it is None."""
    statement = select(ExemptionRow).where(*equal({ExemptionRow.ban: ban, ExemptionRow.site: site}))
    if visible is not None:
        bans = select(BanRow.number).where(BanRow.authority.in_(visible))
        named = select(ConcernRow.exemption).where(ConcernRow.authority.in_(visible))
        statement = statement.where(or_(ExemptionRow.ban.in_(bans), ExemptionRow.number.in_(named)))
    if state is not None:
        statement = statement.where(in_state(state, now))
    return sorted_page(session, statement, SORTING, sort, *paging)
