"""Which addresses this machine has. Nothing is sent."""

import socket
from ipaddress import IPv4Address, IPv6Address

from dnsfilter.policy.model import Address

LOOPBACK: dict[int, Address] = {4: IPv4Address("127.0.0.1"), 6: IPv6Address("::1")}


def can_bind(address: Address) -> bool:
    """Return whether a socket can be bound to that address."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def has_family(address: Address) -> bool:
    """Return whether this machine has the address's family: IPv4, or IPv6, which can be disabled."""
    return can_bind(LOOPBACK[address.version])
