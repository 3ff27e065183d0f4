"""Suspensions as written and as read."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from api.http.schemas import EndText, Read, Reason, Slug, Strict, Timestamp, read_by
from dnsfilter.policy.bounds import MAX_SUSPENSION_S
from dnsfilter.policy.calendar import parse_duration


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


class LocalSuspensionRead(Read):
    """A local suspension: the node refuses nothing for `authority` (null: for all) until `until`."""

    node: Slug | None = Field(description="null for whoever may not list nodes: then one stands for all of the site")
    site: Slug
    authority: Slug | None
    until: Timestamp
