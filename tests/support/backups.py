"""Backups and archives as bytes: taken apart, and put together otherwise."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

Members = dict[str, bytes]


def members(data: bytes) -> Members:
    """The files in a zip file."""
    with ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: Mapping[str, bytes]) -> bytes:
    """A zip file of these files."""
    target = io.BytesIO()
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def rows(data: bytes, table: str) -> list[dict[str, Any]]:
    """The rows that a backup has of a table."""
    return [json.loads(line) for line in members(data)[f"tables/{table}.jsonl"].splitlines()]


def with_manifest(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The same backup with a manifest that says something else."""
    files = members(data)
    manifest = json.loads(files["manifest.json"])
    change(manifest)
    return packed({**files, "manifest.json": json.dumps(manifest).encode()})


def with_rows(data: bytes, table: str, change: Callable[[list[dict[str, Any]]], object]) -> bytes:
    """A backup of other rows, and with a manifest that says so: made by somebody who knows how."""
    found = rows(data, table)
    change(found)
    return with_lines(data, table, [json.dumps(row).encode() for row in found])


def with_lines(data: bytes, table: str, lines: Sequence[bytes]) -> bytes:
    """A backup of these lines in place of a table's rows, which its manifest knows."""
    name, content = f"tables/{table}.jsonl", b"".join(line + b"\n" for line in lines)

    def fit(manifest: dict[str, Any]) -> None:
        digest = sha256(content).hexdigest()
        manifest["members"][name] = {"sha256": digest, "bytes": len(content), "rows": len(lines)}

    return with_manifest(packed({**members(data), name: content}), fit)
