"""Questions of every form about given zones, drawn from a seed: existing and missing names, in all ways to ask."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.zone

from dnsfilter.upstream.special import HOST_TYPES

_HEADER: Final = Struct("!6H")
_TAIL: Final = Struct("!HH")
_OPT: Final = Struct("!BHHBBHH")
_RD, _AD, _CD, _DO = 0x0100, 0x0020, 0x0010, 0x8000

COMMON_TYPES: Final = ("A", "AAAA", "TXT", "MX", "NS", "SOA", "CNAME", "DNAME", "HTTPS", "SVCB", "SRV", "DS", "PTR")
RARE_TYPES: Final = (
    *("DNSKEY", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "NAPTR", "CAA", "TLSA", "SSHFP", "LOC", "HINFO", "RP", "URI"),
    *("ANY", "CDS", "CDNSKEY", "NULL", "AFSDB", "OPENPGPKEY", "SPF", "TYPE65400", "TYPE65401", "TYPE65402"),
    *("TYPE65280", "TYPE65534", "TYPE666", "TYPE1234"),
)
PAYLOADS: Final = (0, 511, 512, 513, 700, 1000, 1232, 1232, 1232, 1400, 4096, 65535)
OPTIONS: Final = (
    b"",
    bytes.fromhex("fde90003616263"),  # an option code for experiments
    bytes.fromhex("00030000"),  # NSID
    bytes.fromhex("000b0000"),  # keepalive, which means nothing over UDP
    bytes.fromhex("0008000400010000"),  # ECS that reveals nothing
)
ODD: Final = 0.002
"""The share of questions with RD=0, and of those with another EDNS version. Unbound sends 100 errors a second."""
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True, slots=True)
class Edns:
    """The OPT of a question."""

    payload: int
    version: int = 0
    do: bool = False
    options: bytes = b""

    def wire(self) -> bytes:
        """Return the record as it is in a message."""
        flags = _DO if self.do else 0
        return _OPT.pack(0, 41, self.payload, 0, self.version, flags, len(self.options)) + self.options


@dataclass(frozen=True, slots=True)
class Asked:
    """One question and the way to ask it. `name` is in wire form, with letters as sent.

    `flags` are further flags of the header. `additional` are records in wire form after the OPT. `behind` are bytes
    after the last record.
    """

    name: bytes
    qtype: int
    rd: bool
    ad: bool
    cd: bool
    edns: Edns | None
    stream: bool
    qclass: int = dns.rdataclass.IN
    flags: int = 0
    additional: tuple[bytes, ...] = ()
    behind: bytes = b""

    @property
    def do(self) -> bool:
        """Return whether the question asks for DNSSEC records."""
        return self.edns is not None and self.edns.do

    @property
    def question(self) -> bytes:
        """Return the question section."""
        return self.name + _TAIL.pack(self.qtype, self.qclass)

    @property
    def text(self) -> str:
        """Return a readable form of the question."""
        bits = [bit for bit in ("rd", "ad", "cd") if getattr(self, bit)]
        name = dns.name.from_wire(self.name, 0)[0].to_text()
        how = "tcp" if self.stream else "udp"
        qclass = dns.rdataclass.to_text(dns.rdataclass.RdataClass.make(self.qclass))
        qtype = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(self.qtype))
        odd = f"{self.flags:#06x} {[each.hex() for each in self.additional]} {self.behind!r}"
        return f"{name} {qclass} {qtype} {how} {bits} {self.edns} {odd}"

    def wire(self) -> bytes:
        """Return the message, with the id 0."""
        flags = self.rd * _RD | self.ad * _AD | self.cd * _CD | self.flags
        records = [*([self.edns.wire()] if self.edns is not None else []), *self.additional]
        header = _HEADER.pack(0, flags, 1, 0, 0, len(records))
        return header + self.question + b"".join(records) + self.behind


@dataclass(frozen=True, slots=True)
class Names:
    """Names to ask for, by expected result. `types` are the types that exist at a name. Names are folded wire form."""

    existing: Sequence[bytes]
    empty: Sequence[bytes]
    wildcards: Sequence[bytes]
    """The names below which `*` exists."""
    trees: Sequence[bytes]
    """Owners of a DNAME, an alias or a delegation. Other rules apply below these names."""
    types: Mapping[bytes, Sequence[int]]

    @staticmethod
    def of(zones: Mapping[str, str]) -> "Names":
        """Return the names of zone files."""
        types: dict[bytes, list[int]] = {}
        empty: dict[bytes, None] = {}
        for apex, text in zones.items():
            zone = dns.zone.from_text(text, origin=apex, relativize=False)
            for owner, node in zone.nodes.items():
                types.setdefault(_wire(owner), []).extend(int(found.rdtype) for found in node.rdatasets)
                for labels in range(len(dns.name.from_text(apex)) + 1, len(owner)):
                    empty[_wire(owner.split(labels)[1])] = None
        stars = [name[2:] for name in types if name.startswith(b"\x01*")]
        ruled = {dns.rdatatype.DNAME, dns.rdatatype.CNAME, dns.rdatatype.NS}
        trees = [name for name, found in types.items() if ruled & set(found) and name not in stars]
        return Names(list(types), [name for name in empty if name not in types], stars, trees, types)


def questions(zones: Mapping[str, str], number: int, seed: int) -> list[Asked]:
    """Return `number` different questions about the zones, always the same for a seed.

    None of them asks for a host of one label: these are not forwarded.
    """
    draw = random.Random(seed)
    names = Names.of(zones)
    found: dict[Asked, None] = {}
    while len(found) < number:
        asked = _question(names, draw)
        if len(asked.name) != asked.name[0] + 2 or asked.qtype not in HOST_TYPES:
            found[asked] = None
    return list(found)


def _question(names: Names, draw: random.Random) -> Asked:
    name = _name(names, draw)
    return Asked(
        name=_case(name, draw),
        qtype=_qtype(names.types.get(name, ()), draw),
        rd=draw.random() > ODD,
        ad=draw.random() < 0.2,
        cd=draw.random() < 0.2,
        edns=_edns(draw),
        stream=draw.random() < 0.25,
    )


def _name(names: Names, draw: random.Random) -> bytes:
    match draw.choices(("existing", "empty", "wildcard", "tree", "absent", "outside"), (50, 5, 10, 15, 15, 5))[0]:
        case "existing":
            return draw.choice(names.existing)
        case "empty":
            return draw.choice(names.empty)
        case "wildcard":
            return _below(draw.choice(names.wildcards), draw)
        case "tree":
            known = draw.choice((b"\x01a", b"\x01b", b"\x01c", b"\x01b\x01a", b""))
            top = draw.choice(names.trees)
            return known + top if known and len(top) < 250 else _below(top, draw)
        case "outside":
            return _below(b"\0", draw)
        case _:
            return _below(draw.choice((*names.existing, *names.empty)), draw)


def _below(name: bytes, draw: random.Random) -> bytes:
    """Add up to three labels to a name, as far as there is room. Some labels are random bytes."""
    for _ in range(draw.randint(1, 3)):
        length = draw.choice((1, 2, 5, 8, 63))
        if len(name) + length + 1 > 255:
            break
        binary = draw.random() < 0.05
        label = draw.randbytes(length).lower() if binary else "".join(draw.choices(_LETTERS, k=length)).encode()
        name = bytes([length]) + label + name
    return name


def _qtype(existing: Sequence[int], draw: random.Random) -> int:
    choice = draw.random()
    if choice < 0.6 and existing:
        return draw.choice(existing)
    return int(dns.rdatatype.from_text(draw.choice(COMMON_TYPES if choice < 0.85 else RARE_TYPES)))


def _case(name: bytes, draw: random.Random) -> bytes:
    """Return the name with random upper and lower case, in two of five names."""
    if draw.random() > 0.4:
        return name
    out = bytearray(name)
    at = 0
    while out[at]:
        for index in range(at + 1, at + 1 + out[at]):
            if 0x61 <= out[index] <= 0x7A and draw.random() < 0.5:
                out[index] -= 0x20
        at += out[at] + 1
    return bytes(out)


def _edns(draw: random.Random) -> Edns | None:
    if draw.random() < 0.2:
        return None
    version = 1 if draw.random() < ODD else 0
    options = draw.choice(OPTIONS) if draw.random() < 0.15 else b""
    return Edns(draw.choice(PAYLOADS), version, draw.random() < 0.45, options)


def _wire(name: dns.name.Name) -> bytes:
    return name.to_digestable()
