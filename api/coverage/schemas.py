"""Schemas of coverage."""

from pydantic import Field

from api.coverage.state import CoverageState
from api.http.schemas import Read, Slug, Timestamp
from dnsfilter.policy.counted_ranges import NotCounted


class CoverageRead(Read):
    """Whether the resolver sees the queries of a range. `usual_per_hour` is null if it is hidden or not known."""

    site: Slug
    prefix: str
    authority: Slug
    label: str
    state: CoverageState
    not_counted: NotCounted | None = Field(
        description="why the range is not counted: `level` of its authority, or `small`; null if it is counted"
    )
    last_asked: Timestamp | None = Field(description="start of the hour in which a node last counted queries")
    usual_per_hour: int | None = Field(description="average of the hours with queries in the last two weeks")
    below: int | None = Field(
        description="set if `usual_per_hour` is hidden, because it is above 0 and below this number"
    )
