"""Bans as written and as read."""

from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, field_validator

from api.http.formal_decisions import DecidedRead, DecidedWrite
from api.http.schemas import (
    BAN_REFERENCE,
    Day,
    EndText,
    Read,
    Reason,
    ServiceSlug,
    Slug,
    SpanText,
    Strict,
    Timestamp,
    TimestampText,
)
from dnsfilter.policy.model import Audience, Funding, Mode, Reply

Days: TypeAlias = Literal[1, 7, 30]


class State(StrEnum):
    """Whether a term holds, will hold, or no longer does. One that holds is in force, unless the others say more.

    A ban is `off`, and not in force, while a term holds and its mode is off, even if its authority is suspended.
    """

    PLANNED = "planned"
    IN_FORCE = "in_force"
    ENDING = "ending"
    OFF = "off"
    SUSPENDED = "suspended"
    LAPSED = "lapsed"


class What(StrEnum):
    """Whether a ban ends or is to be reviewed."""

    END = "end"
    REVIEW = "review"


MAX_TERMS = 100

BanReference = Annotated[
    str,
    StringConstraints(pattern=BAN_REFERENCE),
    Field(description="authority/service", examples=["federal/tiktok"]),
]


class DecisionWrite(DecidedWrite):
    """The formal decision. `follows` is the ban that was adopted: another authority's, on the same service."""

    follows: BanReference | None = None


class TermWrite(Strict):
    """One period: from `start` to one of `end`, `until` (a last day) or `for`, or to a review.

    Without `start` it is the term that has begun and fits the rest, else one that begins now: a PUT can be repeated.
    """

    start: TimestampText | None = None
    end: EndText | None = None
    until: EndText | None = None
    for_: SpanText | None = Field(default=None, alias="for")
    review_by: TimestampText | None = None
    decision: DecisionWrite | None = None


Terms = Annotated[list[TermWrite], Field(max_length=MAX_TERMS)]
Addresses = Annotated[list[Annotated[str, StringConstraints(max_length=39)]], Field(max_length=8)]
Tiers = Annotated[list[Annotated[int, Field(ge=1, le=9)]], Field(min_length=1, max_length=9)]
Fundings = Annotated[list[Funding], Field(min_length=1, max_length=3)]
Audiences = Annotated[list[Audience], Field(min_length=1, max_length=3)]


class BanWrite(Strict):
    """The fields of a ban. One that exists keeps what is not given; one that does not needs decision and terms.

    Without terms, a decision that `follows` another ban takes over its terms that have not ended, and its mode, tiers,
    funding and audience where they are not given; it needs a legal basis and a reference of its own.
    """

    mode: Mode | None = None
    mode_reason: Reason | None = Field(default=None, description="why the mode is set, if it is to be on record")
    until: EndText | None = Field(
        default=None,
        description="with `mode` off: when the mode before returns by itself, as a last day or an instant",
    )
    for_: SpanText | None = Field(
        default=None, alias="for", description="in place of `until`: for how long the ban is off"
    )
    reply: Reply | None = Field(
        default=None,
        description="`refused` makes many stub resolvers ask the next resolver they know: name no other one to clients",
    )
    addresses: Addresses | None = None
    tiers: Tiers | None = None
    funding: Fundings | None = None
    audience: Audiences | None = None
    decision: DecisionWrite | None = None
    terms: Terms | None = None
    provisional: bool | None = Field(default=None, description="without a decision, for 72 hours")

    @field_validator("addresses")
    @classmethod
    def _addresses(cls, value: list[str] | None) -> list[str] | None:
        return None if value is None else [str(ip_address(text)) for text in value]


class Renewal(TermWrite):
    """A further term, with the decision behind it, which has a reference.

    Without `start` it begins where the terms in force end, and now where none is. Without a term, a decision that
    `follows` another ban takes over what is left of its terms, and its scope.
    """

    @property
    def says_no_term(self) -> bool:
        """Whether nothing is said of a term, not even its start."""
        return not any((self.start, self.end, self.until, self.for_, self.review_by))


class Ending(Strict):
    """An early end: at `at` (now, if absent)."""

    at: TimestampText | None = None
    reason: Reason
    decision: DecisionWrite | None = None


class FormalRead(DecidedRead):
    """The formal decision behind a ban or a term."""

    follows: str | None = None


class TermRead(Read):
    """One period as decided; `ended` is an earlier end that an act has given it. `through` is the last whole day."""

    start: Timestamp
    end: Timestamp | None
    through: Day | None
    review_by: Timestamp | None
    recorded: Timestamp
    decision: FormalRead
    ended: Timestamp | None
    ended_reason: str
    ended_decision: FormalRead | None


class EndingRead(Read):
    """The end or review of a ban within thirty days. `days` is the shortest warning (30, 7 or 1) that is due.

    `days_left` are begun days; an overdue review has 0.
    """

    at: Timestamp
    what: What
    days: Days
    days_left: int


class WarningCode(StrEnum):
    """Why an exemption does not set the ban aside."""

    EXEMPTION_LAPSED = "exemption_lapsed"
    """It ends with a term, and the renewal goes on."""
    EXEMPTION_FROM_ANOTHER_BAN = "exemption_from_another_ban"
    """It sets aside another authority's ban, and this one applies in its ranges."""


class BanWarningRead(Read):
    """An approved exemption on which people may rely, although the ban applies in its `ranges`, and what to do."""

    code: WarningCode
    message: str
    exemption: int
    ranges: list[str]


class BanRead(Read):
    """An authority's decision on one service. `state`, `ending`, `notes` and `warnings` are at the time of the answer.

    Its mode holds since `mode_set`, set by the account `mode_set_by` for `mode_reason`. If it is off with an end, the
    mode `returns_to` holds again from `off_until` on. `notes` say what its terms may not seem to. `warnings` are null
    in lists, in traces, and for callers who may not read the authority's exemptions.
    """

    number: int
    authority: Slug
    service: ServiceSlug
    mode: Mode
    mode_reason: str
    mode_set: Timestamp | None
    mode_set_by: int | None
    off_until: Timestamp | None
    returns_to: Mode | None
    reply: Reply
    addresses: list[str]
    tiers: list[int]
    funding: list[Funding]
    audience: list[Audience]
    decision: FormalRead
    terms: list[TermRead]
    provisional: bool
    state: State
    ending: EndingRead | None
    notes: list[str]
    warnings: list[BanWarningRead] | None = None
    revision: int
