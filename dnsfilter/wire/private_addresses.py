"""Addresses that only have a meaning inside a network, and the answers that lead to them."""

from typing import Final

from dnsfilter.wire.checker import Answer, Record
from dnsfilter.wire.iana import Class, Type
from dnsfilter.wire.names import skip_name

_NETWORKS_V4: Final = (
    (0x00000000, 8),  # this network, RFC 1122
    (0x0A000000, 8),  # private, RFC 1918
    (0x64400000, 10),  # shared with a carrier, RFC 6598
    (0x7F000000, 8),  # loopback
    (0xA9FE0000, 16),  # link-local, RFC 3927
    (0xAC100000, 12),  # private
    (0xC0A80000, 16),  # private
)
"""Number and prefix length of each network."""
_EMBEDDING: Final = (
    bytes(12),  # IPv4-compatible, with `::` and `::1`
    bytes(10) + b"\xff\xff",  # IPv4-mapped
    b"\x00\x64\xff\x9b" + bytes(8),  # NAT64, RFC 6052
)
"""Prefixes of IPv6 addresses that end in an IPv4 address."""
_NETWORKS_V6: Final = (
    (0xFC00, 7),  # unique local, RFC 4193
    (0xFE80, 9),  # link-local, and site-local as it was
)
"""First 16 bits and prefix length of each network."""
_ADDRESSES: Final = frozenset({int(Type.A), int(Type.AAAA)})
_SERVICE_BINDINGS: Final = frozenset({int(Type.SVCB), int(Type.HTTPS)})
_HINT_BYTES: Final = {4: 4, 6: 16}
"""Bytes of an address in ipv4hint and ipv6hint (RFC 9460 section 7.3)."""


def is_private(address: bytes) -> bool:
    """Return whether a packed address is private, shared, loopback, link-local, site-local or unspecified."""
    if len(address) == 4:
        number = int.from_bytes(address, "big")
        return any(number >> (32 - length) == network >> (32 - length) for network, length in _NETWORKS_V4)
    if address[:12] in _EMBEDDING:
        return is_private(address[12:])
    first = int.from_bytes(address[:2], "big")
    return any(first >> (16 - length) == network >> (16 - length) for network, length in _NETWORKS_V6)


def has_private_address(answer: Answer, section: int) -> bool:
    """Return whether a section has a private address: in a record of class IN, or as a hint of a service binding."""
    return any(record.rclass == Class.IN and _is_private_record(answer, record) for record in answer.section(section))


def _is_private_record(answer: Answer, record: Record) -> bool:
    if record.rtype in _ADDRESSES:
        return is_private(answer.message[record.rdata : record.end])
    if record.rtype in _SERVICE_BINDINGS:
        return any(map(is_private, hints(answer.message, record)))
    return False


def hints(message: bytes, record: Record) -> list[bytes]:
    """Return the addresses in the parameters of a service binding. The message was checked."""
    position = skip_name(message, record.rdata + 2)
    found: list[bytes] = []
    while position < record.end:
        key, size = (int.from_bytes(message[at : at + 2], "big") for at in (position, position + 2))
        start, position = position + 4, position + 4 + size
        step = _HINT_BYTES.get(key)
        if step is not None:
            found += [message[at : at + step] for at in range(start, position, step)]
    return found
