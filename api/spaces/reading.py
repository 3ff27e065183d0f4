"""Convert rows of allotted space to API answers."""

from api.db.models import SpaceRow
from api.spaces.schemas import SpaceRead


def read_space(row: SpaceRow) -> SpaceRead:
    """Return allotted space as the API shows it."""
    return SpaceRead(site=row.site, prefix=row.prefix, authority=row.authority, revision=row.revision)
