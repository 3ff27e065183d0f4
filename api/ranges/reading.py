"""Sites and ranges as the API shows them."""

from api.db.models import RangeRow, SiteRow
from api.ranges.schemas import RangeRead, SiteRead
from dnsfilter.policy.model import Audience, Funding


def read_site(row: SiteRow) -> SiteRead:
    """A site as the API shows it."""
    return SiteRead(slug=row.slug, name=row.name, revision=row.revision)


def read_range(row: RangeRow) -> RangeRead:
    """A range as the API shows it."""
    return RangeRead(
        site=row.site,
        prefix=row.prefix,
        authority=row.authority,
        funding=Funding(row.funding),
        audience=Audience(row.audience),
        label=row.label,
        revision=row.revision,
    )
