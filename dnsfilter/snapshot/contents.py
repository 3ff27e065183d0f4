"""A snapshot's octets as they are held, wherever they were read; and before when none was made."""

from dataclasses import dataclass

from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.manifest import parse_manifest
from dnsfilter.snapshot.sections import Buffer

RELEASED_S: Instant = 1_793_491_200
"""2026-11-01T00:00Z, before this release: no machine that runs it was ever rightly set to less. A release moves it."""


@dataclass(frozen=True, slots=True)
class Files:
    """The verified content of one snapshot.

    `damaged` says what was wrong with each file whose second copy was read.
    """

    revision: int
    manifest: bytes
    names: Buffer
    ranges: Buffer
    rules: Buffer
    damaged: tuple[str, ...] = ()


def bytes_by_digest(known: Files | None) -> dict[bytes, Buffer]:
    """Octets by digest of what was verified before."""
    if known is None:
        return {}
    manifest = parse_manifest(known.manifest)
    return {
        manifest.names.digest: known.names,
        manifest.ranges.digest: known.ranges,
        manifest.rules.digest: known.rules,
    }
