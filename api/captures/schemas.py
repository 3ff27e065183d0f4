"""Request and response schemas of captures."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from api.http.prefixes import PrefixText
from api.http.schemas import Read, Reason, Slug, Strict, Timestamp, read_by
from dnsfilter.policy.bounds import MAX_CAPTURE_S
from dnsfilter.policy.calendar import parse_duration
from dnsfilter.policy.model import DEFAULT_SITE


def _duration(text: str) -> int:
    duration_s = parse_duration(text)
    if duration_s > MAX_CAPTURE_S:
        raise ValueError(f"{text!r} is longer than an hour: give a shorter time")
    return duration_s


CaptureDuration = Annotated[
    str,
    StringConstraints(max_length=40),
    read_by(_duration),
    Field(examples=["10m", "1h"], json_schema_extra={"minLength": 2}),
]


class CaptureState(StrEnum):
    """State of a capture at an instant. `kept`: it has ended, and nodes still have the file."""

    IN_FORCE = "in_force"
    KEPT = "kept"
    DELETED = "deleted"


class CaptureWrite(Strict):
    """Record the queries of a registered range from now on, `for` at most an hour."""

    authority: Slug
    site: Slug = DEFAULT_SITE
    prefix: PrefixText
    for_: CaptureDuration = Field(alias="for")
    reason: Reason


class CaptureEnding(Strict):
    """Why a capture ends now. With `delete`, nodes delete its file now, also if it has ended already."""

    delete: bool = False
    reason: Reason


class CaptureRead(Read):
    """A capture: nodes of `site` record the range's queries from `start` until `end`, and delete the file at `deleted`.

    `end` and `deleted` are the planned times, or earlier ones set by an act.
    """

    number: int
    authority: Slug
    site: Slug
    prefix: str
    start: Timestamp
    end: Timestamp
    deleted: Timestamp
    reason: str
    recorded_by: int
    ended_by: int | None
    ended_reason: str
    state: CaptureState


class CaptureOrder(Read):
    """A capture whose file a node may have: record for `for_s` more seconds, and delete the file in `delete_s`."""

    number: int
    authority: Slug
    prefix: str
    for_s: int
    delete_s: int
