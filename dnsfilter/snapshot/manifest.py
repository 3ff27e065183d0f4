"""The manifest: the three files of a snapshot, as canonical JSON of one small object."""

import json
from dataclasses import dataclass
from typing import Any

from dnsfilter.errors import SnapshotError
from dnsfilter.snapshot.layout import MAX_MANIFEST_BYTES, READABLE_VERSIONS, VERSION

_LARGEST = 2**63 - 1
_FILE_KEYS = frozenset({"sha256", "size"})


@dataclass(frozen=True, slots=True)
class FileRef:
    """One file: SHA-256 and size in bytes."""

    digest: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A snapshot's revision, creation time and files. `signature` is empty until the manifest is signed.

    `epoch` is the history that the revision belongs to, and higher for a later one.
    """

    revision: int
    made_s: int
    names: FileRef
    ranges: FileRef
    rules: FileRef
    signature: str = ""
    epoch: int = 0

    @property
    def version(self) -> tuple[int, int]:
        """Return epoch and revision. A later policy of the same control plane has a higher pair."""
        return self.epoch, self.revision


def write_manifest(manifest: Manifest) -> bytes:
    """Return canonical JSON: sorted keys, no blanks, ASCII, a line feed at the end."""
    value = {
        "epoch": manifest.epoch,
        "format": VERSION,
        "made_s": manifest.made_s,
        "names": _part_value(manifest.names),
        "ranges": _part_value(manifest.ranges),
        "revision": manifest.revision,
        "rules": _part_value(manifest.rules),
        "signature": manifest.signature,
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def parse_manifest(data: bytes) -> Manifest:
    """Return the manifest in `data`. Raise SnapshotError if it is invalid. Unknown keys are skipped."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise SnapshotError(f"read manifest: {len(data)} bytes are more than {MAX_MANIFEST_BYTES}")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SnapshotError("read manifest: it is not JSON") from error
    if not isinstance(value, dict):
        raise SnapshotError("read manifest: it is not a JSON object")
    version = _number(value, "format")
    if version not in READABLE_VERSIONS:
        raise SnapshotError(f"read manifest: this program does not read version {version}")
    signature = value.get("signature", "")
    if not isinstance(signature, str):
        raise SnapshotError("read manifest: signature is not a string")
    return Manifest(
        _number(value, "revision"),
        _number(value, "made_s"),
        _part(value, "names"),
        _part(value, "ranges"),
        _part(value, "rules"),
        signature,
        _number(value, "epoch"),
    )


def named_files(manifest: Manifest) -> tuple[tuple[str, FileRef], ...]:
    """Return the names, ranges and rules files, each with its file name."""
    parts = {"names": manifest.names, "ranges": manifest.ranges, "rules": manifest.rules}
    return tuple((f"{file.digest.hex()}.{suffix}", file) for suffix, file in parts.items())


def _part_value(part: FileRef) -> dict[str, str | int]:
    return {"sha256": part.digest.hex(), "size": part.size}


def _part(value: dict[str, Any], key: str) -> FileRef:
    part = value.get(key)
    if not isinstance(part, dict) or not part.keys() >= _FILE_KEYS:
        raise SnapshotError(f"read manifest: {key} is not an object with sha256 and size")
    digest = part["sha256"]
    if not isinstance(digest, str) or len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise SnapshotError(f"read manifest: {key} has no SHA-256 of 64 hexadecimal digits")
    return FileRef(bytes.fromhex(digest), _number(part, "size"))


def _number(value: dict[str, Any], key: str) -> int:
    number = value.get(key)
    if type(number) is not int or not 0 <= number <= _LARGEST:
        raise SnapshotError(f"read manifest: {key} is not an integer from 0 to {_LARGEST}")
    return number
