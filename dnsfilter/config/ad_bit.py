"""Whose AD bit (RFC 4035 section 3.2.3) is passed on to clients."""

from collections.abc import Iterable

from dnsfilter.config.node_config import Endpoint


def trusts_ad(servers: Iterable[Endpoint]) -> bool:
    """Return the default of `trust_ad`: whether all default upstreams are on this machine.

    Only a validator on this machine sets AD on a path that nobody can alter (RFC 6840 section 5.7).
    """
    return all(server.address.is_loopback for server in servers)


def passes_ad(trust_ad: bool, legs: Iterable[tuple[bool, bool]]) -> bool:
    """Return whether an answer has AD, by each leg's AD bit and whether a conditional zone covers its name.

    `trust_ad` is about the default upstreams, not about the servers of a conditional zone.
    """
    return trust_ad and all(ad and not conditional for ad, conditional in legs)
