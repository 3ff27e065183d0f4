"""Queries on sites and ranges."""

from collections.abc import Sequence

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from api.db.models import ExemptionRow, FleetNameRow, NodeRow, RangeRow, SiteRow, SpaceRow
from api.errors import NotFound, see_list
from api.exemptions.state import is_live
from api.http.pagination import Paging, Sorting, equal, select_page, sorted_page, within
from dnsfilter.policy.model import Prefix
from dnsfilter.translatable import Text

SORTING = Sorting(
    RangeRow.id,
    {
        "registered": RangeRow.id,
        "label": RangeRow.label,
        "authority": RangeRow.authority,
        "site": RangeRow.site,
        "revision": RangeRow.revision,
    },
)


def site_page(session: Session, paging: Paging) -> tuple[Sequence[SiteRow], str | None]:
    """Return a page of sites by slug."""
    return select_page(session, select(SiteRow), SiteRow.slug, str, *paging)


def site_in_use(session: Session, slug: str) -> bool:
    """Return whether a range, space, an exemption or a node, including a removed one, refers to the site."""
    used = or_(*(exists().where(row.site == slug) for row in (RangeRow, SpaceRow, ExemptionRow, NodeRow)))
    return bool(session.scalar(select(used)))


def find(session: Session, site: str, prefix: Prefix) -> RangeRow | None:
    """Return the range with exactly that prefix, or None."""
    return session.scalar(select(RangeRow).where(RangeRow.site == site, RangeRow.prefix == str(prefix)))


def fleet_names(session: Session, row: RangeRow) -> Sequence[FleetNameRow]:
    """Return the names of a fleet, oldest first."""
    name = FleetNameRow
    statement = select(name).where(name.prefix == row.prefix, name.site == row.site)
    return session.scalars(statement.order_by(name.number)).all()


def get(session: Session, site: str, prefix: Prefix) -> RangeRow:
    """Return the range with exactly that prefix; raise `NotFound` if there is none."""
    row = find(session, site, prefix)
    if row is None:
        raise NotFound(
            Text(
                "range {prefix} is not registered at site {site}.{hint}",
                prefix=prefix,
                site=site,
                hint=see_list("range"),
            )
        )
    return row


def page(
    session: Session,
    visible: frozenset[str] | None,
    authority: str | None,
    site: str | None,
    funding: str | None,
    audience: str | None,
    sort: str,
    paging: Paging,
) -> tuple[Sequence[RangeRow], str | None]:
    """Return a page of ranges in the order of `sort`; only those of `visible`, unless it is None."""
    row = RangeRow
    wanted = equal({row.authority: authority, row.site: site, row.funding: funding, row.audience: audience})
    statement = select(row).where(*within(row.authority, visible), *wanted)
    return sorted_page(session, statement, SORTING, sort, *paging)


def exempted(session: Session, now_s: int) -> frozenset[tuple[str, str]]:
    """Return site and prefix of each range that a live exemption names."""
    rows = session.scalars(select(ExemptionRow).where(is_live(now_s)))
    return frozenset((row.site, prefix) for row in rows for prefix in row.ranges)
