"""The names files of the services in force, and of those that an act is about to bring into force."""

from typing import TypeAlias

from dnsfilter.engine.choice import slot_filler
from dnsfilter.policy.model import Service, Tier
from dnsfilter.snapshot.compiler import File, KeptBlocks, compile_names

_Key: TypeAlias = tuple[tuple[str, tuple[Tier, ...]], ...]
KEPT = 2
"""Names files that are kept: toggles need that in force while an act with another list is prepared."""


class NamesFiles:
    """The names files that were compiled last. A million names take seconds, and few acts change any."""

    def __init__(self) -> None:
        self._blocks = KeptBlocks()
        self._kept: tuple[tuple[_Key, File], ...] = ()

    def of(self, services: tuple[Service, ...]) -> File:
        """Return the names file of these services, in whichever order."""
        ordered = sorted(services, key=lambda service: service.slug)
        # Other columns of a service, such as its note, do not matter.
        key = tuple((service.slug, service.tiers) for service in ordered)
        found = next((kept for kept in self._kept if kept[0] == key), None)
        if found is None:
            found = key, compile_names(tuple(ordered), fill=slot_filler(), kept=self._blocks)
        self._kept = (found, *(kept for kept in self._kept if kept is not found))[:KEPT]
        return found[1]
