"""Rebinding protection: which answers of the default upstreams are withheld for their private addresses.

A page of an attacker's name may reach into the network if that name gets a private address. The name that a browser
asks for is what counts, not the alias that leads to the address.
"""

from collections.abc import Iterable
from typing import Final

from dnsfilter.cache.answer_cache import Mark, Withheld
from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.node_config import Config, Rebinding
from dnsfilter.policy.model import WireName
from dnsfilter.upstream.zones import DEFAULT_VIEW, Zones
from dnsfilter.wire.answer import ADDITIONAL, ANSWER, Answer
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import name_text, suffixes
from dnsfilter.wire.private_addresses import has_private_address


class RebindingGuard:
    """Marks answers by their question. Own records, conditional zones and names below `exempt` may be private."""

    def __init__(self, exempt: Iterable[WireName], zones: Zones) -> None:
        self._exempt: Final = frozenset(exempt)
        self._zones: Final = zones

    def mark(self, key: CacheKey, answer: Answer) -> Withheld:
        """Return what is withheld of an answer."""
        if key.view != DEFAULT_VIEW:
            return Withheld.NONE
        if has_private_address(answer, ANSWER):
            found = Withheld.ANSWER
        elif has_private_address(answer, ADDITIONAL):
            found = Withheld.ADDITIONAL
        else:
            return Withheld.NONE
        return Withheld.NONE if self._exempt_by(key.name) is not None else found

    def reason(self, name: WireName) -> str | None:
        """Return, for people, why a name may have private addresses; None if these are withheld."""
        if name in self._zones.records:
            return "the name has a [[record]]"
        if self._zones.route(name, Type.A).number != DEFAULT_VIEW:
            return "the name is in a [[zone]]"
        found = self._exempt_by(name)
        return None if found is None else f"{name_text(found)} is in rebinding.except"

    def _exempt_by(self, name: WireName) -> WireName | None:
        """Return the name itself if it has records here, else the exempt name at or above it."""
        if name in self._zones.records:
            return name
        return next((each for each in suffixes(name) if each in self._exempt), None)


def mark_for(rebinding: Rebinding, zones: Zones) -> Mark | None:
    """Return the mark of a cache; None without protection."""
    return RebindingGuard(rebinding.exempt, zones).mark if rebinding.protect else None


def private_addresses_text(config: Config, name: WireName) -> str | None:
    """Return, for people, what becomes of private addresses of a name; None without protection."""
    if not config.rebinding.protect:
        return None
    zones = Zones(config.upstream.servers, config.zones, config.records)
    reason = RebindingGuard(config.rebinding.exempt, zones).reason(name)
    return "withheld from public answers" if reason is None else f"answered, because {reason}"
