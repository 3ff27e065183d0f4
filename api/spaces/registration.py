"""Who may register a range where: what an operator may do at one site, for one prefix or for many."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from api.http.prefixes import Key, PrefixMap, key_of, keys_around
from dnsfilter.policy.model import Prefix


@dataclass(frozen=True, slots=True)
class Ground:
    """The space and the ranges of one site, those included that are to be registered."""

    spaces: PrefixMap[str]
    ranges: PrefixMap[str]
    holding: Mapping[Key, frozenset[str]]
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
        if self.holding.get(key_of(prefix), frozenset()) - {authority}:
            return f"{named} holds space of another authority: ask an administrator"
        return None


def make_ground(spaces: Iterable[tuple[Prefix, str]], ranges: Iterable[tuple[Prefix, str]]) -> Ground:
    """The ground of a site with that space and those ranges."""
    allotted = list(spaces)
    holding: defaultdict[Key, set[str]] = defaultdict(set)
    for prefix, owner in allotted:
        for key in keys_around(prefix):
            holding[key].add(owner)
    return Ground(PrefixMap(allotted), PrefixMap(ranges), {key: frozenset(owners) for key, owners in holding.items()})
