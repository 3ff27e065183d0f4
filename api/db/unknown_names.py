"""Messages about unknown authorities, sites and bans. They suggest names, which every account may read."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import AuthorityRow, BanRow, SiteRow
from api.errors import unknown


def no_authority(session: Session, slug: str) -> str:
    """Return the message about an authority that is not registered."""
    return unknown("authority", slug, session.scalars(select(AuthorityRow.slug)))


def no_site(session: Session, slug: str) -> str:
    """Return the message about a site that is not registered."""
    return unknown("site", slug, session.scalars(select(SiteRow.slug)))


def no_ban(session: Session, reference: str) -> str:
    """Return the message about a ban `authority/service` that does not exist."""
    rows = session.execute(select(BanRow.authority, BanRow.service))
    return unknown("ban", reference, [f"{row.authority}/{row.service}" for row in rows])
