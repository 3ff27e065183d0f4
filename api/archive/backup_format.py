"""The format of a backup: a zip file with a member per table, the key of the token hashes, and a manifest.

`tables/NAME.jsonl` has a JSON object per row, by column. Binary values are base64. The manifest comes last: a truncated
file has none.
"""

import base64
import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FORMAT = 1
MANIFEST = "manifest.json"
TOKEN_KEY = "token-key"
MAX_MANIFEST = 1024 * 1024
MAX_LINE = 256 * 1024 * 1024
"""The most bytes of a line. The list of a service with millions of names is one row."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Word = Annotated[str, Field(min_length=1, max_length=200)]


class BadBackup(Exception):
    """The file is not a backup, or is damaged. The message names the member and the fault."""


class Member(BaseModel):
    """A member's content: its SHA-256, its size in bytes, and its number of lines."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, serialize_by_alias=True)

    sha256: Digest
    size: Count = Field(alias="bytes")
    rows: Count


class AuditLogEnd(BaseModel):
    """Number and hash of the last entry of the audit log, or 0 and zeros before the first."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    seq: Count
    hash: Digest


class Manifest(BaseModel):
    """The origin and content of a backup. `numbers` are the last numbers used, by table: numbers are not reused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Count
    version: Word
    database: Word
    """The version of the database's schema."""
    time: Word
    installation: Word
    revision: Count
    audit: AuditLogEnd
    numbers: dict[Word, Count]
    members: dict[Word, Member]

    @property
    def tables(self) -> set[str]:
        """Return the names of the tables in the backup."""
        return {table for name in self.members if (table := table_of(name)) is not None}


def dump_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as it is written in a backup."""
    return json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True).encode() + b"\n"


def parse_manifest(data: bytes) -> Manifest:
    """Parse a manifest. Raise BadBackup, also for an unknown format."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadBackup(f"{MANIFEST}: not JSON") from error
    if isinstance(found, dict) and found.get("format") != FORMAT:
        raise BadBackup(f"{MANIFEST}: format {found.get('format')!r} is unknown: this version reads format {FORMAT}")
    try:
        return Manifest.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise BadBackup(f"{MANIFEST}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def member_of(table: str) -> str:
    """Return the name of the member that holds a table."""
    return f"tables/{table}.jsonl"


def table_of(member: str) -> str | None:
    """Return the table that a member holds, or None for another member."""
    table = member.removeprefix("tables/").removesuffix(".jsonl")
    return table if member_of(table) == member else None


def row_line(row: Mapping[str, Any]) -> bytes:
    """Return a row as a line."""
    plain = {name: _text(value) if isinstance(value, bytes) else value for name, value in row.items()}
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
