"""A catalogue file as written: keys, types and limits. Checks across tables are in `catalogue.py`."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from blocklists.categories import Category
from dnsfilter.config.file_schema import APrefix, Table, faults_of, word
from dnsfilter.config.locations import Fault
from dnsfilter.wire.names import parse_name

MAX_NAME = 253
MAX_ADDRESSES = 1_000
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def _printable(limit: int) -> PlainValidator:
    def read(value: object) -> str:
        if isinstance(value, str) and value.strip() and len(value) <= limit and value.isprintable():
            return value
        raise ValueError(f"must be printable text of 1 to {limit} characters")

    return PlainValidator(read)


def _slug(value: str) -> str:
    if _SLUG.fullmatch(value) is None:
        raise ValueError(f"{value!r} must be 1 to 32 of the characters a-z, 0-9, - and _, not starting with - or _")
    return value


def _names_file(value: str, info: ValidationInfo) -> str:
    if info.context is not None and info.context != f"{value}.toml":
        raise ValueError(f"{value!r}: the file must be named {value}.toml")
    return value


def _name(value: str) -> str:
    parse_name(value)
    if _NAME.fullmatch(value) is None:
        raise ValueError(f"{value!r} must have only lower-case letters, digits, - and _, without * and a final dot")
    return value


def _day(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise ValueError("must be a date without quotes, such as 2026-11-25")


def _each_once(values: list[str]) -> list[str]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value!r} is given twice")
    return values


def _tables(value: object) -> object:
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    raise ValueError("must be a list of tables")


Slug: TypeAlias = Annotated[str, _printable(32), AfterValidator(_slug)]
Count: TypeAlias = Annotated[int, Field(ge=1)]
Names: TypeAlias = Annotated[list["NameTable"], BeforeValidator(_tables)]
SourceIds: TypeAlias = Annotated[list[str], Field(min_length=1, max_length=100), AfterValidator(_each_once)]


class NameTable(Table):
    name: Annotated[str, _printable(MAX_NAME), AfterValidator(_name)]
    sources: SourceIds
    lists: Count | None = None
    families: Count | None = None
    note: Annotated[str, _printable(120)] = ""


class AddressTable(Table):
    prefix: APrefix
    sources: SourceIds


class Source(Table):
    """A source of names or addresses: `what` is a repository or list, `revision` is empty if unknown."""

    id: Slug
    what: Annotated[str, _printable(200)]
    revision: Annotated[str, _printable(64)] = ""
    licence: Annotated[str, _printable(60)]


class TierTable(Table):
    number: Count
    title: Annotated[str, _printable(60)]
    description: Annotated[str, _printable(240)]
    domains: Names = Field(default_factory=list)
    hosts: Names = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_names(self) -> "TierTable":
        if not self.domains and not self.hosts:
            raise ValueError("has neither domains nor hosts")
        return self


class EntryTable(Table):
    """One service. Validate it with the file name (slug and `.toml`) as context."""

    slug: Annotated[Slug, AfterValidator(_names_file)]
    name: Annotated[str, _printable(60)]
    category: Annotated[Category, word(Category)]
    reviewed: Annotated[date, PlainValidator(_day)]
    source: Annotated[list[Source], Field(min_length=1), BeforeValidator(_tables)]
    addresses: Annotated[list[AddressTable], Field(max_length=MAX_ADDRESSES), BeforeValidator(_tables)] = Field(
        default_factory=list
    )
    tier: Annotated[list[TierTable], Field(min_length=1), BeforeValidator(_tables)]


def read_entry(
    data: Mapping[str, Any], file_name: str
) -> tuple[EntryTable | None, Sequence[tuple[int, TierTable]], list[Fault]]:
    """Return the entry, its tiers numbered from 1, and no fault; or None, the valid tiers, and every fault."""
    try:
        table = EntryTable.model_validate(data, context=file_name)
    except ValidationError as error:
        sound: list[tuple[int, TierTable]] = []
        tiers = data.get("tier")
        for number, tier in enumerate(tiers if isinstance(tiers, list) else (), 1):
            with suppress(ValidationError):
                sound.append((number, TierTable.model_validate(tier)))
        return None, sound, faults_of(EntryTable, error, data)
    return table, list(enumerate(table.tier, 1)), []
