"""Request and response schemas of suspensions."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from api.http.schemas import EndText, Read, Reason, Slug, Strict, Timestamp, read_by
from dnsfilter.policy.bounds import MAX_SUSPENSION_S
from dnsfilter.policy.calendar import parse_duration
from dnsfilter.translatable import Text


def _duration(text: str) -> int:
    duration_s = parse_duration(text)
    if duration_s > MAX_SUSPENSION_S:
        raise ValueError(
            Text(
                "{text!r} is longer than {hours} hours: give a shorter time", text=text, hours=MAX_SUSPENSION_S // 3600
            )
        )
    return duration_s


# The minimum length is only for OpenAPI: `_duration` has a better message for a text that is too short.
DurationText = Annotated[
    str,
    StringConstraints(max_length=40),
    read_by(_duration),
    Field(examples=["30m", "1h30m"], json_schema_extra={"minLength": 2}),
]


class SuspensionState(StrEnum):
    """State of a suspension at an instant."""

    IN_FORCE = "in_force"
    ENDED = "ended"


class SuspensionWrite(Strict):
    """Suspend `authority` from now on: `for` a duration or `until` a time, at most four hours.

    `authority` is required; null means all. A time without a zone is in that of the authority; for all,
    Europe/Brussels.
    """

    authority: Slug | None
    for_: DurationText | None = Field(default=None, alias="for")
    until: EndText | None = None
    reason: Reason


class SuspensionEnding(Strict):
    """The reason for ending a suspension now."""

    reason: Reason


class SuspensionRead(Read):
    """A suspension: nothing is refused for `authority` (null: for all) from `start` until `end`.

    `time_zone` is that of the authority; for all, Europe/Brussels. `ended` is an earlier end set by an act. `since` is
    when suspensions without a break, including earlier ones, began.
    """

    number: int
    authority: str | None
    time_zone: str
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


class LocalSuspensionRead(Read):
    """A local suspension: the node refuses nothing for `authority` (null: for all) until `until`."""

    node: Slug | None = Field(
        description="Name of the node. Null for callers who may not list nodes: then one entry covers the site."
    )
    site: Slug
    authority: Slug | None
    until: Timestamp
