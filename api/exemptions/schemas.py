"""Exemptions as written and as read."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from api.bans.schemas import BanReference
from api.http.prefixes import PrefixText
from api.http.schemas import PRINTABLE, Day, EndText, Read, Reason, Slug, SpanText, Strict, Timestamp, TimestampText
from dnsfilter.policy.model import DEFAULT_SITE

HoursText = Annotated[
    str,
    StringConstraints(max_length=80),
    Field(examples=["Mon-Fri 09:00-12:00"], json_schema_extra={"minLength": 3}),
]


class ExemptionState(StrEnum):
    """Where an exemption stands at an instant; weekly hours make no difference to it.

    A request that was withdrawn is revoked, and was never approved.
    One whose end has passed is lapsed, whether it was approved or never decided about.
    """

    REQUESTED = "requested"
    REJECTED = "rejected"
    PLANNED = "planned"
    IN_FORCE = "in_force"
    REVOKED = "revoked"
    LAPSED = "lapsed"


class ExemptionWrite(Strict):
    """A request to set one ban aside in whole ranges, for at most a year, at weekly hours if wished.

    `time_zone` is that of the hours and dates; by default the ranges' authority's.
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


class Note(Strict):
    """What the approver adds, if anything."""

    note: Annotated[str, StringConstraints(max_length=1000, pattern=PRINTABLE)] = ""


class Refusal(Strict):
    """Why a request is rejected or withdrawn, or an exemption revoked."""

    reason: Reason


class ExemptionRead(Read):
    """A request to set a ban aside, and what became of it.

    `holds`: whether it has effect at the time of the answer, in its hours if it has any; if not, `next` is when it
    will, null for never.
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
    revision: int
