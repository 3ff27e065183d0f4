"""Messages assembled byte by byte, because no library writes them."""

from typing import Final

import dns.name

IN, HS = 1, 4
A, NS, CNAME, SOA, NULL, MX, TXT, AAAA, DNAME, OPT, RRSIG, NSEC, NSEC3, SVCB, HTTPS, ANY = (
    *(1, 2, 5, 6, 10, 15, 16, 28, 39, 41, 46, 47, 50, 64, 65, 255),
)
HERE: Final = b"\xc0\x0c"
"""A pointer to the question's name."""


def header(flags: int, *counts: int, number: int = 0) -> bytes:
    """Return a header. Omitted counts are 0."""
    return b"".join(word.to_bytes(2, "big") for word in (number, flags, *counts, *(0,) * (4 - len(counts))))


def wire(name: str) -> bytes:
    """Return a name in wire form without compression."""
    return dns.name.from_text(name).to_digestable()


def question(name: str | bytes, qtype: int = A, qclass: int = IN) -> bytes:
    """Return a question. Its name is text or in wire form."""
    return (wire(name) if isinstance(name, str) else name) + qtype.to_bytes(2, "big") + qclass.to_bytes(2, "big")


def record(
    owner: bytes, rtype: int, rdata: bytes, *, ttl: int = 300, rclass: int = IN, length: int | None = None
) -> bytes:
    """Return a record, with `length` in place of the length of its data if given."""
    said = len(rdata) if length is None else length
    return owner + b"".join(
        (
            rtype.to_bytes(2, "big"),
            rclass.to_bytes(2, "big"),
            ttl.to_bytes(4, "big"),
            said.to_bytes(2, "big"),
            rdata,
        )
    )


def opt(options: bytes = b"", *, owner: bytes = b"\0", payload: int = 1232, ttl: int = 0x8000) -> bytes:
    """Return an OPT record with DO set."""
    return record(owner, OPT, options, ttl=ttl, rclass=payload)


def option(code: int, data: bytes = b"") -> bytes:
    """Return an EDNS option."""
    return code.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


def pointer(offset: int) -> bytes:
    """Return a compression pointer."""
    return (0xC000 | offset).to_bytes(2, "big")


def chain(start: int, hops: int, ends_at: int) -> bytes:
    """Return data for position `start`: pointers, each to the one before, the first to `ends_at`."""
    return b"".join(pointer(ends_at if hop == 0 else start + 2 * hop - 2) for hop in range(hops))


def records_at_a_chain(asked_for: bytes, records: int, hops: int, flags: int = 0x0100) -> bytes:
    """Return a message with records whose owner is the end of a chain of pointers in the first record's data."""
    head = header(flags, 1, 0, 0, records + 1) + asked_for
    start = len(head) + 11
    first = record(b"\0", TXT, chain(start, hops, 12))
    return head + first + record(pointer(start + 2 * hops - 2), A, bytes(4)) * records


def label_and_pointer(head: bytes) -> bytes:
    """Return `head` with data of labels that each point to the one before, and a record that the last one owns."""
    start = len(head) + 11
    steps = (0x3FF0 - start) // 4
    data = b"".join(b"\x01a" + pointer(12 if step == 0 else start + 4 * step - 4) for step in range(steps))
    return head + record(b"\0", TXT, data) + record(pointer(start + 4 * steps - 4), A, bytes(4))
