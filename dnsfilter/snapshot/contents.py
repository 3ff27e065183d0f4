"""The verified content of a snapshot, for any source, and the earliest plausible time of its creation."""

from dataclasses import dataclass

from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.manifest import parse_manifest
from dnsfilter.snapshot.sections import Buffer

RELEASED_S: Instant = 1_793_491_200
"""2026-11-01T00:00Z, before this release. A clock that shows an earlier time is wrong. Each release updates it."""


@dataclass(frozen=True, slots=True)
class Files:
    """The verified content of one snapshot.

    `damaged` has the problem of each file whose second copy was read.
    """

    revision: int
    manifest: bytes
    names: Buffer
    ranges: Buffer
    rules: Buffer
    damaged: tuple[str, ...] = ()


def bytes_by_digest(known: Files | None) -> dict[bytes, Buffer]:
    """Return the content of each verified file by its digest."""
    if known is None:
        return {}
    manifest = parse_manifest(known.manifest)
    return {
        manifest.names.digest: known.names,
        manifest.ranges.digest: known.ranges,
        manifest.rules.digest: known.rules,
    }
