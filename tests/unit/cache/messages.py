"""Upstream messages for tests of the cache."""

from collections.abc import Sequence
from dataclasses import dataclass

from dnsfilter.cache.keys import CacheKey
from dnsfilter.wire.answer import Answer, parse_answer
from dnsfilter.wire.iana import Rcode, Type
from dnsfilter.wire.names import parse_name

TC = 0x0200


@dataclass(frozen=True)
class Rr:
    """One record in presentation form. `data` of a SOA is its MINIMUM, of an alias its target."""

    owner: str
    rtype: int
    ttl: int
    data: str = ""

    def wire(self) -> bytes:
        match self.rtype:
            case Type.A:
                rdata = bytes((192, 0, 2, 1))
            case Type.SOA:
                rdata = b"\0\0" + bytes(16) + int(self.data).to_bytes(4, "big")
            case Type.TXT:
                rdata = len(self.data).to_bytes(1, "big") + self.data.encode()
            case _:
                rdata = parse_name(self.data)
        head = parse_name(self.owner) + self.rtype.to_bytes(2, "big") + b"\0\x01" + self.ttl.to_bytes(4, "big")
        return head + len(rdata).to_bytes(2, "big") + rdata


def answer(
    name: str = "www.example.org",
    answers: Sequence[Rr] = (),
    authority: Sequence[Rr] = (),
    *,
    qtype: int = Type.A,
    rcode: int = Rcode.NOERROR,
    flags: int = 0x8180,
) -> Answer:
    counts = (1, len(answers), len(authority), 0)
    head = b"\x12\x34" + (flags | rcode).to_bytes(2, "big") + b"".join(count.to_bytes(2, "big") for count in counts)
    question = parse_name(name) + qtype.to_bytes(2, "big") + b"\0\x01"
    return parse_answer(head + question + b"".join(record.wire() for record in (*answers, *authority)))


def address(name: str = "www.example.org", ttl: int = 300) -> Answer:
    """Return an answer with one A record."""
    return answer(name, [Rr(name, Type.A, ttl)])


def denial(name: str = "www.example.org", ttl: int = 300, rcode: int = Rcode.NXDOMAIN) -> Answer:
    """Return a denial with a SOA: NXDOMAIN, or NODATA if `rcode` is NOERROR."""
    return answer(name, (), [Rr("example.org", Type.SOA, ttl, str(ttl))], rcode=rcode)


def failure(name: str = "www.example.org", rcode: int = Rcode.SERVFAIL) -> Answer:
    """Return an answer with only an rcode."""
    return answer(name, rcode=rcode)


def key(name: str = "www.example.org", view: int = 0, qtype: int = Type.A, *, do: bool = False) -> CacheKey:
    return CacheKey(view, parse_name(name), qtype, 1, do, False)
