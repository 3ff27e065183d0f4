"""Headers of the PROXY protocol, version 2, as a proxy writes them before a message."""

import struct
from ipaddress import ip_address, ip_network

from dnsfilter.config.node_config import Clients, Unregistered

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PROXY = "127.0.77.1"
"""A trusted proxy. It is in no range."""
BEHIND_PROXY = Clients(Unregistered.REFUSE, trusted_proxies=(ip_network(PROXY),))
LOCAL = SIGNATURE + b"\x20\0\0\0"
UDP4, TCP4, UDP6 = 0x12, 0x11, 0x22


def named(server_name: str) -> bytes:
    """Return the additional value of a header that gives a server name (PP2_TYPE_AUTHORITY)."""
    text = server_name.encode()
    return struct.pack("!BH", 0x02, len(text)) + text


def header(client: str, family: int | None = None, more: bytes = b"", *, version: int = 0x21) -> bytes:
    """Return a header for that client, with `more` after its addresses."""
    packed = ip_address(client).packed
    addresses = packed + bytes(len(packed)) + struct.pack("!HH", 4321, 53) + more
    family = (UDP4 if len(packed) == 4 else UDP6) if family is None else family
    return SIGNATURE + struct.pack("!BBH", version, family, len(addresses)) + addresses
