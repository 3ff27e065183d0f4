"""The networks under enforcement at an instant, as a firewall closes ports and addresses for them. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from dnsfilter.config.node_config import Endpoint
from dnsfilter.policy.model import Address, Instant, Prefix
from dnsfilter.snapshot.reader import Snapshot

FAMILIES = (4, 6)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The input that does not change with time.

    Clients may query only `resolvers`, and these may query any server. `addresses` are those of services that are
    closed where the service is banned. Queries to others go to `redirect`, at most one endpoint of each family; without
    one they are refused.
    """

    resolvers: tuple[Address, ...]
    addresses: Mapping[str, tuple[Prefix, ...]]
    redirect: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The networks with an enforcing ban, and those of each service that has addresses to close, by slug.

    `until` is the first time at which a ban, an exemption or a suspension changes. None means never. Two sets are equal
    if the same networks are in them.
    """

    banned: tuple[Prefix, ...]
    closed: tuple[tuple[str, tuple[Prefix, ...]], ...]
    until: Instant | None = field(default=None, compare=False)


def rule_set(snapshot: Snapshot, at: Instant, services: Collection[str]) -> RuleSet:
    """Return the rules for the snapshot's site at `at`. `services` have addresses to close."""
    networks: dict[int, list[Prefix]] = {}
    for network, class_index in snapshot.networks():
        networks.setdefault(class_index, []).append(network)
    enforced = {class_index: snapshot.enforced(class_index, at) for class_index in networks}
    changes = (snapshot.next_change_of_any(class_index, at) for class_index in networks)

    def under(service: str | None) -> tuple[Prefix, ...]:
        """Return the networks for which this service, or None: any, is enforced."""
        classes = [index for index, slugs in enforced.items() if (slugs if service is None else service in slugs)]
        return joined(network for index in classes for network in networks[index])

    return RuleSet(
        under(None),
        tuple((service, under(service)) for service in sorted(services)),
        min((change for change in changes if change is not None), default=None),
    )


def of_family(prefixes: Iterable[Prefix], version: int) -> tuple[Prefix, ...]:
    """Return the prefixes of IP version 4 or 6."""
    return tuple(prefix for prefix in prefixes if prefix.version == version)


def joined(networks: Iterable[Prefix]) -> tuple[Prefix, ...]:
    """Return the same addresses in as few networks as possible, ascending: IPv4, then IPv6."""
    found = tuple(networks)
    v4 = collapse_addresses(network for network in found if isinstance(network, IPv4Network))
    v6 = collapse_addresses(network for network in found if isinstance(network, IPv6Network))
    return (*v4, *v6)
