"""A list of names after merging: each name once, and none below another that covers it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from blocklists.formats.items import Item
from dnsfilter.policy.model import WireName
from dnsfilter.wire.names import ROOT, parent


@dataclass(frozen=True, slots=True)
class NameList:
    """Names that a list refuses and, `allowed`, frees. Domains with all below them, hosts exactly."""

    domains: frozenset[WireName] = frozenset()
    hosts: frozenset[WireName] = frozenset()
    allowed_domains: frozenset[WireName] = frozenset()
    allowed_hosts: frozenset[WireName] = frozenset()

    def __len__(self) -> int:
        """Return the number of refused names."""
        return len(self.domains) + len(self.hosts)

    def items(self) -> Iterator[Item]:
        """Yield the names in order, numbered from 1."""
        rows = [(name, False, False) for name in self.domains]
        rows += [(name, True, False) for name in self.hosts]
        rows += [(name, False, True) for name in self.allowed_domains]
        rows += [(name, True, True) for name in self.allowed_hosts]
        return (Item(number, *row) for number, row in enumerate(sorted(rows), 1))


def merge(items: Iterable[Item]) -> NameList:
    """Return the list of these items. An allowed name wins over refused ones at and below it."""
    kinds = (False, True)
    found: dict[tuple[bool, bool], set[WireName]] = {(exact, allow): set() for exact in kinds for allow in kinds}
    for _line, name, exact, allow in items:
        found[exact, allow].add(name)
    free = _without_covered(found[False, True])
    domains = _without_covered(found[False, False])
    free_hosts = {name for name in found[True, True] if not _is_covered(name, free)}
    if free:
        domains = {name for name in domains if not _is_covered(name, free)}
    hosts = {
        name
        for name in found[True, False] - free_hosts
        if not _is_covered(name, domains) and not _is_covered(name, free)
    }
    return NameList(frozenset(domains), frozenset(hosts), frozenset(free), frozenset(free_hosts))


def _without_covered(names: set[WireName]) -> set[WireName]:
    return {name for name in names if not _is_covered(parent(name), names)}


def _is_covered(name: WireName, domains: set[WireName]) -> bool:
    """Return whether one of the domains is the name or above it."""
    while name != ROOT:
        if name in domains:
            return True
        name = name[name[0] + 1 :]
    return False
