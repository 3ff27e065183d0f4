"""Rules for operators who register ranges at one site, for one prefix or for many."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from api.http.prefixes import Key, PrefixMap, key_of, keys_around
from dnsfilter.policy.model import Prefix
from dnsfilter.translatable import Text


@dataclass(frozen=True, slots=True)
class RegistrationRules:
    """The space and the ranges of one site, including ranges that are to be registered."""

    spaces: PrefixMap[str]
    ranges: PrefixMap[str]
    holding: Mapping[Key, frozenset[str]]
    """The authorities that have space inside a prefix and smaller than it."""

    def refusal(self, prefix: Prefix, authority: str, site: str | None = None) -> str | None:
        """Return why an operator may not register, change or remove that range of `authority`; None if allowed.

        The range must be in space that is allotted to the authority, even if that is inside another authority's space.
        It must not be inside another authority's range, nor contain space of another authority. The text names the site
        if it is given, and no authority except `authority`.
        """
        named = str(prefix) if site is None else Text("{prefix} at site {site}", prefix=prefix, site=site)
        if self.spaces.of(prefix) != authority:
            return Text(
                "{prefix} is not in space allotted to {authority}. Ask an administrator.",
                prefix=named,
                authority=authority,
            )
        if self.ranges.around(prefix) not in (None, authority):
            return Text("{prefix} is inside another authority's range. Ask an administrator.", prefix=named)
        if self.holding.get(key_of(prefix), frozenset()) - {authority}:
            return Text("{prefix} contains space of another authority. Ask an administrator.", prefix=named)
        return None


def make_rules(spaces: Iterable[tuple[Prefix, str]], ranges: Iterable[tuple[Prefix, str]]) -> RegistrationRules:
    """Return the rules of a site with that space and those ranges."""
    allotted = list(spaces)
    holding: defaultdict[Key, set[str]] = defaultdict(set)
    for prefix, owner in allotted:
        for key in keys_around(prefix):
            holding[key].add(owner)
    return RegistrationRules(
        PrefixMap(allotted), PrefixMap(ranges), {key: frozenset(owners) for key, owners in holding.items()}
    )
