"""Build messages for the wire tests: malformed ones from bytes, valid ones with dnspython."""

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from hypothesis import strategies as st

from dnsfilter.wire.names import parse_name
from dnsfilter.wire.query import HEADER, RECORD, Query, parse_query

QR = 0x8000


def message(
    *parts: bytes,
    id: int = 7,  # noqa: A002 - the field's own name
    flags: int = 0x0100,
    counts: tuple[int, int, int, int] = (1, 0, 0, 0),
) -> bytes:
    """Return a header with these counts, followed by `parts`."""
    return HEADER.pack(id, flags, *counts) + b"".join(parts)


def question(name: str = "www.example.org", qtype: int = 1, qclass: int = 1) -> bytes:
    """Return a question, uncompressed."""
    return parse_name(name) + qtype.to_bytes(2, "big") + qclass.to_bytes(2, "big")


def record(owner: bytes, rtype: int, rdata: bytes, ttl: int = 300, rclass: int = 1) -> bytes:
    """Return a record with its owner as given, compressed or not."""
    return owner + RECORD.pack(rtype, rclass, ttl, len(rdata)) + rdata


def opt(options: bytes = b"", payload: int = 1232, ttl: int = 0, owner: bytes = b"\0") -> bytes:
    """Return an OPT record."""
    return record(owner, 41, options, ttl, payload)


def asked(
    name: str = "www.example.org", qtype: str = "A", *, edns: int = -1, payload: int = 1232, do: bool = False
) -> Query:
    """Return a query as the server reads it."""
    wire = dns.message.make_query(name, qtype, use_edns=edns, payload=payload, want_dnssec=do, id=7).to_wire()
    query = parse_query(wire)
    assert isinstance(query, Query)
    return query


def answered(
    name: str = "www.example.org",
    qtype: str = "A",
    answer: tuple[str, ...] = (),
    authority: tuple[str, ...] = (),
    additional: tuple[str, ...] = (),
    *,
    rcode: int = 0,
    edns: int = -1,
) -> bytes:
    """Return an upstream's response from lines of zone text: owner, TTL, type, data."""
    response = dns.message.make_response(dns.message.make_query(name, qtype, use_edns=edns, payload=1232, id=7))
    response.flags |= dns.flags.RA
    response.set_rcode(dns.rcode.Rcode.make(rcode))
    sections = ((response.answer, answer), (response.authority, authority), (response.additional, additional))
    for section, lines in sections:
        for line in lines:
            owner, ttl, rtype, rdata = line.split(" ", 3)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", rtype, rdata))
    return response.to_wire(max_size=65535)


RICH = answered(
    "www.example.org",
    "A",
    (
        "www.example.org. 300 CNAME cdn.example.net.",
        "cdn.example.net. 60 A 192.0.2.1",
        "cdn.example.net. 60 A 192.0.2.2",
        "_sip._tcp.example.org. 60 SRV 1 2 5060 sip.example.org.",
        'example.org. 60 NAPTR 1 1 "s" "SIP+D2U" "" _sip._udp.example.org.',
        "example.org. 60 HTTPS 1 svc.example.org. alpn=h2",
    ),
    (
        "example.org. 3600 SOA ns.example.org. hostmaster.example.org. 1 2 3 4 5",
        "example.org. 3600 NS ns.example.org.",
        "example.org. 3600 MX 10 mail.example.org.",
    ),
    ("ns.example.org. 60 AAAA 2001:db8::1",),
    edns=0,
)
"""A response with compressed names of many kinds."""


@st.composite
def damaged(draw: st.DrawFn, sound: bytes) -> bytes:
    """Change, insert or delete a few bytes of a valid message. The result passes more checks than noise."""
    data = bytearray(sound)
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.integers(0, 3)):
            case 0:
                data[place : place + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                data[place : place + 2] = (0xC000 | draw(st.integers(0, len(data)))).to_bytes(2, "big")
            case 2:
                data[place:place] = draw(st.binary(max_size=6))
            case _:
                del data[place : place + draw(st.integers(1, 12))]
    return bytes(data)


def noise(sound: bytes) -> st.SearchStrategy[bytes]:
    """Return arbitrary bytes, and damaged versions of a valid message."""
    return st.one_of(
        st.binary(max_size=600), st.binary(max_size=300).map(lambda tail: sound[:12] + tail), damaged(sound)
    )


labels = st.lists(st.binary(min_size=1, max_size=63), min_size=0, max_size=6).filter(
    lambda found: sum(map(len, found)) + len(found) < 255
)
wire_names = labels.map(lambda found: b"".join(bytes([len(label)]) + label for label in found) + b"\0")
