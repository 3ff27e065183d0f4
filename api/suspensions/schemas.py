"""Suspensions as written and as read."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from api.db.models import SuspensionRow
from api.moments import moment_text, optional_text
from api.schemas import EndText, Read, Reason, Slug, Strict, Timestamp, read_by
from dnsfilter.policy.calendar import parse_duration
from dnsfilter.policy.check import MAX_SUSPENSION_S
from dnsfilter.policy.model import Instant


def _duration(text: str) -> int:
    duration_s = parse_duration(text)
    if duration_s > MAX_SUSPENSION_S:
        raise ValueError(f"{text!r} is longer than {MAX_SUSPENSION_S // 3600} hours")
    return duration_s


# A least length is for the description alone: of a text that is too short more is to be said than that.
DurationText = Annotated[
    str,
    StringConstraints(max_length=40),
    read_by(_duration),
    Field(examples=["30m", "1h30m"], json_schema_extra={"minLength": 2}),
]


class SuspensionState(StrEnum):
    """Where a suspension stands at an instant."""

    IN_FORCE = "in_force"
    ENDED = "ended"


class SuspensionWrite(Strict):
    """Nothing is refused for `authority` from now on, `for` a duration or `until` an instant, within four hours.

    `authority` has to be given; null: for all. A time without a zone is the authority's; for all, Europe/Brussels.
    """

    authority: Slug | None
    for_: DurationText | None = Field(default=None, alias="for")
    until: EndText | None = None
    reason: Reason


class SuspensionEnding(Strict):
    """Why it ends now."""

    reason: Reason


class SuspensionRead(Read):
    """Nothing was, or is, refused for `authority` (null: for all) from `start` until `end`.

    `ended` is an earlier end that an act has given it. `since` is from when on it was suspended without a break, by
    earlier ones too.
    """

    number: int
    authority: str | None
    start: Timestamp
    end: Timestamp
    since: Timestamp
    reason: str
    recorded_by: int
    ended: Timestamp | None
    ended_by: int | None
    ended_reason: str
    state: SuspensionState
    revision: int


def finish(row: SuspensionRow) -> Instant:
    """When it ends, as recorded or by an act; one ended in the second of its start lasts for that second.

    One that was ended before its start ends where it starts, and never holds: a clock had been set back.
    """
    return row.end_s if row.ended_s is None else finish_if_ended(row, row.ended_s)


def finish_if_ended(row: SuspensionRow, at: Instant) -> Instant:
    """When it ends if an act ends it at `at`."""
    return max(min(row.end_s, at), row.start_s + (at >= row.start_s))


def suspension_state(row: SuspensionRow, now: Instant) -> SuspensionState:
    """The state of a suspension at `now`.

    One that begins after `now` was made before a clock was set back: it is in force, so that it is seen and can be
    ended, although it holds from its start on only.
    """
    return SuspensionState.IN_FORCE if max(now, row.start_s) < finish(row) else SuspensionState.ENDED


def read_suspension(row: SuspensionRow, now: Instant, since: Instant) -> SuspensionRead:
    """A suspension as the API shows it."""
    return SuspensionRead(
        number=row.number,
        authority=row.authority,
        start=moment_text(row.start_s),
        end=moment_text(row.end_s),
        since=moment_text(since),
        reason=row.reason,
        recorded_by=row.recorded_by,
        ended=optional_text(row.ended_s),
        ended_by=row.ended_by,
        ended_reason=row.ended_reason,
        state=suspension_state(row, now),
        revision=row.revision,
    )
