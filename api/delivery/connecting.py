"""Connect to a server that somebody's request names: only to addresses that such requests may reach."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Network, ip_address

from dnsfilter.policy.model import Address, Prefix

_INTERNET6 = IPv6Network("2000::/3")
"""All of IPv6 that is assigned for the internet (RFC 4291 section 2.4, IANA's registry of address space)."""
_TRANSLATED6 = IPv6Network("64:ff9b::/96")
"""Addresses by which NAT64 reaches IPv4 (RFC 6052)."""
_METADATA = frozenset({IPv4Address("168.63.129.16")})
"""Public addresses at which a cloud answers each of its machines with that machine's own data."""


class PrivateAddress(Exception):
    """Raised when a host has only addresses that are not allowed. The message is the last one."""


def connect(
    host: str, port: int, timeout_s: float, private: Sequence[Prefix], *, loopback: bool = False
) -> socket.socket:
    """Return a connection to the first address of the host that may be reached and answers.

    Addresses on the internet and in the networks `private` may be reached, with `loopback` this machine too. Raise
    PrivateAddress or OSError for the last address. They are checked here and not earlier: a name can change them.
    """
    failure: Exception = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if not _may_reach(ip_address(str(address[0]).partition("%")[0]), private, loopback=loopback):
            failure = PrivateAddress(address[0])
            continue
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(timeout_s)
            connection.connect(address)
            return connection
        except OSError as error:
            connection.close()
            failure = error
    raise failure


def _may_reach(address: Address, private: Sequence[Prefix], *, loopback: bool) -> bool:
    found = _leads_to(address)
    if any(each in network for each in (address, found) for network in private):
        return True
    if found.is_loopback:
        return loopback
    is_assigned = isinstance(found, IPv4Address) or found in _INTERNET6
    return is_assigned and found.is_global and not found.is_multicast and found not in _METADATA


def _leads_to(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address contains and leads to; without one, the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED6:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
