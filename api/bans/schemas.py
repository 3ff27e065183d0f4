"""Request and response schemas of bans."""

from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, field_validator

from api.http.formal_decisions import FormalDecisionRead, FormalDecisionWrite
from api.http.patterns import BAN_REFERENCE
from api.http.schemas import Day, EndText, Read, Reason, ServiceSlug, Slug, SpanText, Strict, Timestamp, TimestampText
from dnsfilter.policy.model import Audience, Funding, Mode, Reply

Days: TypeAlias = Literal[1, 7, 30]


class State(StrEnum):
    """State of a ban at an instant, from its terms, its mode and suspensions.

    A ban is `off` while a term is in force and its mode is off, even if its authority is suspended.
    """

    PLANNED = "planned"
    IN_FORCE = "in_force"
    ENDING = "ending"
    OFF = "off"
    SUSPENDED = "suspended"
    LAPSED = "lapsed"


class DueKind(StrEnum):
    """What happens to a ban: it ends, or its review is due."""

    END = "end"
    REVIEW = "review"


MAX_TERMS = 100

BanReference = Annotated[
    str,
    StringConstraints(pattern=BAN_REFERENCE),
    Field(description="authority/service", examples=["federal/tiktok"]),
]


class DecisionWrite(FormalDecisionWrite):
    """The formal decision. `follows` names the ban that is adopted: another authority's ban on the same service."""

    follows: BanReference | None = None


class TermWrite(Strict):
    """One period: from `start` to an end (`end`, `until` as a last day, or `for`), or to a review.

    Without `start` it is the term in force that matches the other fields; otherwise it begins now. A PUT can be
    repeated.
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
    """The fields of a ban. An existing ban keeps omitted fields; a new one needs a formal decision and terms.

    Without terms, a formal decision that `follows` another ban takes over its terms that have not ended. It also takes
    over the mode, tiers, funding and audience that are omitted. It needs its own legal basis and reference.
    """

    mode: Mode | None = None
    mode_reason: Reason | None = Field(default=None, description="Reason for the mode, stored in the audit log.")
    until: EndText | None = Field(
        default=None,
        description="With `mode` off: when the earlier mode returns by itself, as a last day or a time.",
    )
    for_: SpanText | None = Field(default=None, alias="for", description="Instead of `until`: how long the ban is off.")
    reply: Reply | None = Field(
        default=None,
        description="Reply to a refused query. `refused` makes many clients ask another resolver: configure no other.",
    )
    addresses: Addresses | None = None
    tiers: Tiers | None = None
    funding: Fundings | None = None
    audience: Audiences | None = None
    decision: DecisionWrite | None = None
    terms: Terms | None = None
    provisional: bool | None = Field(
        default=None, description="Adopt the ban for 72 hours without a formal decision; false confirms it."
    )

    @field_validator("addresses")
    @classmethod
    def _addresses(cls, value: list[str] | None) -> list[str] | None:
        return None if value is None else [str(ip_address(text)) for text in value]


class Renewal(TermWrite):
    """A further term, with the formal decision behind it, which needs a reference.

    Without `start` it begins where the terms in force end, or now if none is in force. Without a term, a formal
    decision that `follows` another ban takes over the rest of that ban's terms, and its scope.
    """

    @property
    def says_no_term(self) -> bool:
        """Return whether no field of the term is given, not even its start."""
        return not any((self.start, self.end, self.until, self.for_, self.review_by))


class Ending(Strict):
    """An early end at `at`; now if omitted."""

    at: TimestampText | None = None
    reason: Reason
    decision: DecisionWrite | None = None


class FormalRead(FormalDecisionRead):
    """The formal decision behind a ban or a term."""

    follows: str | None = None


class TermRead(Read):
    """One period as decided. `ended` is an earlier end set by an act; `through` is the last complete day."""

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

    `days_left` counts a day that has begun; an overdue review has 0.
    """

    at: Timestamp
    what: DueKind
    days: Days
    days_left: int


class WarningCode(StrEnum):
    """Why an exemption has no effect on the ban."""

    EXEMPTION_LAPSED = "exemption_lapsed"
    """The exemption ends during or with a term, and the renewal does not extend it."""
    EXEMPTION_FROM_ANOTHER_BAN = "exemption_from_another_ban"
    """The exemption is from another authority's ban, and this ban applies in its ranges."""


class BanWarningRead(Read):
    """An approved exemption that people may rely on, although the ban applies in its `ranges`, and what to do."""

    code: WarningCode
    message: str
    exemption: int
    ranges: list[str]


class ShownBan(Read):
    """A ban as the audit log stores it: without what depends on the time, or repeats the act's time or account."""

    number: int
    authority: Slug
    service: ServiceSlug
    mode: Mode
    mode_reason: str
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
    prohibited_list: str | None
    list_version: int | None


class BanRead(ShownBan):
    """An authority's ban on one service. `state`, `ending`, `notes` and `warnings` are those at the time of the answer.

    The account `mode_set_by` set the mode at `mode_set` for `mode_reason`. If the mode is off with an end, the mode
    `returns_to` applies again from `off_until` on. `notes` explain what the terms do not show. `warnings` are null in
    lists, in traces, and for callers who may not read the authority's exemptions.
    """

    mode_set: Timestamp | None
    mode_set_by: int | None
    state: State
    ending: EndingRead | None
    notes: list[str]
    warnings: list[BanWarningRead] | None = None
    revision: int


class MovedRangeRead(Read):
    """A range that another scope covers, or no longer."""

    site: Slug
    prefix: str
    label: str


MAX_MOVED = 20


class MovedRangesRead(Read):
    """The ranges that another scope of a ban gains or loses: of its authority, and of those that it binds.

    `first` has at most 20 of its authority.
    """

    ranges: int
    first: list[MovedRangeRead]
    bound_ranges: int


class BanReachRead(Read):
    """The registered ranges in which a ban applies while it refuses and a term is in force, without suspensions.

    `ranges` are those of its authority that it covers, and `exempted` those of them that an exemption frees now.
    `bound` authorities have `bound_ranges` that it covers too. `gained` and `lost` compare with the scope that the
    request gives; null without one.
    """

    ranges: int
    exempted: int
    uncovered: int
    bound: int
    bound_ranges: int
    gained: MovedRangesRead | None
    lost: MovedRangesRead | None
