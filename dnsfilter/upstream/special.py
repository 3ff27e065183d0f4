"""Names that never go to an upstream: special-use names, locally served reverse zones, and hosts of a single label.

Names here are folded wire names. Names that policy decides (`use-application-dns.net`, `mask.icloud.com`) are not here.
`ipv4only.arpa` and names below `example.` resolve like any other name (RFC 8880 section 7.1, RFC 6761 section 6.5).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, assert_never

from dnsfilter.wire.iana import Rcode, Type
from dnsfilter.wire.names import parse_name


class Records(Enum):
    """The content of the answer section. With NONE, the SOA of the apex is in the authority section."""

    NONE = "none"
    ADDRESS_V4 = "127.0.0.1"
    ADDRESS_V6 = "::1"
    POINTER = "localhost."
    SOA = "the SOA of the apex"
    NS = "the apex as its own name server"


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """The local answer for a name that no upstream is asked about.

    `apex` owns the synthesised SOA. If `overridable`, a conditional zone or local record that covers the name wins.
    """

    rcode: int
    apex: bytes
    records: Records
    overridable: bool


class _Shape(Enum):
    """The way a local zone answers."""

    ABSENT = "the apex does not exist either"
    EMPTY = "the apex exists with SOA and NS, nothing below it does"
    SILENT = "every name exists and has no data"
    LOCALHOST = "every name is the loopback interface"
    LOOPBACK_V4 = "empty but for the PTR of 127.0.0.1"
    LOOPBACK_V6 = "the PTR of ::1"


def special(name: bytes, qtype: int, do: bool = False) -> LocalAnswer | None:
    """Return the local answer for a folded wire name, or None if it resolves like any other name.

    With `do` (RFC 3225), hosts of a single label resolve: a client that validates needs the root's proof.

    Takes one look-up for most names, and at most as many as the name has labels.
    """
    starts = _label_starts(name)
    if len(starts) == 1 and name not in _ZONES and qtype in HOST_TYPES and not do:
        return LocalAnswer(Rcode.NOERROR, name, Records.NONE, True)
    if not starts or name[starts[-1] :] not in TOP_LABELS:
        return None
    for start in starts:
        apex = name[start:]
        shape = _ZONES.get(apex)
        if shape is not None:
            return _answer(shape, name, apex, qtype)
    return None


def below(apex: bytes) -> int | None:
    """Return the rcode for all names and types below one of `APEXES`, without records; None if it depends."""
    match _ZONES[apex]:
        case _Shape.ABSENT | _Shape.EMPTY:
            return Rcode.NXDOMAIN
        case _Shape.SILENT:
            return Rcode.NOERROR
        case _Shape.LOCALHOST | _Shape.LOOPBACK_V4 | _Shape.LOOPBACK_V6:
            return None


def _answer(shape: _Shape, name: bytes, apex: bytes, qtype: int) -> LocalAnswer | None:
    rcode: int = Rcode.NOERROR
    records = Records.NONE
    match shape:
        case _Shape.ABSENT:
            rcode = Rcode.NXDOMAIN
        case _Shape.SILENT:
            pass
        case _Shape.LOCALHOST:
            if qtype in (Type.A, Type.ANY):
                records = Records.ADDRESS_V4
            elif qtype == Type.AAAA:
                records = Records.ADDRESS_V6
        case _Shape.EMPTY | _Shape.LOOPBACK_V4 | _Shape.LOOPBACK_V6:
            if name == apex and qtype == Type.DS:
                return None  # RFC 4035 section 3.1.4.1: validators need the parent's proof that there is none.
            rcode, records = _in_zone(shape, name, apex, qtype)
        case _:
            assert_never(shape)
    return LocalAnswer(rcode, apex, records, apex not in _FIXED)


def _in_zone(shape: _Shape, name: bytes, apex: bytes, qtype: int) -> tuple[int, Records]:
    pointer = _POINTERS.get(shape)
    if name == pointer and qtype in (Type.PTR, Type.ANY):
        return Rcode.NOERROR, Records.POINTER
    if name == apex:
        if qtype in (Type.SOA, Type.ANY):
            return Rcode.NOERROR, Records.SOA
        return Rcode.NOERROR, Records.NS if qtype == Type.NS else Records.NONE
    if pointer is not None and pointer.endswith(name):
        # The pointer's name and the empty ones above it exist (RFC 8020 section 2). Every label of it holds one digit
        # or is this zone's apex, so that a common tail is a common suffix of labels.
        return Rcode.NOERROR, Records.NONE
    return Rcode.NXDOMAIN, Records.NONE


def _label_starts(name: bytes) -> list[int]:
    """Return the offsets of the labels, without the root. Return [] for the root and for an invalid name."""
    starts: list[int] = []
    at = 0
    while at < len(name) and name[at]:
        starts.append(at)
        at += name[at] + 1
    return starts if at == len(name) - 1 else []


def _reverse_zones() -> Iterator[str]:
    """Yield the zones of RFC 6303 section 4 and RFC 7793 section 3, except the two that hold a PTR."""
    yield "10.in-addr.arpa"
    yield from (f"{second}.172.in-addr.arpa" for second in range(16, 32))
    yield "168.192.in-addr.arpa"
    yield "0.in-addr.arpa"
    yield "254.169.in-addr.arpa"
    yield "2.0.192.in-addr.arpa"
    yield "100.51.198.in-addr.arpa"
    yield "113.0.203.in-addr.arpa"
    yield "255.255.255.255.in-addr.arpa"
    yield from (f"{second}.100.in-addr.arpa" for second in range(64, 128))
    yield "0." * 32 + "ip6.arpa"
    yield "d.f.ip6.arpa"
    yield from (f"{nibble}.e.f.ip6.arpa" for nibble in "89ab")
    yield "8.b.d.0.1.0.0.2.ip6.arpa"


def _zones() -> Iterator[tuple[str, _Shape]]:
    yield "localhost", _Shape.LOCALHOST  # RFC 6761 section 6.3
    yield "invalid", _Shape.ABSENT  # RFC 6761 section 6.4
    yield "test", _Shape.ABSENT  # RFC 6761 section 6.2
    yield "onion", _Shape.ABSENT  # RFC 7686 section 2
    yield "alt", _Shape.ABSENT  # RFC 9476 section 2
    yield "local", _Shape.ABSENT  # RFC 6762 section 22.1
    yield "internal", _Shape.ABSENT  # reserved for private use by ICANN's board on 2024-07-29
    yield "home.arpa", _Shape.EMPTY  # RFC 8375 section 4
    yield "service.arpa", _Shape.EMPTY  # RFC 9665
    yield "resolver.arpa", _Shape.SILENT  # RFC 9462 section 6.4
    yield from ((zone, _Shape.EMPTY) for zone in _reverse_zones())
    yield "127.in-addr.arpa", _Shape.LOOPBACK_V4
    yield "1." + "0." * 31 + "ip6.arpa", _Shape.LOOPBACK_V6


HOST_TYPES: Final = frozenset({Type.A, Type.AAAA, Type.HTTPS, Type.CNAME, Type.ANY})
"""Types that ask for a host. A single label is then a name of the office, not a top-level domain (SAC 053).

A top-level domain has SOA and NS, so it is no alias. ANY asks for a CNAME here.
"""
_FIXED: Final = frozenset({parse_name("resolver.arpa"), parse_name("onion")})
"""Zones that no configuration overrides: resolver.arpa would lead clients past us, onion would leak."""
_POINTERS: Final[Mapping[_Shape, bytes]] = MappingProxyType(
    {
        _Shape.LOOPBACK_V4: parse_name("1.0.0.127.in-addr.arpa"),
        _Shape.LOOPBACK_V6: parse_name("1." + "0." * 31 + "ip6.arpa"),
    }
)
_ZONES: Final[Mapping[bytes, _Shape]] = MappingProxyType({parse_name(zone): shape for zone, shape in _zones()})
APEXES: Final = frozenset(_ZONES)
"""The names of the zones."""
TOP_LABELS: Final = frozenset(zone[_label_starts(zone)[-1] :] for zone in _ZONES)
