"""The header of the PROXY protocol, version 2, in which a proxy names the client of a message or connection.

Source: haproxy, "The PROXY protocol", section 2.2. Where the specification leaves the choice, a header that names no
Internet address (AF_UNSPEC, AF_UNIX) is rejected: its client must not get the rights of the proxy.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_START = struct.Struct("!12sBBH")
MOST_BYTES = 512
"""Largest header that is accepted, with its additional values (TLVs). All but the server name are skipped."""
_AUTHORITY = 0x02
"""Type of the additional value that has the server name (section 2.2.2, PP2_TYPE_AUTHORITY)."""
_VALUE = struct.Struct("!BH")
_VERSION_2 = 0x20
_LOCAL, _PROXY = 0, 1
LOCAL_HEADER = _START.pack(_SIGNATURE, _VERSION_2 | _LOCAL, 0, 0)
"""The header of a proxy that asks for itself."""
_MAPPED = bytes(10) + b"\xff\xff"
_ADDRESS_BYTES = {0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16}
"""Family and transport of the client -> bytes of its address. Its transport may differ from the one to here."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A valid header of `size` bytes. `client` is a packed address; None if the proxy asks for itself.

    `server_name` is the name by which the client has come to the proxy, in lower case; None if the proxy gives none.
    """

    size: int
    client: bytes | None
    server_name: str | None = None


def proxy_header_size(data: bytes | bytearray) -> int | None:
    """Return the size of the header with which `data` begins, or how much is needed to know its size.

    Return None if `data` does not begin with a header of version 2, or with one that is too large.
    """
    if data[: len(_SIGNATURE)] != _SIGNATURE[: len(data)]:
        return None
    if len(data) < _START.size:
        return _START.size
    _signature, version, _family, length = _START.unpack_from(data)
    size = _START.size + int(length)
    return size if version & 0xF0 == _VERSION_2 and size <= MOST_BYTES else None


def parse_proxy_header(data: bytes | bytearray) -> ProxyHeader | None:
    """Return the header with which `data` begins; None if it is not valid or not complete."""
    size = proxy_header_size(data)
    if size is None or len(data) < size:
        return None
    _signature, version, family, _length = _START.unpack_from(data)
    if version & 0x0F == _LOCAL:
        return ProxyHeader(size, None)
    address_bytes = _ADDRESS_BYTES.get(family)
    # Two addresses and two ports.
    if version & 0x0F != _PROXY or address_bytes is None or size < _START.size + 2 * address_bytes + 4:
        return None
    client = bytes(data[_START.size : _START.size + address_bytes])
    return ProxyHeader(
        size,
        client.removeprefix(_MAPPED) if address_bytes == 16 else client,
        _server_name(data[_START.size + 2 * address_bytes + 4 : size]),
    )


def unwrap_proxied(
    datagram: bytes, proxy: bytes, client_of: Callable[[str | None, bytes], bytes | None]
) -> tuple[bytes, bytes]:
    """Return the message in a trusted proxy's datagram, and its client.

    `client_of` returns the client of a server name, if any, and an address; None for an unknown name. Without a valid
    header, or with an unknown name, the message is empty.
    """
    header = parse_proxy_header(datagram)
    if header is None:
        return b"", proxy
    client = client_of(header.server_name, header.client or proxy)
    return (b"", proxy) if client is None else (datagram[header.size :], client)


def _server_name(values: bytes | bytearray) -> str | None:
    """Return the first server name in a header's additional values that is not empty. Ignore an incomplete value."""
    start = 0
    while start + _VALUE.size <= len(values):
        kind, length = _VALUE.unpack_from(values, start)
        start += _VALUE.size
        if start + length > len(values):
            return None
        if kind == _AUTHORITY and length:
            return bytes(values[start : start + length]).lower().decode("latin-1")
        start += length
    return None
