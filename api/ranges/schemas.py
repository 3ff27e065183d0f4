"""Sites and ranges as written and as read."""

from typing import Annotated

from pydantic import Field

from api.db.models import RangeRow, SiteRow
from api.prefixes import PrefixText
from api.schemas import Read, ShortLine, Slug, Strict
from dnsfilter.policy.model import Audience, Funding, Prefix, Range

MAX_LISTED = 10_000
"""The most rows of an import within JSON; a file may have more."""


class SiteWrite(Strict):
    """A site."""

    name: ShortLine = ""


class SiteRead(Read):
    """A site."""

    slug: Slug
    name: str
    revision: int


class RangeWrite(Strict):
    """A range, whole. Who paid for the devices and who uses them have no default: somebody has to know."""

    authority: Slug
    funding: Funding
    audience: Audience
    label: ShortLine = ""


class RangePatch(Strict):
    """The fields of a range that change. Its authority does not: remove it and register it anew."""

    funding: Funding | None = None
    audience: Audience | None = None
    label: ShortLine | None = None


class RangeRowWrite(RangeWrite):
    """A range of an import. Without `site` it is at the site of the import."""

    prefix: PrefixText
    site: Slug | None = None


class RangesWrite(Strict):
    """The rows of an import within JSON. A longer table is sent as CSV."""

    rows: Annotated[list[RangeRowWrite], Field(max_length=MAX_LISTED)]


class RangeRead(Read):
    """A prefix registered to an authority at a site."""

    site: Slug
    prefix: str
    authority: Slug
    funding: Funding
    audience: Audience
    label: str
    revision: int


def range_value(site: str, prefix: Prefix, body: RangeWrite) -> Range:
    """As the policy has it."""
    return Range(prefix, body.authority, body.funding, body.audience, body.label, site)


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
