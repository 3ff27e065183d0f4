"""Find the sites of ranges, spaces, exemptions and nodes."""

from sqlalchemy.orm import Session

from api.db.models import SiteRow
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
