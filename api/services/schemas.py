"""Schemas of services."""

from datetime import date
from typing import Annotated

from pydantic import Field, StringConstraints

from api.http.patterns import PRINTABLE
from api.http.schemas import Line, Read, Strict

MAX_SENT = 50_000
"""The most names in a request."""
MAX_LINES = 1 << 31
Note = Annotated[str, StringConstraints(max_length=1000, pattern=PRINTABLE, strip_whitespace=True)]
DisplayName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PRINTABLE, strip_whitespace=True)]
NameText = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Names = Annotated[list[NameText], Field(max_length=MAX_SENT)]


class ServiceWrite(Strict):
    """An own service. `domains` match a name and all names below it; `hosts` match one name exactly."""

    name: DisplayName
    source: Line = ""
    note: Note = ""
    domains: Names = Field(default_factory=list)
    hosts: Names = Field(default_factory=list)


class ReadLines(Strict):
    """How many lines a file of names has, and in how many of its lines something was skipped."""

    lines: Annotated[int, Field(ge=1, le=MAX_LINES)]
    skipped: Annotated[int, Field(ge=0, le=MAX_LINES)]


class ServicePatch(Strict):
    """The fields of an own service to change. With `imported`, the names are those of a file."""

    name: DisplayName | None = None
    source: Line | None = None
    note: Note | None = None
    domains: Names | None = None
    hosts: Names | None = None
    imported: ReadLines | None = None


class NamesWrite(Strict):
    """Names to add to a service and to remove from it. Unless `exact`, a name covers all names below it."""

    add: Names = Field(default_factory=list)
    remove: Names = Field(default_factory=list)
    exact: bool = False


class TierRead(Read):
    """One tier. `domains` match a name and all names below it; `hosts` match one name exactly."""

    number: int
    title: str
    description: str
    domains: list[str]
    hosts: list[str]


class SourceRead(Read):
    """A source of the service's domain names."""

    id: str
    what: str
    licence: str
    revision: str


class ServiceSummary(Read):
    """A service in a list. `names` is the number of its domain names. Only an own service has an `authority`."""

    slug: str
    authority: str | None
    name: str
    category: str
    reviewed: date | None
    tiers: list[int]
    names: int


class ServiceRead(Read):
    """A service with all its domain names."""

    slug: str
    authority: str | None
    name: str
    category: str
    reviewed: date | None
    sources: list[SourceRead]
    source: str
    note: str
    held_back: int | None
    tiers: list[TierRead]
