"""Backups and archives as octets: taken apart, and put together otherwise."""

import io
import json
from collections.abc import Callable, Mapping
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
    files, found = members(data), rows(data, table)
    change(found)
    name = f"tables/{table}.jsonl"
    files[name] = b"".join(json.dumps(row).encode() + b"\n" for row in found)

    def fit(manifest: dict[str, Any]) -> None:
        digest = sha256(files[name]).hexdigest()
        manifest["members"][name] = {"sha256": digest, "octets": len(files[name]), "rows": len(found)}

    return with_manifest(packed(files), fit)
