"""Queries on space, and on the ranges around a prefix."""

from collections.abc import Sequence
from ipaddress import ip_network

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import RangeRow, SpaceRow
from api.errors import NotFound
from api.http.pagination import Paging, equal, select_page
from api.http.prefixes import prefixes_around
from api.spaces.registration import RegistrationRules, make_rules
from dnsfilter.policy.model import Prefix


def find(session: Session, site: str, prefix: Prefix) -> SpaceRow | None:
    """Return the space with exactly that prefix, or None."""
    return session.scalar(select(SpaceRow).where(SpaceRow.site == site, SpaceRow.prefix == str(prefix)))


def get(session: Session, site: str, prefix: Prefix) -> SpaceRow:
    """Return the space with exactly that prefix; raise `NotFound` if there is none."""
    row = find(session, site, prefix)
    if row is None:
        raise NotFound(f"{prefix} is not allotted at site {site}. See dnsfilterctl space list.")
    return row


def page(
    session: Session, authority: str | None, site: str | None, paging: Paging
) -> tuple[Sequence[SpaceRow], str | None]:
    """Return a page of space in the order of allotment."""
    statement = select(SpaceRow).where(*equal({SpaceRow.authority: authority, SpaceRow.site: site}))
    return select_page(session, statement, SpaceRow.id, int, *paging)


def rules_for(session: Session, site: str, prefix: Prefix) -> RegistrationRules:
    """Return the rules for a prefix at a site, from the space around and inside it and the ranges around it."""
    allotted = session.execute(select(SpaceRow.prefix, SpaceRow.authority).where(SpaceRow.site == site))
    spaces = ((ip_network(row.prefix), row.authority) for row in allotted)
    registered = session.execute(
        select(RangeRow.prefix, RangeRow.authority).where(
            RangeRow.site == site, RangeRow.prefix.in_(prefixes_around(prefix))
        )
    )
    return make_rules(
        [(space, owner) for space, owner in spaces if space.overlaps(prefix)],
        [(ip_network(row.prefix), row.authority) for row in registered],
    )
