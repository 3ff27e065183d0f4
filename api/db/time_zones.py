"""The time zones of authorities."""

from sqlalchemy.orm import Session

from api.db.models import AuthorityRow
from dnsfilter.policy.instants import DEFAULT_ZONE


def time_zone_of(session: Session, authority: str | None) -> str:
    """Return the authority's time zone. Return the default zone without an authority, or for an unknown one."""
    row = None if authority is None else session.get(AuthorityRow, authority)
    return DEFAULT_ZONE if row is None else row.time_zone
