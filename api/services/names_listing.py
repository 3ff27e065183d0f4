"""Names of a service in pages, by tier and name. Pure."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from heapq import merge
from typing import NamedTuple

from dnsfilter.policy.model import Service, WireName
from dnsfilter.wire.names import name_text


class ListedName(NamedTuple):
    """A name of a service. Unless `exact`, it covers all names below it."""

    tier: int
    name: str
    exact: bool


FIRST = ListedName(0, "", exact=False)
"""What every name comes after."""


def names_after(service: Service, after: ListedName, number: int | None = None) -> Iterator[ListedName]:
    """Return the names that come after `after`, of all tiers or of one, in their order."""
    for each in sorted({tier.number for tier in service.tiers}):
        if each >= after.tier and number in (None, each):
            same = [tier for tier in service.tiers if tier.number == each]
            parts = [(names, exact) for tier in same for names, exact in ((tier.domains, False), (tier.hosts, True))]
            yield from merge(*(_of_part(each, names, exact, after) for names, exact in parts))


def _of_part(number: int, names: frozenset[WireName], exact: bool, after: ListedName) -> Iterator[ListedName]:
    ordered = _ordered(names)
    begin = 0
    if number == after.tier:
        # A name may be in both parts of a tier.
        begin = bisect_right(ordered, (after.name, after.exact), key=lambda name: (name_text(name), exact))
    for index in range(begin, len(ordered)):
        yield ListedName(number, name_text(ordered[index]), exact)


@lru_cache(maxsize=16)
def _ordered(names: frozenset[WireName]) -> Sequence[WireName]:
    """Return names in the order of their texts. Sorting 300,000 takes too long for each page."""
    return sorted(names, key=name_text)
