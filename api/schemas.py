"""Shapes that every resource shares: strict bodies, slugs, pages, problems."""

from collections.abc import Iterable
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from api.errors import Fault, Invalid

SLUG = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
SERVICE_SLUG = r"^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$"
# Control characters would let a text forge a line of a log or of a refusal's EXTRA-TEXT.
_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"

Slug = Annotated[str, StringConstraints(pattern=SLUG)]
ServiceSlug = Annotated[str, StringConstraints(pattern=SERVICE_SLUG)]
Line = Annotated[str, StringConstraints(max_length=500, pattern=_PRINTABLE, strip_whitespace=True)]
ShortLine = Annotated[str, StringConstraints(max_length=200, pattern=_PRINTABLE, strip_whitespace=True)]
Reason = Annotated[str, StringConstraints(min_length=3, max_length=1000, pattern=_PRINTABLE, strip_whitespace=True)]
MomentText = Annotated[
    str,
    StringConstraints(min_length=10, max_length=40),
    Field(examples=["2026-11-25T10:00:00Z", "2026-11-25"]),
]
DayText = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$"), Field(examples=["2026-09-30"])]
SpanText = Annotated[str, StringConstraints(min_length=2, max_length=20), Field(examples=["6 months", "72 hours"])]

MAX_PLACE = 200
"""Characters of a fault's place: the names of fields in it are the client's own, of any length."""

Item = TypeVar("Item")


class Strict(BaseModel):
    """A request's body: a field that is not known is an error, and so is a number where a text belongs."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Read(BaseModel):
    """A response's body."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Page(Read, Generic[Item]):
    """A part of a list; `next` is the cursor of the following part, or null at the end."""

    items: list[Item]
    next: str | None = None


class FaultRead(Read):
    """One thing wrong in a request."""

    place: str
    message: str


class ProblemRead(Read):
    """RFC 9457 problem details. `type` is stable; `faults` is there where the request itself is wrong.

    `request` is the request's id, which is in the answer's X-Request-ID, in the log and in the audit.
    """

    type: str = Field(examples=["/problems/not-found"])
    title: str
    status: int
    detail: str
    request: str = Field(examples=["5f0c2a9be01d47c3a1b2c3d4"])
    faults: list[FaultRead] | None = None


Body = TypeVar("Body", bound=BaseModel)


def validated(kind: type[Body], values: dict[str, object]) -> Body:
    """A body of merged values; raises Invalid where they contradict the shape."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        faults = [Fault(place_of(("body", *fault["loc"])), fault["msg"]) for fault in error.errors()]
        raise Invalid(faults) from error


def place_of(keys: Iterable[object]) -> str:
    """The place of a fault, from the keys that lead there; cut where it is long."""
    return ".".join(map(str, keys))[:MAX_PLACE]
