"""Who may register a range where: what an operator may do at one site, for one prefix or for many."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from dnsfilter.policy.model import Prefix

_Key: TypeAlias = tuple[int, int, int]
"""Version, length and network as a number."""


class Owners:
    """Prefixes and whose they are."""

    def __init__(self, owned: Iterable[tuple[Prefix, str]]) -> None:
        self._owner: dict[_Key, str] = {}
        lengths: defaultdict[int, set[int]] = defaultdict(set)
        for prefix, owner in owned:
            self._owner[prefix.version, prefix.prefixlen, int(prefix.network_address)] = owner
            lengths[prefix.version].add(prefix.prefixlen)
        self._lengths: Mapping[int, list[int]] = {
            version: sorted(found, reverse=True) for version, found in lengths.items()
        }

    def of(self, prefix: Prefix) -> str | None:
        """The owner of the most specific prefix that holds the whole of this one, or None."""
        return self._holding(prefix, prefix.prefixlen)

    def around(self, prefix: Prefix) -> str | None:
        """The owner of the most specific prefix that holds this one and more, or None."""
        return self._holding(prefix, prefix.prefixlen - 1)

    def _holding(self, prefix: Prefix, longest: int) -> str | None:
        network, bits = int(prefix.network_address), prefix.max_prefixlen
        for length in self._lengths.get(prefix.version, ()):
            if length <= longest:
                host = bits - length
                owner = self._owner.get((prefix.version, length, network >> host << host))
                if owner is not None:
                    return owner
        return None


@dataclass(frozen=True, slots=True)
class Ground:
    """The space and the ranges of one site, those included that are to be registered."""

    spaces: Owners
    ranges: Owners
    holding: Mapping[_Key, frozenset[str]]
    """Whose space lies inside a prefix, and is not the whole of it."""

    def refusal(self, prefix: Prefix, authority: str, site: str | None = None) -> str | None:
        """Return why an operator may not register, change or deregister that range of `authority`, or None.

        The operator may inside space that is allotted to the authority, also where that lies in another's space. Not
        where the range takes clients out of another authority's range, whoever registered that, or holds space of
        another authority. The text names the site if it is given, and no authority but the given one.
        """
        named = f"{prefix}" if site is None else f"{prefix} at site {site}"
        if self.spaces.of(prefix) != authority:
            return f"{named} is not in space allotted to {authority}: ask an administrator"
        if self.ranges.around(prefix) not in (None, authority):
            return f"{named} lies in another authority's range: ask an administrator"
        key = (prefix.version, prefix.prefixlen, int(prefix.network_address))
        if self.holding.get(key, frozenset()) - {authority}:
            return f"{named} holds space of another authority: ask an administrator"
        return None


def make_ground(spaces: Iterable[tuple[Prefix, str]], ranges: Iterable[tuple[Prefix, str]]) -> Ground:
    """The ground of a site with that space and those ranges."""
    allotted = list(spaces)
    holding: defaultdict[_Key, set[str]] = defaultdict(set)
    for prefix, owner in allotted:
        network, bits = int(prefix.network_address), prefix.max_prefixlen
        for length in range(prefix.prefixlen):
            host = bits - length
            holding[prefix.version, length, network >> host << host].add(owner)
    return Ground(Owners(allotted), Owners(ranges), {key: frozenset(owners) for key, owners in holding.items()})
