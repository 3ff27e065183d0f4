"""The manifests in a directory of snapshots, the current one, and the limit set by a chosen older revision.

DIRECTORY/REVISION.SHA256.manifest      one per revision
DIRECTORY/current                       "REVISION SHA256-OF-ITS-MANIFEST"
DIRECTORY/held                          "REVISION": received snapshots up to it do not replace the chosen one
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from dnsfilter.disk import read_bounded
from dnsfilter.errors import SnapshotError

CURRENT = "current"
HELD = "held"
_CURRENT = re.compile(rb"(\d{1,19}) ([0-9a-f]{64})\n")
_HELD = re.compile(rb"(\d{1,19})\n")
_MANIFEST = re.compile(r"(\d{1,19})\.([0-9a-f]{64})\.manifest")
_BYTES = 128


@dataclass(frozen=True, slots=True, order=True)
class Pointer:
    """A manifest on disk."""

    revision: int
    digest: str

    @property
    def file_name(self) -> str:
        return f"{self.revision}.{self.digest}.manifest"

    @property
    def content(self) -> bytes:
        """The content of `current` that names it."""
        return f"{self.revision} {self.digest}\n".encode()


def current_in(directory: Path) -> Pointer:
    """Return the manifest that `current` names. Raise SnapshotError if it names none."""
    path = directory / CURRENT
    match = _CURRENT.fullmatch(read_bounded(path, _BYTES))
    if match is None:
        raise SnapshotError(f"read {path}: it names no revision and manifest")
    return Pointer(int(match[1]), match[2].decode())


def pointers_in(directory: Path) -> list[Pointer]:
    """Return every manifest in the directory, in no order."""
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    matches = (_MANIFEST.fullmatch(name) for name in names)
    return [Pointer(int(match[1]), match[2]) for match in matches if match is not None]


def held_bytes(revision: int) -> bytes:
    """Return the content of `held` for a revision."""
    return f"{revision}\n".encode()


def held_up_to(directory: Path) -> int:
    """Return the revision up to which received snapshots are only stored, or -1 if none was chosen."""
    try:
        match = _HELD.fullmatch(read_bounded(directory / HELD, _BYTES))
    except SnapshotError:
        return -1
    return -1 if match is None else int(match[1])
