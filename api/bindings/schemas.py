"""Bindings as written and as read."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StringConstraints

from api.bans.schemas import BanReference
from api.schemas import (
    Day,
    DayText,
    EndText,
    Line,
    MomentText,
    OptionalDay,
    Read,
    Reason,
    Slug,
    SpanText,
    Strict,
    Timestamp,
)
from dnsfilter.policy.model import Ground, Instant

if TYPE_CHECKING:
    from api.db.models import BindingRow


class BindingState(StrEnum):
    """Where a binding stands at an instant."""

    PROPOSED = "proposed"
    PLANNED = "planned"
    IN_FORCE = "in_force"
    ENDED = "ended"


class BindingWrite(Strict):
    """A ban that shall apply in `authority` too. An agreement has effect once that authority has accepted it.

    `instrument` and `date` are those of the law or of the agreement.
    """

    ban: BanReference
    authority: Slug
    ground: Ground
    instrument: Annotated[Line, StringConstraints(min_length=1)]
    date: DayText
    start: MomentText | None = None
    end: EndText | None = None
    until: EndText | None = None
    for_: SpanText | None = Field(default=None, alias="for")


class BindingEnding(Strict):
    """An end by an act: at `at` (now, if absent). `reference` is that of the decision behind it, if there is one."""

    at: MomentText | None = None
    reason: Reason
    reference: Line = ""


class BindingRead(Read):
    """The record that a ban applies in another authority. `ended` is an end that an act has given it."""

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
    accepted: Timestamp | None
    ended: Timestamp | None
    ended_by: str
    ended_reason: str
    ended_reference: str
    state: BindingState
    revision: int


def is_void(row: "BindingRow", now: Instant) -> bool:
    """Whether the binding never has effect: it ends as it begins or before, or has ended and was not accepted."""
    end = row.end_s if row.ended_s is None else row.ended_s
    if end is None:
        return False
    return end <= row.start_s or (row.ground == Ground.AGREEMENT and row.accepted_s is None and end <= now)


def binding_state(row: "BindingRow", now: Instant) -> BindingState:
    """The state of a binding at `now`."""
    end = row.end_s if row.ended_s is None else row.ended_s
    if end is not None and (end <= now or is_void(row, now)):
        return BindingState.ENDED
    if row.ground == Ground.AGREEMENT and row.accepted_s is None:
        return BindingState.PROPOSED
    return BindingState.IN_FORCE if row.start_s <= now else BindingState.PLANNED
