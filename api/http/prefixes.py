"""Parse prefixes of requests, and find the prefixes that contain another one.

In the block of fleets, prefixes wider than the block do not count: they hold no client there (`holds_client`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Annotated, Generic, TypeAlias, TypeVar

from pydantic import Field, StringConstraints

from api.errors import Invalid
from dnsfilter.policy.faults import prefix_fault
from dnsfilter.policy.fleets import FLEET_BLOCK, in_block
from dnsfilter.policy.model import Address, Prefix
from dnsfilter.translatable import Text

Value = TypeVar("Value")
Key: TypeAlias = tuple[int, int, int]
"""IP version, prefix length, and network address as a number."""
PrefixText = Annotated[str, StringConstraints(min_length=2, max_length=43), Field(examples=["192.0.2.0/24"])]

_MAX_SHOWN = 60
"""The most characters of a text that a message repeats."""


def parse_prefix(text: str, location: str) -> Prefix:
    """Return a prefix in canonical form. Raise Invalid for host bits, a scope id, mapped and link-local prefixes."""
    try:
        prefix = ip_network(text)
    except ValueError as error:
        raise Invalid.at(location, why_no_prefix(text)) from error
    fault = prefix_fault(prefix)
    if fault is not None:
        raise Invalid.at(location, Text("{prefix} {fault}", prefix=prefix, fault=fault))
    return prefix


class PrefixMap(Generic[Value]):
    """Values by prefix. A lookup takes one step for each prefix length that occurs, for any number of prefixes."""

    def __init__(self, items: Iterable[tuple[Prefix, Value]]) -> None:
        self._values = {key_of(prefix): value for prefix, value in items}
        self._lengths = sorted({(version, length) for version, length, _ in self._values}, reverse=True)

    def of(self, prefix: Prefix) -> Value | None:
        """Return the value of the narrowest prefix that contains this one, itself included, or None."""
        return self._containing(prefix, prefix.prefixlen)

    def around(self, prefix: Prefix) -> Value | None:
        """Return the value of the narrowest prefix that is wider than this one and contains it, or None."""
        return self._containing(prefix, prefix.prefixlen - 1)

    def _containing(self, prefix: Prefix, longest: int) -> Value | None:
        shortest = _shortest(prefix)
        for version, length in self._lengths:
            if version == prefix.version and shortest <= length <= longest:
                value = self._values.get(_cut(prefix, length))
                if value is not None:
                    return value
        return None


def maps_by_site(items: Iterable[tuple[str, Prefix, Value]]) -> Mapping[str, PrefixMap[Value]]:
    """Return a map for each site."""
    found: defaultdict[str, list[tuple[Prefix, Value]]] = defaultdict(list)
    for site, prefix, value in items:
        found[site].append((prefix, value))
    return {site: PrefixMap(values) for site, values in found.items()}


def key_of(prefix: Prefix) -> Key:
    """Return the key of a prefix."""
    return prefix.version, prefix.prefixlen, int(prefix.network_address)


def keys_around(prefix: Prefix) -> Iterator[Key]:
    """Return the keys of the wider prefixes that contain this one, narrowest first."""
    return (_cut(prefix, length) for length in range(prefix.prefixlen - 1, _shortest(prefix) - 1, -1))


def prefixes_around(held: Address | Prefix) -> list[str]:
    """Return the prefixes that contain an address or a prefix, narrowest first."""
    network = ip_network(held)
    return [str(network.supernet(new_prefix=length)) for length in range(network.prefixlen, _shortest(network) - 1, -1)]


def narrowest(found: Mapping[str, Value], around: Sequence[str]) -> Value | None:
    """Return what was found for the narrowest of `prefixes_around`, or None."""
    return next((found[prefix] for prefix in around if prefix in found), None)


def _shortest(prefix: Prefix) -> int:
    return FLEET_BLOCK.prefixlen if in_block(prefix) else 0


def _cut(prefix: Prefix, length: int) -> Key:
    host = prefix.max_prefixlen - length
    return prefix.version, length, int(prefix.network_address) >> host << host


def why_no_prefix(cell: str) -> str:
    """Return the message about a text that `ip_network` rejects."""
    try:
        network = ip_network(cell, strict=False)
        return Text("{given} has host bits set: write {network}", given=shown(cell), network=network)
    except ValueError:
        return Text("{given} is not a prefix", given=shown(cell))


def shown(cell: str) -> str:
    """Return the text in quotes, shortened if it is long."""
    return repr(cell) if len(cell) <= _MAX_SHOWN else f"{cell[:_MAX_SHOWN]!r}…"
