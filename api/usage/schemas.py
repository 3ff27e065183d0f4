"""Schemas of usage: what nodes report, and what accounts read."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from api.http.schemas import Day, DayText, InstantText, NodeMessage, Read, Reason, ServiceSlug, Slug, Strict, Timestamp
from api.timestamps import stored_instant
from api.usage.rate import MAX_AT_ONCE
from api.usage.state import LARGEST, CoverageState
from dnsfilter.policy.counted_ranges import NotCounted
from dnsfilter.policy.model import DEFAULT_SITE, Audience, Funding

By = Literal["day", "hour", "range"]
MAX_COUNTS = 2_000
"""Counts of one batch."""
MAX_CLIENTS = 1_000
"""Refused queries under pseudonyms of one batch."""
MAX_QUERIES = MAX_AT_ONCE
"""Queries of one count."""


def _checked_prefix(text: str) -> str:
    return str(ip_network(text))


Prefix = Annotated[str, StringConstraints(max_length=43), AfterValidator(_checked_prefix)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,32}$")]
"""A word from a list that may grow: a count with an unknown word is ignored."""
Queries = Annotated[int, Field(ge=0, le=MAX_QUERIES)]


class CountedRange(NodeMessage):
    """A range whose queries are counted on their own."""

    prefix: Prefix


class UsageCount(NodeMessage):
    """Queries of an authority's clients for a service, by the ban that decided and its ground."""

    authority: Slug
    service: ServiceSlug
    ban_authority: Slug
    ground: Word
    result: Word
    range: CountedRange | None = None
    queries: Queries


class BypassCount(NodeMessage):
    """Attempts of an authority's clients to bypass the resolver."""

    authority: Slug
    kind: Word
    queries: Queries


class RangeQueries(NodeMessage):
    """All queries of a range, also those that no ban concerns."""

    prefix: Prefix
    queries: Queries


class PendingCount(NodeMessage):
    """Queries of an authority's clients for a pending name of a service, which is not the queried name."""

    authority: Slug
    service: ServiceSlug
    name: Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[!-~]+$")]
    queries: Queries


class ClientCount(NodeMessage):
    """Refused queries of an authority's client for a service in one minute. `client` is a pseudonym for a day."""

    minute: InstantText
    authority: Slug
    service: ServiceSlug
    ban_authority: Slug
    ground: Word
    client: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    queries: Queries

    @property
    def minute_s(self) -> int:
        """Return the start of the minute, by the node's clock."""
        return stored_instant(self.minute)


class UsageBatch(NodeMessage):
    """What a node has counted in `[from, until)`. A stream's batches are numbered, and each is counted once."""

    stream: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    sequence: Annotated[int, Field(ge=1, le=LARGEST)]
    from_: InstantText = Field(alias="from")
    until: InstantText
    counts: Annotated[list[UsageCount], Field(max_length=MAX_COUNTS), Field(default_factory=list)]
    bypass: Annotated[list[BypassCount], Field(max_length=MAX_COUNTS), Field(default_factory=list)]
    ranges: Annotated[list[RangeQueries], Field(max_length=MAX_COUNTS), Field(default_factory=list)]
    pending: Annotated[list[PendingCount], Field(max_length=MAX_COUNTS), Field(default_factory=list)]
    clients: Annotated[list[ClientCount], Field(max_length=MAX_CLIENTS), Field(default_factory=list)]

    @property
    def start_s(self) -> int:
        """Return when the counting began, by the node's clock."""
        return stored_instant(self.from_)

    @property
    def end_s(self) -> int:
        """Return when the counting ended, by the node's clock."""
        return stored_instant(self.until)


class UsageRead(Read):
    """Queries of an authority's clients for a service, by the ban that decided. `queries` is null if it is hidden.

    `day` is a day of the authority's time zone, `hour` the start of an hour, `site` and `prefix` a range. Those that
    the counts are not split by are null. The sum of numbers of which some are hidden has `at_least` and `at_most`
    instead; `at_most` is null if some days are not split into ranges.
    """

    day: Day | None
    hour: Timestamp | None
    site: Slug | None
    prefix: str | None
    label: str | None = Field(
        description="the range's, such as a fleet's name; null if it has none or is not registered"
    )
    service: ServiceSlug
    ban_authority: Slug = Field(description="the authority whose ban decided")
    ground: str = Field(description="`own`, `law` or `agreement`")
    result: str = Field(description="`refused`, `monitored` or `exempted`")
    queries: int | None
    below: int | None = Field(description="set if `queries` is hidden, because it is above 0 and below this number")
    at_least: int | None = Field(description="the least that a sum with hidden numbers can be")
    at_most: int | None = Field(description="the most that it can be")


class BypassDayRead(Read):
    """Attempts of an authority's clients to bypass the resolver on one of its days. `queries` is null if hidden."""

    day: Day
    kind: str = Field(description="`canary`, `relay`, `ddr` or `encrypted_dns`")
    queries: int | None
    below: int | None


class ClientRead(Read):
    """Refused queries of a client in one minute. `client` is a pseudonym that a node keeps for a day."""

    minute: Timestamp
    client: str
    service: ServiceSlug
    ban_authority: Slug = Field(description="the authority whose ban refused them")
    ground: str = Field(description="`own`, `law` or `agreement`")
    queries: int


class ErasedRange(Strict):
    """A range at a site. It may no longer be registered."""

    site: Slug = DEFAULT_SITE
    prefix: Prefix = Field(examples=["192.0.2.0/24"])


class UsageErasing(Strict):
    """What to erase: an authority's days `from` through `to`, or only what was counted for a range."""

    authority: Slug
    from_: DayText | None = Field(default=None, alias="from", description="the first day; all before `to` without it")
    to: DayText | None = Field(default=None, description="the last day; all after `from` without it")
    range: ErasedRange | None = None
    reason: Reason


class UsageErased(Read):
    """The number of counts that were deleted."""

    days: int
    hours: int
    bypass: int
    pending: int
    coverage: int = Field(description="days of ranges with the queries of each hour")
    clients: int


class CoverageRead(Read):
    """Whether the resolver sees the queries of a range. `usual_per_hour` is null if it is hidden or not known."""

    site: Slug
    prefix: str
    authority: Slug
    funding: Funding
    audience: Audience
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
