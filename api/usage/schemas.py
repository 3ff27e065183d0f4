"""Schemas of usage: what nodes report, and what accounts read."""

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from api.http.schemas import InstantText, NodeMessage, ServiceSlug, Slug
from api.timestamps import parse_timestamp

MAX_COUNTS = 2_000
"""Counts of one batch."""
MAX_QUERIES = 10**12
"""Queries of one count."""
LARGEST_SEQUENCE = 2**53 - 1
"""The largest number that every JSON reader reads exactly (RFC 8259 section 6). It is sent back to the node."""


def _checked_prefix(text: str) -> str:
    return str(ip_network(text))


Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,32}$")]
"""A word from a list that may grow: a count with an unknown word is ignored."""
Queries = Annotated[int, Field(ge=0, le=MAX_QUERIES)]


class CountedRange(NodeMessage):
    """A range whose queries are counted on their own."""

    prefix: Annotated[str, StringConstraints(max_length=43), AfterValidator(_checked_prefix)]


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


class UsageBatch(NodeMessage):
    """What a node has counted in `[from, until)`. A stream's batches are numbered, and each is counted once."""

    stream: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    sequence: Annotated[int, Field(ge=1, le=LARGEST_SEQUENCE)]
    from_: InstantText = Field(alias="from")
    until: InstantText
    counts: Annotated[list[UsageCount], Field(max_length=MAX_COUNTS), Field(default_factory=list)]
    bypass: Annotated[list[BypassCount], Field(max_length=MAX_COUNTS), Field(default_factory=list)]

    @property
    def start_s(self) -> int:
        """Return when the counting began, by the node's clock."""
        return parse_timestamp(self.from_, "UTC")
