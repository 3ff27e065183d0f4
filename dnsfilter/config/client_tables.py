"""Read `[clients]`: which unregistered clients get answers and until when, which proxies and forwarders are trusted.

Also `[egress]`: the networks whose clients may connect only to answered addresses.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING

from dnsfilter.config.locations import Fault
from dnsfilter.config.node_config import MAX_LEARNING_S, Clients, Egress, EgressNetwork, Unregistered
from dnsfilter.errors import Problem
from dnsfilter.policy.calendar import after_day, local_instant
from dnsfilter.policy.instants import DEFAULT_ZONE, at_words
from dnsfilter.policy.model import Instant, Prefix

if TYPE_CHECKING:
    from dnsfilter.config.file_schema import ClientsTable, EgressTable

PRIVATE = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7"))
)
"""Networks that are not routed on the Internet: RFC 1918, 6598 and 4193, and loopback."""


def clients_of(table: "ClientsTable") -> Clients:
    """Return the clients of a table without faults."""
    until = None if table.learn_until is None else end_of(table.learn_until)
    allowed, proxies, forwarders = (
        tuple(prefix for prefix in prefixes if prefix is not None)
        for prefixes in (table.allowed, table.trusted_proxies, table.trusted_forwarders)
    )
    return Clients(table.unregistered, allowed, until, proxies, forwarders)


def client_faults(table: "ClientsTable") -> Iterator[Fault]:
    """Yield the faults of a table."""
    answered = table.unregistered is not Unregistered.REFUSE
    if answered and not table.allowed:
        message = f'is required with unregistered = "{table.unregistered}": list the prefixes whose clients get answers'
        yield Fault(("clients", "allowed"), message)
    if table.allowed and not answered:
        yield Fault(("clients", "allowed"), 'has an effect only with unregistered = "resolve" or "learn"')
    yield from _learning_faults(table)
    yield from _prefix_faults("allowed", table.allowed, "which would make an open resolver: name the networks")
    for index, prefix in enumerate(table.allowed):
        if table.unregistered is not Unregistered.LEARN or prefix is None or prefix.prefixlen == 0:
            continue
        if not _is_private(prefix):
            message = f'{prefix} is not private, and "learn" is for private networks: register it, or use "resolve"'
            yield Fault(("clients", "allowed", index), message)
    everybody = "who could then ask as any client: name the proxies"
    yield from _prefix_faults("trusted_proxies", table.trusted_proxies, everybody)
    everybody = "who could then ask as any client: name the forwarders"
    yield from _prefix_faults("trusted_forwarders", table.trusted_forwarders, everybody)


def _prefix_faults(key: str, prefixes: Iterable[Prefix | None], everybody: str) -> Iterator[Fault]:
    seen: set[Prefix] = set()
    for index, prefix in enumerate(prefixes):
        if prefix is None:
            continue
        if prefix.prefixlen == 0:
            yield Fault(("clients", key, index), f"{prefix} is everybody, {everybody}")
        if prefix in seen:
            yield Fault(("clients", key, index), f"{prefix} is given twice")
        seen.add(prefix)


def _learning_faults(table: "ClientsTable") -> Iterator[Fault]:
    location = ("clients", "learn_until")
    if table.unregistered is not Unregistered.LEARN:
        if table.learn_until is not None:
            yield Fault(location, 'has an effect only with unregistered = "learn"')
    elif table.learn_until is None:
        yield Fault(
            location, 'is required with unregistered = "learn": the last day on which unregistered clients get answers'
        )


def learning_problems(clients: Clients, now: Instant) -> tuple[Problem, ...]:
    """Return the problem of an end that is too far ahead of `now`.

    It is not a fault of the file: a clock in the past would then keep the node from starting.
    """
    if clients.learn_until is None or clients.learn_until <= now + MAX_LEARNING_S:
        return ()
    latest = at_words(now + MAX_LEARNING_S)
    message = f"is more than 30 days ahead: give a time before {latest}, and register the networks by then"
    return (Problem("clients.learn_until", message),)


def end_of(written: date) -> Instant:
    """Return when learning ends: after a day, or at a time. Without an offset it is Belgian time."""
    if not isinstance(written, datetime):
        return after_day(written, DEFAULT_ZONE)
    return local_instant(written, DEFAULT_ZONE) if written.tzinfo is None else int(written.timestamp())


def _is_private(prefix: Prefix) -> bool:
    return any(
        prefix.version == private.version and private.supernet_of(prefix)  # type: ignore[arg-type]
        for private in PRIVATE
    )


def egress_of(table: "EgressTable") -> Egress:
    """Return the settings of a table without faults."""
    networks = tuple(
        EgressNetwork(network.name, tuple(prefix for prefix in network.prefixes if prefix is not None))
        for network in table.network
        if network is not None
    )
    return Egress(table.mode, table.grace, tuple(prefix for prefix in table.admit if prefix is not None), networks)


def egress_faults(table: "EgressTable") -> Iterator[Fault]:
    """Yield the faults of a table: a name or a prefix that is in two networks, and settings without a network."""
    names: set[str] = set()
    seen: list[tuple[Prefix, str]] = []
    if table.admit and not table.network:
        yield Fault(("egress", "admit"), "has an effect only with a network: add [[egress.network]]")
    for index, network in enumerate(table.network):
        if network is None:
            continue
        if network.name in names:
            yield Fault(("egress", "network", index, "name"), f"{network.name!r} is given twice")
        names.add(network.name)
        for at, prefix in enumerate(network.prefixes):
            if prefix is None:
                continue
            twin = next((name for other, name in seen if _overlap(other, prefix)), None)
            if twin is not None:
                message = f"{prefix} overlaps a prefix of the network {twin!r}: a client is in one network"
                yield Fault(("egress", "network", index, "prefixes", at), message)
            seen.append((prefix, network.name))


def _overlap(one: Prefix, other: Prefix) -> bool:
    return one.version == other.version and one.overlaps(other)
