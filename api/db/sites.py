"""Find the sites of ranges, spaces, exemptions and nodes, and whose ranges lie at a site."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import RangeRow, SiteRow
from api.db.unknown_names import no_site
from api.errors import NotFound


def find_site(session: Session, slug: str) -> SiteRow | None:
    """Return a site, or None."""
    return session.get(SiteRow, slug)


def get_site(session: Session, slug: str) -> SiteRow:
    """Return a site. Raise NotFound."""
    row = find_site(session, slug)
    if row is None:
        raise NotFound(no_site(session, slug))
    return row


def authorities_at(session: Session, site: str) -> Sequence[str]:
    """Return the authorities with ranges at a site, by slug."""
    statement = select(RangeRow.authority).where(RangeRow.site == site).distinct().order_by(RangeRow.authority)
    return session.scalars(statement).all()
