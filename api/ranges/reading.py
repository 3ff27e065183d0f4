"""Convert rows of sites and ranges to API answers."""

from api.db.models import RangeRow, SiteRow
from api.ranges.schemas import RangeRead, SiteRead
from dnsfilter.policy.model import Audience, Funding


def read_site(row: SiteRow) -> SiteRead:
    """Return a site as the API shows it."""
    return SiteRead(slug=row.slug, name=row.name, revision=row.revision)


def read_range(row: RangeRow) -> RangeRead:
    """Return a range as the API shows it."""
    return RangeRead(
        site=row.site,
        prefix=row.prefix,
        authority=row.authority,
        funding=Funding(row.funding),
        audience=Audience(row.audience),
        label=row.label,
        revision=row.revision,
    )
