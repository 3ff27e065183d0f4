"""Schemas that all resources share: strict request bodies, slugs, pages, problems; and messages about wrong input."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)

from api.errors import Fault, Invalid, did_you_mean
from api.http.patterns import DAY, DAY_OR_NONE, LINK, MIN_REASON, OF_PATTERN, OWN_SLUG, PRINTABLE, SERVICE_SLUG, SLUG
from api.timestamps import check_instant, parse_date, written_end, written_timestamp
from dnsfilter.policy.calendar import parse_span
from dnsfilter.translatable import Text

MAX_REPEATED = 60
"""The most characters of an input that a message repeats."""
_TOKEN = "dnsf_"
MAX_TIME = 40
"""The most characters of a written time."""


def read_by(parse: Callable[[str], object]) -> AfterValidator:
    """Return a validator that keeps a text if `parse` can read it. Its meaning depends on more, such as a time zone."""

    def checked(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(checked)


def _optional_date(text: str) -> object:
    return parse_date(text) if text else None


Slug = Annotated[str, StringConstraints(pattern=SLUG)]
ServiceSlug = Annotated[str, StringConstraints(pattern=SERVICE_SLUG)]
OwnSlug = Annotated[str, StringConstraints(pattern=OWN_SLUG)]
Line = Annotated[str, StringConstraints(max_length=500, pattern=PRINTABLE, strip_whitespace=True)]
ShortLine = Annotated[str, StringConstraints(max_length=200, pattern=PRINTABLE, strip_whitespace=True)]
Reason = Annotated[
    str, StringConstraints(min_length=MIN_REASON, max_length=1000, pattern=PRINTABLE, strip_whitespace=True)
]
# Generated clients map these to the date and time types of their language.
_TIMESTAMP = {"type": "string", "format": "date-time"}
_DAY = {"type": "string", "format": "date"}
_OPTIONAL_DAY = {"anyOf": [_DAY, {"type": "string", "const": ""}]}
Timestamp = Annotated[str, WithJsonSchema(_TIMESTAMP)]
"""An instant in an answer: RFC 3339 in UTC."""
Day = Annotated[str, WithJsonSchema(_DAY)]
OptionalDay = Annotated[str, WithJsonSchema(_OPTIONAL_DAY)]
"""A date in an answer, empty if there is none."""


def _time_schema(*examples: str) -> WithJsonSchema:
    """Return the JSON schema of a written time. It omits the other forms that `parse_written` reads for people."""
    return WithJsonSchema({"anyOf": [_TIMESTAMP, _DAY], "maxLength": MAX_TIME, "examples": list(examples)})


TimestampText = Annotated[
    str,
    StringConstraints(max_length=MAX_TIME),
    read_by(written_timestamp),
    _time_schema("2026-11-25T10:00:00Z", "2026-11-25"),
]
EndText = Annotated[
    str,
    StringConstraints(max_length=MAX_TIME),
    read_by(written_end),
    _time_schema("2026-09-30", "2026-09-30T17:00:00+02:00"),
]
InstantText = Annotated[
    str,
    StringConstraints(max_length=MAX_TIME),
    read_by(check_instant),
    _time_schema("2026-11-25T10:00:00Z"),
]
"""A time that a node sends."""
DayText = Annotated[
    str,
    StringConstraints(pattern=DAY),
    read_by(parse_date),
    Field(examples=["2026-09-30"], json_schema_extra={"format": "date"}),
]
OptionalDayText = Annotated[
    str,
    StringConstraints(pattern=DAY_OR_NONE),
    read_by(_optional_date),
    WithJsonSchema({**_OPTIONAL_DAY, "pattern": DAY_OR_NONE}),
]
SpanText = Annotated[
    str,
    StringConstraints(max_length=20),
    read_by(parse_span),
    Field(examples=["6 months", "72 hours"], json_schema_extra={"minLength": 2}),
]
Link = Annotated[str, StringConstraints(max_length=500, pattern=LINK)]

MAX_LOCATION = 200
"""The most characters of a fault's location. The client chooses the field names in it, of any length."""

Item = TypeVar("Item")


class Strict(BaseModel):
    """A request body. An unknown field is an error, and so is a number in place of a text."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class NodeMessage(BaseModel):
    """A message from a node. Unknown fields are ignored: a node may be upgraded before the control plane."""

    model_config = ConfigDict(extra="ignore")


class Read(BaseModel):
    """A response body."""

    # `dnsfilterctl` imports all of them and uses one or two.
    model_config = ConfigDict(extra="forbid", populate_by_name=True, defer_build=True)


class Page(Read, Generic[Item]):
    """A page of a list. `next` is the cursor of the following page, or null at the end."""

    items: list[Item]
    next: str | None = None


class FaultRead(Read):
    """One fault of a request."""

    location: str
    message: str


class ProblemRead(Read):
    """RFC 9457 problem details. `type` is stable. `faults` lists what is wrong in the request itself.

    `request` is the request's id, which is also in the answer's X-Request-ID, in the log and in the audit log.
    """

    type: str = Field(examples=["/problems/not-found"])
    title: str
    status: int
    detail: str
    request: str = Field(examples=["5f0c2a9be01d47c3a1b2c3d4"])
    faults: list[FaultRead] | None = None


class ProblemTypeRead(Read):
    """A type of problem: what it means, and what to do next."""

    type: str
    title: str
    status: int
    meaning: str


Body = TypeVar("Body", bound=BaseModel)


def validated(kind: type[Body], values: dict[str, object]) -> Body:
    """Return a body of merged values. Raise Invalid if they do not fit the model."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise _invalid(error) from error


def validated_json(kind: type[Body], text: bytes) -> Body:
    """Read a body from JSON. Raise Invalid if it is not JSON, or does not fit the model."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError) -> Invalid:
    return Invalid([Fault(location_of(("body", *fault["loc"])), words_of(fault)) for fault in error.errors()])


def location_of(keys: Iterable[object]) -> str:
    """Return the location of a fault from the keys that lead there, cut if it is long."""
    return ".".join(str(key) for key in keys if key != "[key]")[:MAX_LOCATION]


def words_of(fault: Mapping[str, Any]) -> str:
    """Return a message about a fault that pydantic found. Common faults have messages of ours, others pydantic's."""
    context: Mapping[str, Any] = fault.get("ctx", {})
    match fault["type"]:
        case "missing":
            return Text("is missing")
        case "extra_forbidden":
            return Text("there is no such field")
        case "value_error":
            return str(context["error"])
        case "string_pattern_mismatch" if context["pattern"] in OF_PATTERN:
            return OF_PATTERN[context["pattern"]].filled(given=_repeated(fault.get("input")))
        case "string_too_short":
            least = context["min_length"]
            return Text("is empty") if least == 1 else Text("give at least {least} characters", least=least)
        case "string_too_long":
            return Text("give at most {most} characters", most=context["max_length"])
        case "too_short":
            least = context["min_length"]
            return Text("give at least one") if least == 1 else Text("give at least {least}", least=least)
        case "too_long":
            return Text("give at most {most}", most=context["max_length"])
        case "enum" | "literal_error":
            expected = str(context["expected"])
            return Text("is not one of {expected}{hint}", expected=expected, hint=_near(fault.get("input"), expected))
        case "greater_than_equal":
            return Text("give at least {least}", least=context["ge"])
        case "less_than_equal":
            return Text("give at most {most}", most=context["le"])
        case "json_invalid":
            return f"is not JSON: {context['error']}"
    return str(fault["msg"])


def _near(given: object, expected: str) -> str:
    """Return the question that names a word near the given one. `expected` has the words in quotes."""
    near = did_you_mean(given, re.findall(r"'([^']*)'", expected)) if isinstance(given, str) else ""
    return near and Text(".{hint}", hint=near)


def _repeated(given: object) -> str:
    """Return an input for a message: escaped, cut if it is long, and hidden if it holds a token."""
    if not isinstance(given, str) or _TOKEN in given:
        return Text("what was given")
    return repr(given) if len(given) <= MAX_REPEATED else f"{given[:MAX_REPEATED]!r}…"


class Note(Strict):
    """An optional note by the approver."""

    note: Annotated[str, StringConstraints(max_length=1000, pattern=PRINTABLE)] = ""


class Refusal(Strict):
    """The reason for rejecting or withdrawing a request, or for revoking an exemption."""

    reason: Reason
