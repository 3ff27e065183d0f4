"""The sites at which ranges, space, exemptions and nodes are."""

from sqlalchemy.orm import Session

from api.db.models import SiteRow
from api.db.unknown_names import no_site
from api.errors import NotFound


def find_site(session: Session, slug: str) -> SiteRow | None:
    """The site, or None."""
    return session.get(SiteRow, slug)


def get_site(session: Session, slug: str) -> SiteRow:
    """The site; raises NotFound."""
    row = find_site(session, slug)
    if row is None:
        raise NotFound(no_site(session, slug))
    return row
