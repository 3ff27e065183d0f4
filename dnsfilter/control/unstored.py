"""A pulled snapshot that the disk does not take: in memory, until it can be stored.

The thread that pulls sets it, and the supervisor reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from dnsfilter.snapshot.contents import Files


@dataclass(frozen=True, slots=True)
class Received:
    """A verified snapshot as it was received: its manifest, and the files that the store did not have, by digest."""

    manifest: bytes
    fetched: Mapping[bytes, bytes]
    replace_chosen: bool


@dataclass(frozen=True, slots=True)
class Unstored:
    """A snapshot in memory. `current` is the store's token when it was refused: another one means another choice."""

    received: Received
    files: Files
    reason: str
    current: tuple[int, int] | None


def unstored_text(unstored: Unstored) -> str:
    """Return why the snapshot is only in memory."""
    return f"revision {unstored.files.revision} is in force, but only in memory: {unstored.reason}"


class Memory:
    """Holds the newest unstored snapshot. None if the disk has taken it."""

    unstored: Unstored | None = None
