"""Schemas of services."""

from datetime import date
from typing import Annotated

from pydantic import Field, StringConstraints

from api.http.patterns import PRINTABLE
from api.http.schemas import Line, Page, Read, Strict
from api.updates.schemas import UpdateRead
from blocklists.formats.known import Format

MAX_SENT = 50_000
"""The most names in JSON."""
MAX_FILE_BYTES = 32 * 1024 * 1024
"""The largest file of an import: a million names of 33 characters each."""
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


class ServicePatch(Strict):
    """The fields of an own service to change."""

    name: DisplayName | None = None
    source: Line | None = None
    note: Note | None = None
    domains: Names | None = None
    hosts: Names | None = None


class NamesFileWrite(Strict):
    """A list of names, as a file has it."""

    file: str


class ImportedListRead(Read):
    """What an import did. `update` is null if it changed no name, or defined the service."""

    service: str
    format: Format
    names: int
    lines: int
    skipped: int
    update: UpdateRead | None
    revision: int


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


class TierSummary(Read):
    """One tier, without its names."""

    number: int
    title: str
    description: str
    names: int


class ServiceNameRead(Read):
    """A name of a service."""

    tier: int
    name: str
    exact: bool


class ServiceNamesRead(Page[ServiceNameRead]):
    """A page of the names of a service, and all its tiers."""

    slug: str
    name: str
    tiers: list[TierSummary]


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
