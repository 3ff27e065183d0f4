"""Read the API's answers with its own schemas, tolerating older and newer control planes.

Fields that a newer control plane adds are kept, so that `--json` shows them. Unknown words of an enumeration are
accepted. A field that an older control plane does not send is null if the schema allows null.
"""

from datetime import datetime
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from api.http.schemas import FaultRead, Timestamp

MAX_ITEMS = 200_000
"""Maximum number of items in one list; a rollback of a large policy has many acts."""

Found = TypeVar("Found", bound=BaseModel)


class Answer(BaseModel):
    """A JSON object; unknown fields are kept, wrong types are errors."""

    model_config = ConfigDict(extra="allow", strict=True)


class Problem(Answer):
    """RFC 9457 problem details. A proxy in front of the control plane may write them too, with fewer fields."""

    type: str
    title: str
    detail: str = ""
    faults: list[FaultRead] = []


def _checked_timestamp(text: str) -> str:
    at = datetime.fromisoformat(text)
    # Leave room: an offset moves an instant by up to a day.
    if at.tzinfo is None or not 1900 <= at.year <= 9000:
        raise ValueError("not a timestamp with an offset, from 1900 to 9000")
    return text


Instant = Annotated[str, AfterValidator(_checked_timestamp)]
Number = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]


@cache
def answer_of(schema: type[Found]) -> type[Found]:
    """Return the schema with which to read an answer."""
    fields: dict[str, Any] = {}
    for name, field in schema.model_fields.items():
        kind = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        default = None if type(None) in get_args(field.annotation) else ...
        fields[name] = (_answer_type(kind), default if field.is_required() else field.default)
    bases: tuple[type[Any], ...] = (schema, Answer)
    found: type[Found] = create_model(schema.__name__, __base__=bases, **fields)
    return found


def _answer_type(kind: Any) -> Any:
    """Return the type with which to read a field. Limits of texts are the control plane's to check."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return Instant if kind == Timestamp else _answer_type(parts[0])
    if origin is Literal:
        return _known_or_other(kind, type(parts[0]))
    if origin in (Union, UnionType):
        return Union[tuple(map(_answer_type, parts))]  # noqa: UP007
    if origin is list:
        return Annotated[list[_answer_type(parts[0])], Field(max_length=MAX_ITEMS)]  # type: ignore[misc]
    if not isinstance(kind, type):
        return kind
    if issubclass(kind, BaseModel):
        return answer_of(kind)
    if issubclass(kind, StrEnum):
        return _known_or_other(kind, str)
    return Number if kind is int else kind


def _known_or_other(known: Any, other: type) -> Any:
    """Return a type that accepts a known value as such, and any other value of type `other`."""
    return Annotated[Union[known, other], Field(union_mode="left_to_right")]  # noqa: UP007
