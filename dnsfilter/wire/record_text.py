"""Read the data of a record as people write it, in the presentation format of each type."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from struct import Struct
from typing import Final

from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import parse_name

TYPES: Final = {kind.name: kind for kind in (Type.A, Type.AAAA, Type.CNAME, Type.PTR, Type.TXT, Type.SRV)}
"""The types that can be written, by name."""
_MAX_STRING: Final = 255
_SRV: Final = re.compile(r"(\d{1,5}) (\d{1,5}) (\d{1,5}) (\S+)")
_SRV_FIELDS: Final = Struct("!HHH")


def parse_rdata(kind: Type, text: str) -> bytes:
    """Return the data in wire form, with names folded. Raise ValueError if it is not data of that type.

    RFC 1035 section 3.3, RFC 3596 section 2.2, RFC 2782. The text of a TXT is one string.
    """
    match kind:
        case Type.A | Type.AAAA:
            return _address(kind, text)
        case Type.CNAME | Type.PTR:
            return parse_name(text)
        case Type.TXT:
            return _string(text.encode())
        case Type.SRV:
            return _service(text)
    raise ValueError(f"has a type other than {', '.join(TYPES)}")


def _address(kind: Type, text: str) -> bytes:
    try:
        address = IPv4Address(text) if kind is Type.A else IPv6Address(text)
    except AddressValueError:
        raise ValueError(f"{text!r} is not an {'IPv4' if kind is Type.A else 'IPv6'} address") from None
    if "%" in text:
        raise ValueError(f"{text!r} has an IPv6 zone index: remove it")
    return address.packed


def _string(content: bytes) -> bytes:
    if len(content) > _MAX_STRING:
        raise ValueError(f"has {len(content)} bytes in UTF-8: at most {_MAX_STRING}")
    return bytes((len(content),)) + content


def _service(text: str) -> bytes:
    found = _SRV.fullmatch(text)
    numbers = () if found is None else tuple(map(int, found.groups()[:3]))
    if found is None or max(numbers) > 0xFFFF:
        raise ValueError(f"{text!r} is not priority, weight, port and target, as in 0 5 389 dc1.corp.local")
    return _SRV_FIELDS.pack(*numbers) + parse_name(found[4])
