"""Request and response schemas of bindings."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from api.bans.schemas import BanReference
from api.http.schemas import (
    Day,
    DayText,
    EndText,
    Line,
    OptionalDay,
    Read,
    Reason,
    Slug,
    SpanText,
    Strict,
    Timestamp,
    TimestampText,
)
from dnsfilter.policy.model import Ground


class BindingState(StrEnum):
    """State of a binding at an instant."""

    PROPOSED = "proposed"
    PLANNED = "planned"
    IN_FORCE = "in_force"
    ENDED = "ended"


class BindingWrite(Strict):
    """A ban that applies in `authority` too. An agreement takes effect when that authority accepts it.

    `instrument` and `date` are those of the law or the agreement. A law may ask for `new_names_at_once`.
    """

    ban: BanReference
    authority: Slug
    ground: Ground
    instrument: Annotated[Line, StringConstraints(min_length=1)]
    date: DayText
    start: TimestampText | None = None
    end: EndText | None = None
    until: EndText | None = None
    for_: SpanText | None = Field(default=None, alias="for")
    new_names_at_once: bool = False


class NewNames(Strict):
    """Whether new names of an update are refused in the bound authority at once, not only monitored for 72 hours."""

    new_names_at_once: bool


class BindingEnding(Strict):
    """An end by an act at `at`; now if omitted. `reference` is that of the formal decision behind it, if any."""

    at: TimestampText | None = None
    reason: Reason
    reference: Line = ""


class BindingRead(Read):
    """A binding: a ban applies in another authority. `ended` is an end set by an act.

    The account `recorded_by` recorded the law or proposed the agreement, and `accepted_by` accepted it. They are null
    in reports and traces. `notes` say what to check. `link` is the link of a prohibited list that made the binding.
    With `new_names_at_once`, new names of an update are refused there at once, not only monitored for 72 hours.
    """

    number: int
    ban: str
    ban_number: int
    authority: Slug
    ground: Ground
    instrument: str
    date: OptionalDay
    start: Timestamp
    end: Timestamp | None
    through: Day | None
    recorded: Timestamp
    recorded_by: int | None = None
    accepted: Timestamp | None
    accepted_by: int | None = None
    ended: Timestamp | None
    ended_by: str
    ended_reason: str
    ended_reference: str
    link: int | None
    new_names_at_once: bool
    state: BindingState
    notes: list[str]
    revision: int
