"""Numbers and mnemonics of the DNS registries that this project uses.

The enumerations name numbers. A number without a name stays an int, so every signature says int. Source: IANA, "Domain
Name System (DNS) Parameters".
"""

from enum import IntEnum
from typing import Final


class Type(IntEnum):
    """Record and question types."""

    A = 1
    NS = 2
    MD = 3
    MF = 4
    CNAME = 5
    SOA = 6
    MB = 7
    MG = 8
    MR = 9
    PTR = 12
    HINFO = 13
    MINFO = 14
    MX = 15
    TXT = 16
    RP = 17
    AFSDB = 18
    RT = 21
    SIG = 24
    PX = 26
    AAAA = 28
    NXT = 30
    SRV = 33
    NAPTR = 35
    KX = 36
    DNAME = 39
    OPT = 41
    DS = 43
    RRSIG = 46
    NSEC = 47
    DNSKEY = 48
    NSEC3 = 50
    SVCB = 64
    HTTPS = 65
    NXNAME = 128
    TKEY = 249
    TSIG = 250
    IXFR = 251
    AXFR = 252
    MAILB = 253
    MAILA = 254
    ANY = 255
    RESINFO = 261


class Class(IntEnum):
    """Classes."""

    IN = 1
    CH = 3
    HS = 4
    NONE = 254
    ANY = 255


class Opcode(IntEnum):
    """Kinds of query."""

    QUERY = 0
    IQUERY = 1
    STATUS = 2
    NOTIFY = 4
    UPDATE = 5
    DSO = 6


class Rcode(IntEnum):
    """Response codes; those above 15 need an OPT record."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    YXDOMAIN = 6
    NOTAUTH = 9
    BADVERS = 16
    BADCOOKIE = 23


class EdeCode(IntEnum):
    """Extended DNS errors (RFC 8914 section 4, RFC 9824 for 30)."""

    OTHER = 0
    STALE_ANSWER = 3
    FORGED_ANSWER = 4
    DNSSEC_BOGUS = 6
    CACHED_ERROR = 13
    NOT_READY = 14
    BLOCKED = 15
    CENSORED = 16
    FILTERED = 17
    PROHIBITED = 18
    STALE_NXDOMAIN = 19
    NOT_AUTHORITATIVE = 20
    NOT_SUPPORTED = 21
    NO_REACHABLE_AUTHORITY = 22
    NETWORK_ERROR = 23
    INVALID_DATA = 24
    INVALID_QUERY_TYPE = 30


class OptionCode(IntEnum):
    """EDNS options."""

    NSID = 3
    ECS = 8
    COOKIE = 10
    TCP_KEEPALIVE = 11
    PADDING = 12
    EDE = 15


_TYPE_TEXTS: Final[dict[int, str]] = {int(value): value.name for value in Type} | {
    # Types that people write but that get no special treatment here.
    10: "NULL",
    19: "X25",
    20: "ISDN",
    25: "KEY",
    27: "GPOS",
    29: "LOC",
    37: "CERT",
    42: "APL",
    44: "SSHFP",
    45: "IPSECKEY",
    49: "DHCID",
    51: "NSEC3PARAM",
    52: "TLSA",
    53: "SMIMEA",
    55: "HIP",
    59: "CDS",
    60: "CDNSKEY",
    61: "OPENPGPKEY",
    62: "CSYNC",
    63: "ZONEMD",
    99: "SPF",
    108: "EUI48",
    109: "EUI64",
    256: "URI",
    257: "CAA",
    261: "RESINFO",
}
_TYPES: Final[dict[str, int]] = {text: value for value, text in _TYPE_TEXTS.items()}
_RCODE_TEXTS: Final[dict[int, str]] = {int(value): value.name for value in Rcode} | {
    7: "YXRRSET",
    8: "NXRRSET",
    10: "NOTZONE",
    11: "DSOTYPENI",
}
_CLASS_TEXTS: Final[dict[int, str]] = {int(value): value.name for value in Class}


def type_text(rtype: int) -> str:
    """Return the mnemonic of an RR type, else TYPEnnn (RFC 3597 section 5)."""
    return _TYPE_TEXTS.get(rtype) or f"TYPE{rtype}"


def parse_type(text: str) -> int:
    """Return the RR type of a mnemonic or of TYPEnnn, in any case. ValueError names a text that is neither."""
    upper = text.upper()
    known = _TYPES.get(upper)
    if known is not None:
        return known
    digits = upper.removeprefix("TYPE")
    if digits != upper and len(digits) <= 5 and digits.isascii() and digits.isdigit() and int(digits) <= 0xFFFF:
        return int(digits)
    raise ValueError(f"parse record type: {text!r} is neither a known type nor TYPE0 to TYPE65535")


def class_text(rclass: int) -> str:
    """Return the mnemonic of a class, else CLASSnnn (RFC 3597 section 5)."""
    return _CLASS_TEXTS.get(rclass) or f"CLASS{rclass}"


def rcode_text(rcode: int) -> str:
    """Return the mnemonic of a response code, also of an extended one, else RCODEnnn."""
    return _RCODE_TEXTS.get(rcode) or f"RCODE{rcode}"
