"""What a backup is made of: a zip file with a member per table, the key of the token hashes, and a manifest.

`tables/NAME.jsonl` has a JSON object per row, by column; binary values are base64. The manifest comes last: a file that
breaks off has none.
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
"""The list of a service with millions of names is one row."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Word = Annotated[str, Field(min_length=1, max_length=200)]


class BadBackup(Exception):
    """A file that is no backup, or a damaged one: names the member and says what is wrong."""


class Member(BaseModel):
    """A member's content: its SHA-256, its size, and how many lines it has."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    sha256: Digest
    octets: Count
    rows: Count


class Head(BaseModel):
    """The last entry of the audit; 0 and zeros before the first."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    seq: Count
    hash: Digest


class Manifest(BaseModel):
    """What a backup is a backup of. `numbers` are the last numbers given, by table: none is given twice."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Count
    version: Word
    database: Word
    """The revision of the database's schema."""
    time: Word
    installation: Word
    revision: Count
    audit: Head
    numbers: dict[Word, Count]
    members: dict[Word, Member]

    @property
    def tables(self) -> set[str]:
        """The tables that the backup has."""
        return {table for name in self.members if (table := table_of(name)) is not None}


def dump_manifest(manifest: Manifest) -> bytes:
    """The manifest as it stands in a backup."""
    return json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True).encode() + b"\n"


def parse_manifest(data: bytes) -> Manifest:
    """The manifest of these octets; raises BadBackup, also for a format that is not known here."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadBackup(f"{MANIFEST}: not JSON") from error
    if isinstance(found, dict) and found.get("format") != FORMAT:
        raise BadBackup(f"{MANIFEST}: format {found.get('format')!r}, and only {FORMAT} is known here")
    try:
        return Manifest.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise BadBackup(f"{MANIFEST}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def member_of(table: str) -> str:
    """The member that holds a table."""
    return f"tables/{table}.jsonl"


def table_of(member: str) -> str | None:
    """The table that a member holds; None for another."""
    table = member.removeprefix("tables/").removesuffix(".jsonl")
    return table if member_of(table) == member else None


def row_line(row: Mapping[str, Any]) -> bytes:
    """A row as a line."""
    plain = {name: _text(value) if isinstance(value, bytes) else value for name, value in row.items()}
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
