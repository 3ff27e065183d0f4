"""A list of names after merging: each name once, and none below another that covers it."""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from blocklists.formats.items import Item
from dnsfilter.policy.model import Tier, WireName
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

    def tier(self) -> Tier:
        """Return the tier of a service that has this list.

        Exceptions have removed the names at and below them. A service has none, so those below its names have no
        effect.
        """
        return Tier(1, self.domains, self.hosts)

    def items(self) -> Iterator[Item]:
        """Yield the names in order, numbered from 1."""
        rows = [(name, False, False) for name in self.domains]
        rows += [(name, True, False) for name in self.hosts]
        rows += [(name, False, True) for name in self.allowed_domains]
        rows += [(name, True, True) for name in self.allowed_hosts]
        return (Item(number, *row) for number, row in enumerate(sorted(rows), 1))


def merge(items: Iterable[Item]) -> NameList:
    """Return the list of these items. An allowed name wins over refused ones at and below it."""
    domains: set[WireName] = set()
    hosts: set[WireName] = set()
    free: set[WireName] = set()
    free_hosts: set[WireName] = set()
    for _line, name, exact, allow in items:
        if allow:
            (free_hosts if exact else free).add(name)
        elif exact:
            hosts.add(name)
        else:
            domains.add(name)
    free_hosts.difference_update(free)
    free_hosts = _not_below(free, free_hosts)
    if free:
        domains = _not_below(free, domains - free)
        hosts = _not_below(free, hosts - free)
    return NameList(
        frozenset(_not_below(domains, domains)),
        frozenset(_not_below(domains, hosts - domains - free_hosts)),
        frozenset(_not_below(free, free)),
        frozenset(free_hosts),
    )


def _not_below(domains: Set[WireName], names: Iterable[WireName]) -> set[WireName]:
    """Return the names that have none of the domains above them."""
    kept: set[WireName] = set()
    for name in names:
        up = parent(name)
        while up != ROOT and up not in domains:
            up = up[up[0] + 1 :]
        if up == ROOT:
            kept.add(name)
    return kept
