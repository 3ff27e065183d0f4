"""Unusual questions: other classes, types that mean no data, messages of an unusual form."""

from collections.abc import Iterator
from dataclasses import replace
from struct import pack
from typing import Final

import dns.flags
import dns.name
import dns.rdataclass
import dns.rdatatype

from tests.support.questions import Asked, Edns

NAMES: Final = tuple(dns.name.from_text(name).to_wire() or b"" for name in ("a1.example.net", "missing.example.net"))
"""A name that exists and a name that does not, in a signed zone."""
CLASSES: Final = (0, 77, dns.rdataclass.CH, dns.rdataclass.HS, dns.rdataclass.NONE, dns.rdataclass.ANY)
NXNAME, TKEY, TSIG, IXFR, AXFR, MAILB, MAILA = 128, 249, 250, 251, 252, 253, 254
TYPES: Final = (0, dns.rdatatype.OPT, NXNAME, TKEY, TSIG, IXFR, AXFR, MAILB, MAILA)
RESERVED: Final = 0x0040
"""The bit of the header that has no meaning."""
FLAGS: Final = (dns.flags.TC, dns.flags.AA, dns.flags.RA, RESERVED)
BEHIND: Final = b"\0\0"
RECORD: Final = b"\0" + pack("!HHIH4s", 1, 1, 0, 4, bytes((192, 0, 2, 1)))
"""An address that was not asked for."""
SIGNATURE: Final = b"\x03key\0" + pack("!HHIH13s6xHH32s6x", TSIG, 255, 0, 61, b"\x0bhmac-sha256", 300, 32, bytes(32))
"""A TSIG with an unknown key."""
PAST_ITS_END: Final = bytes.fromhex("fde9001061")
"""An option that claims 16 bytes and has one."""
MALFORMED_SUBNET: Final = bytes.fromhex("00080005000118000a")
"""A prefix of 24 bits in one byte (RFC 7871 section 6 requires three)."""


def odd_questions() -> list[Asked]:
    """Return each oddity for both names, over UDP and TCP, without EDNS and with DO.

    Oddities of the OPT are only asked with EDNS.
    """
    return [
        replace(odd, name=name, stream=stream)
        for name in NAMES
        for stream in (False, True)
        for edns in (None, Edns(1232, do=True))
        for odd in _odd(Asked(name, dns.rdatatype.A, True, False, False, edns, stream))
    ]


def _odd(plain: Asked) -> Iterator[Asked]:
    yield from (replace(plain, qclass=qclass) for qclass in CLASSES)
    yield from (replace(plain, qtype=qtype) for qtype in TYPES)
    yield from (replace(plain, flags=flag) for flag in FLAGS)
    yield from (replace(plain, additional=(record,)) for record in (RECORD, SIGNATURE))
    yield replace(plain, behind=BEHIND)
    if plain.edns is not None:
        options = (PAST_ITS_END, MALFORMED_SUBNET)
        yield from (replace(plain, edns=replace(plain.edns, options=data)) for data in options)
