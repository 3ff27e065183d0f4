"""Backups and archives as bytes: take them apart, and build altered ones."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

Members = dict[str, bytes]


def members(data: bytes) -> Members:
    """Return the files in a zip file, by name."""
    with ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return a zip file that contains these files."""
    target = io.BytesIO()
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def rows(data: bytes, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table in a backup."""
    return [json.loads(line) for line in members(data)[f"tables/{table}.jsonl"].splitlines()]


def with_manifest(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Return the backup with a manifest that `change` has altered."""
    files = members(data)
    manifest = json.loads(files["manifest.json"])
    change(manifest)
    return packed({**files, "manifest.json": json.dumps(manifest).encode()})


def with_rows(data: bytes, table: str, change: Callable[[list[dict[str, Any]]], object]) -> bytes:
    """Return the backup with altered rows in a table, and with a manifest that matches them.

    A skilled forger would produce such a backup.
    """
    found = rows(data, table)
    change(found)
    return with_lines(data, table, [json.dumps(row).encode() for row in found])


def with_lines(data: bytes, table: str, lines: Sequence[bytes]) -> bytes:
    """Return the backup with these lines instead of a table's rows, and with a manifest that matches them."""
    name, content = f"tables/{table}.jsonl", b"".join(line + b"\n" for line in lines)

    def fit(manifest: dict[str, Any]) -> None:
        digest = sha256(content).hexdigest()
        manifest["members"][name] = {"sha256": digest, "bytes": len(content), "rows": len(lines)}

    return with_manifest(packed({**members(data), name: content}), fit)
