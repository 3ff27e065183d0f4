"""Check which addresses this machine has. Nothing is sent."""

import errno
import socket
from ipaddress import IPv4Address, IPv6Address

from dnsfilter.config.endpoint import family_of
from dnsfilter.policy.model import Address

LOOPBACK: dict[int, Address] = {4: IPv4Address("127.0.0.1"), 6: IPv6Address("::1")}
_LACKING = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def has_address(address: Address) -> bool:
    """Return False if the kernel reports that this machine does not have the address."""
    try:
        with socket.socket(family_of(address), socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError as error:
        return error.errno not in _LACKING
    return True


def has_family(address: Address) -> bool:
    """Return whether this machine has the address's family: IPv4, or IPv6, which can be disabled."""
    return has_address(LOOPBACK[address.version])
