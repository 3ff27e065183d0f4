"""Request and response schemas of exemptions."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from api.bans.schemas import BanReference
from api.http.prefixes import PrefixText
from api.http.schemas import Day, EndText, Read, Reason, Slug, SpanText, Strict, Timestamp, TimestampText
from dnsfilter.policy.model import DEFAULT_SITE

HoursText = Annotated[
    str,
    StringConstraints(max_length=80),
    Field(examples=["Mon-Fri 09:00-12:00"], json_schema_extra={"minLength": 3}),
]


class ExemptionState(StrEnum):
    """State of an exemption at an instant; weekly hours do not affect it.

    A request that was withdrawn is revoked, without an approval. An exemption whose end has passed is lapsed, whether
    it was approved or never decided.
    """

    REQUESTED = "requested"
    REJECTED = "rejected"
    PLANNED = "planned"
    IN_FORCE = "in_force"
    REVOKED = "revoked"
    LAPSED = "lapsed"


class ExemptionWrite(Strict):
    """A request to remove one ban from complete ranges for at most a year, optionally in weekly hours.

    `time_zone` applies to the hours and dates; by default it is that of the ranges' authority.
    """

    ban: BanReference
    site: Slug = DEFAULT_SITE
    ranges: Annotated[list[PrefixText], Field(min_length=1, max_length=200)]
    start: TimestampText | None = None
    end: EndText | None = None
    until: EndText | None = None
    for_: SpanText | None = Field(default=None, alias="for")
    hours: Annotated[tuple[HoursText, ...], Field(max_length=50)] = ()
    time_zone: Annotated[str, StringConstraints(max_length=64)] | None = None
    reason: Reason


class ExemptionRead(Read):
    """An exemption, from the request on.

    `holds` says whether it is in force at the time of the answer, within its hours if it has any. If not, `next` is
    when it comes into force; null for never. `notes` say which of its ranges the ban does not cover; they are null in
    lists and traces.
    """

    number: int
    ban: str
    ban_number: int
    site: Slug
    ranges: list[str]
    start: Timestamp
    end: Timestamp
    through: Day | None
    hours: list[str]
    time_zone: str
    reason: str
    requested: Timestamp
    requested_by: int
    approved: Timestamp | None
    rejected: Timestamp | None
    revoked: Timestamp | None
    decided_by: int | None
    note: str
    state: ExemptionState
    holds: bool
    next: Timestamp | None
    notes: list[str] | None = None
    revision: int
