"""Records that the resolver makes itself: denials, addresses, and texts about this node."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct
from typing import Final

from dnsfilter.wire.compose import RawRecord
from dnsfilter.wire.iana import Class, Type
from dnsfilter.wire.names import parse_name

_MNAME: Final = parse_name("localhost")
_RNAME: Final = parse_name("nobody.invalid")
_SOA_NUMBERS: Final = Struct("!5I")
_SERIAL: Final = 1
_REFRESH_S: Final = 3600
_RETRY_S: Final = 600
_EXPIRE_S: Final = 86400
_MAX_STRING: Final = 255
_MAX_TEXT: Final = 4096


@lru_cache(maxsize=16)
def _soa_data(minimum: int) -> bytes:
    """Return the data of the SOA of our denials. It is cached because refusals use only a few minimums."""
    return _MNAME + _RNAME + _SOA_NUMBERS.pack(_SERIAL, _REFRESH_S, _RETRY_S, _EXPIRE_S, minimum)


def soa_record(owner: bytes, ttl: int, minimum: int) -> RawRecord:
    """Return the SOA for our denials. It names nobody and lets clients keep a denial `minimum` seconds (RFC 2308)."""
    return RawRecord(owner, Type.SOA, Class.IN, ttl, _soa_data(minimum))


def address_record(owner: bytes, ttl: int, address: IPv4Address | IPv6Address | bytes) -> RawRecord:
    """Return an A or AAAA record. ValueError if an address given as bytes has neither 4 nor 16 of them."""
    parsed = ip_address(address)
    return RawRecord(owner, Type.A if parsed.version == 4 else Type.AAAA, Class.IN, ttl, parsed.packed)


def txt_record(owner: bytes, ttl: int, text: str) -> RawRecord:
    """Return a TXT record of at most 4,096 bytes of UTF-8, in strings of 255. ValueError if the text is longer."""
    content = text.encode("utf-8", "replace")
    if len(content) > _MAX_TEXT:
        raise ValueError(f"make txt record: {len(content)} bytes are more than {_MAX_TEXT}")
    strings = [content[start : start + _MAX_STRING] for start in range(0, len(content), _MAX_STRING)] or [b""]
    return RawRecord(owner, Type.TXT, Class.IN, ttl, _counted(strings))


def txt_strings_record(owner: bytes, ttl: int, texts: Sequence[str]) -> RawRecord:
    """Return a TXT record with a string for each text, cut to 255 bytes of UTF-8."""
    strings = (text.encode("utf-8", "replace")[:_MAX_STRING] for text in texts)
    return RawRecord(owner, Type.TXT, Class.IN, ttl, _counted(strings))


def hinfo_record(owner: bytes, ttl: int, cpu: str, os: str) -> RawRecord:
    """Return a HINFO record, as in answers to ANY (RFC 8482 section 4.2). ValueError if a string exceeds 255 bytes."""
    strings = [cpu.encode("utf-8", "replace"), os.encode("utf-8", "replace")]
    if any(len(string) > _MAX_STRING for string in strings):
        raise ValueError(f"make hinfo record: a string is longer than {_MAX_STRING} bytes")
    return RawRecord(owner, Type.HINFO, Class.IN, ttl, _counted(strings))


def _counted(strings: Iterable[bytes]) -> bytes:
    """Return strings of at most 255 bytes, each with its length before it (RFC 1035 section 3.3)."""
    return b"".join(bytes((len(string),)) + string for string in strings)
