"""The corpus: queries and answers on which resolvers are known to have failed, and sound ones to start from.

The name of each says what is wrong with it. Answers are about `QNAME` and have id 0. The sender puts in the real id and
name with `addressed`. `python -m tests.fuzz.seeds DIRECTORY` writes all of them to files.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import dns.message
import dns.rcode
import dns.rrset

from tests.fuzz.wire_bytes import (
    ANY,
    CNAME,
    DNAME,
    HERE,
    HS,
    HTTPS,
    IN,
    MX,
    NSEC,
    NSEC3,
    NULL,
    OPT,
    RRSIG,
    SOA,
    SVCB,
    TXT,
    A,
    header,
    label_and_pointer,
    opt,
    option,
    pointer,
    question,
    record,
    records_at_a_chain,
    wire,
)

LABEL: Final = b"\x08n0000000"
QNAME: Final = "n0000000.example.org"
SIGNATURE: Final = "13 3 300 20300101000000 20200101000000 1 example.org. AAAA"
HASH: Final = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"
SOA_LINE: Final = "example.org. 300 SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 60"

# Queries.


def asked(name: str, qtype: str = "A", qclass: str = "IN", *, edns: bool = True, flags: int = 0x0100) -> bytes:
    """Return a sound query, made by dnspython."""
    message = dns.message.make_query(
        name, qtype, qclass, use_edns=edns, want_dnssec=edns and qtype == "HTTPS", payload=1232, id=7
    )
    return message.to_wire()[:2] + flags.to_bytes(2, "big") + message.to_wire()[4:]


def with_opt(*options: bytes, payload: int = 1232, ttl: int = 0x8000) -> bytes:
    """Return a query for www.tiktok.com that is sound except for the content of its OPT."""
    return header(0x0100, 1, 0, 0, 1) + question("www.tiktok.com") + opt(b"".join(options), payload=payload, ttl=ttl)


def _sound_queries() -> Iterator[tuple[str, bytes]]:
    yield "banned", asked("www.tiktok.com")
    yield "banned without opt", asked("wWw.TikTok.com", edns=False)
    yield "banned https, do", asked("www.tiktok.com", "HTTPS")
    yield "banned in chaos", asked("www.tiktok.com", "TXT", "CH")
    yield "banned any", asked("www.tiktok.com", "ANY")
    yield "banned, no recursion", asked("www.tiktok.com", flags=0)
    yield "plain", asked("plain.example.org")
    yield "plain, cd and ad", asked("plain.example.org", "AAAA", flags=0x0130)
    yield "plain, z bit", asked("plain.example.org", flags=0x0140)
    yield "unknown type", asked("plain.example.org", "TYPE65400")
    yield "special", asked("x.local", "ANY", edns=False)
    yield "reverse", asked("1.0.0.127.in-addr.arpa", "PTR")
    yield "signal", asked("mask.icloud.com", "HTTPS")
    yield "canary", asked("use-application-dns.net")
    yield "health", asked("health.dnsfilter.internal", "TXT")
    yield "probe", asked("probe.dnsfilter.internal", "TXT")
    yield "root", asked(".", "NS")
    yield "cookie", with_opt(option(10, b"12345678"))
    yield "keepalive", with_opt(option(11))
    yield "payload 0", with_opt(payload=0)
    yield "payload 65535", with_opt(payload=65_535)
    yield "edns 1 with options", with_opt(option(3), b"\xff", ttl=0x0001_8000)
    yield "edns flags", with_opt(ttl=0x0000_FFFF)
    yield "binary label", header(0x0100, 1) + question(b"\x04\xff\0\x80.\x03org\0")
    yield "one label tiktok.com", header(0x0100, 1) + question(b"\x0atiktok.com\0")
    yield "zero in a label", header(0x0100, 1) + question(b"\x08tik\0tok\0\x03com\0")
    yield "longest name", header(0x0100, 1) + question((b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"b" * 61 + b"\0")
    yield "127 labels", header(0x0100, 1) + question(b"\x01a" * 127 + b"\0")


def _faulty_queries() -> Iterator[tuple[str, bytes]]:
    base = question("www.tiktok.com")
    end = 12 + len(base)
    yield "no byte", b""
    yield "short header", header(0x0100, 1)[:11]
    yield "header only", header(0x0100, 1)
    yield "response", header(0x8180, 1) + base
    yield "no question", header(0x0100, 0, 0, 0, 1) + opt(option(10, b"12345678"))
    yield "two questions", header(0x0100, 2) + base + question("plain.example.org")
    yield "trailing bytes", header(0x0100, 1) + base + b"\0\0"
    yield "compressed question", header(0x0100, 1) + b"\x03www\xc0\x0c\0\1\0\1"
    yield "question points to itself", header(0x0100, 1) + question(HERE)
    yield "label type 01", header(0x0100, 1) + question(b"\x40" + b"a" * 64 + b"\0")
    yield "label type 10", header(0x0100, 1) + question(b"\x80abc\0")
    yield "name of 256 bytes", header(0x0100, 1) + question((b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"b" * 62 + b"\0")
    yield "200 labels", header(0x0100, 1) + question(b"\x01a" * 200 + b"\0")
    for opcode in (1, 2, 4, 5, 6, 15):
        yield f"opcode {opcode}", header(0x0100 | opcode << 11, 1) + base
    yield "opcode 15, header only", header(0x7900)
    yield "counts of 65535", header(0x0100, 1, *(0xFFFF,) * 3) + base
    yield "two opt", header(0x0100, 1, 0, 0, 2) + base + opt() * 2
    yield "opt with an owner", header(0x0100, 1, 0, 0, 1) + base + opt(owner=b"\x01a\0")
    yield "opt with a pointer to the root", header(0x0100, 1, 0, 0, 1) + base + opt(owner=pointer(end - 5))
    yield "opt in answer", header(0x0100, 1, 1) + base + opt()
    yield "opt in authority", header(0x0100, 1, 0, 1) + base + opt()
    yield "option stub of three bytes", with_opt(b"\0\x0a\0")
    yield "option runs out of the opt", with_opt(b"\0\x0a\0\x09" + bytes(8))
    yield "opt shorter than it says", header(0x0100, 1, 0, 0, 1) + base + record(b"\0", OPT, b"", length=4)
    yield "ecs of an odd family", with_opt(option(8, b"\xff\xff\xff\xff\1"))
    yield "16,000 empty options", with_opt(option(65_001) * 16_000)
    yield "250 nsid", with_opt(option(3) * 250)
    yield (
        "tsig",
        header(0x0100, 1, 0, 0, 1) + base + record(wire("key"), 250, wire("hmac-sha256") + bytes(16), rclass=255),
    )
    yield "sig(0) behind opt", header(0x0100, 1, 0, 0, 2) + base + opt() + record(b"\0", 24, bytes(19), rclass=255)
    yield "a record in answer", header(0x0100, 1, 1) + base + record(HERE, A, bytes(4))
    yield "cookie of nine bytes", with_opt(option(10, b"123456789"))
    yield "keepalive with a timeout", with_opt(option(11, b"\0\x64"))
    yield "type tkey", header(0x0100, 1) + question("www.tiktok.com", 249)
    yield "type nxname", header(0x0100, 1) + question("www.tiktok.com", 128)
    yield "type opt", header(0x0100, 1) + question("www.tiktok.com", OPT)
    yield "transfer", header(0x0100, 1) + question("tiktok.com", 252)
    yield "transfer with a soa", header(0x0100, 1, 0, 1) + question("tiktok.com", 251) + record(HERE, SOA, bytes(22))
    yield "62 records at a chain of 200", records_at_a_chain(question("www.tiktok.com", TXT), 62, 200)
    yield "3,900 records at a chain of 800", records_at_a_chain(question("www.tiktok.com", TXT), 3_900, 800)
    yield "16 kib of label and pointer", label_and_pointer(header(0x0100, 1, 0, 0, 2) + base)


# Answers.


def said(
    qtype: int,
    *records: bytes,
    authority: tuple[bytes, ...] = (),
    additional: tuple[bytes, ...] = (),
    flags: int = 0x8180,
    qclass: int = IN,
) -> bytes:
    """Return an answer assembled byte by byte."""
    counts = (1, len(records), len(authority), len(additional))
    return header(flags, *counts) + question(QNAME, qtype, qclass) + b"".join((*records, *authority, *additional))


def answered(
    qtype: str, *lines: str, authority: tuple[str, ...] = (), additional: tuple[str, ...] = (), rcode: int = 0
) -> bytes:
    """Return a sound answer made by dnspython, from lines of zone text about `@`, the question's name."""
    query = dns.message.make_query(QNAME, qtype, use_edns=0, payload=1232, want_dnssec=True, id=0)
    message = dns.message.make_response(query, recursion_available=True)
    message.set_rcode(dns.rcode.Rcode.make(rcode))
    sections = ((message.answer, lines), (message.authority, authority), (message.additional, additional))
    for section, texts in sections:
        for line in texts:
            owner, ttl, rtype, rdata = line.replace("@", f"{QNAME}.").split(" ", 3)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", rtype, rdata))
    return message.to_wire(max_size=65_535)


def _sound_answers() -> Iterator[tuple[str, bytes]]:
    yield "address", answered("A", "@ 300 A 198.51.100.1", "@ 20 A 198.51.100.2")
    yield "short-lived address", answered("A", "@ 2 A 198.51.100.1")
    yield "addresses and signature", answered("AAAA", "@ 300 AAAA 2001:db8::1", f"@ 300 RRSIG AAAA {SIGNATURE}")
    yield "alias to a banned name", answered("A", "@ 300 CNAME www.tiktok.com.", "www.tiktok.com. 300 A 192.0.2.100")
    yield "alias that leads out", answered("A", "@ 300 CNAME www.tiktok.com.")
    yield (
        "alias to a banned name, short-lived",
        answered(
            "A", "@ 2 CNAME hop.example.org.", "hop.example.org. 2 CNAME tiktok.com.", "tiktok.com. 2 A 192.0.2.100"
        ),
    )
    yield "alias of a banned name asked for", answered("CNAME", "@ 300 CNAME www.tiktok.com.")
    yield (
        "chain of eight",
        answered(
            "A",
            "@ 300 CNAME h0.example.org.",
            *(f"h{hop}.example.org. 300 CNAME h{hop + 1}.example.org." for hop in range(7)),
            "h7.example.org. 300 CNAME cdn.example.net.",
            "cdn.example.net. 300 A 192.0.2.100",
        ),
    )
    yield (
        "dname to a banned name",
        answered(
            "A",
            "example.org. 300 DNAME tiktok.com.",
            "@ 300 CNAME n0000000.tiktok.com.",
            "n0000000.tiktok.com. 300 A 192.0.2.100",
            f"example.org. 300 RRSIG DNAME {SIGNATURE}",
        ),
    )
    yield "dname alone", answered("AAAA", "example.org. 300 DNAME tiktok.com.")
    yield (
        "service at a banned name",
        answered(
            "HTTPS",
            "@ 300 HTTPS 1 www.tiktok.com. alpn=h2 ipv4hint=192.0.2.100",
            additional=("www.tiktok.com. 300 A 192.0.2.100",),
        ),
    )
    yield "service alias", answered("HTTPS", "@ 300 HTTPS 0 www.tiktok.com.")
    yield "service of its own", answered("SVCB", "@ 300 SVCB 1 . alpn=h2 port=8443 key65400=abc")
    yield "mail", answered("MX", "@ 300 MX 10 mail.example.org.", additional=("mail.example.org. 300 A 198.51.100.3",))
    yield "srv", answered("SRV", "@ 300 SRV 1 2 5060 sip.example.org.")
    yield "naptr", answered("NAPTR", '@ 300 NAPTR 1 1 "s" "SIP+D2U" "" _sip._udp.example.org.')
    yield "text of 5,000 bytes", answered("TXT", *(f'@ 300 TXT "{number:0250}"' for number in range(20)))
    yield "addresses beyond 512 bytes", answered("A", *(f"@ 300 A 198.51.100.{number}" for number in range(60)))
    yield "denial", answered("A", authority=(SOA_LINE,), rcode=3)
    yield (
        "denial with proofs",
        answered(
            "A",
            authority=(
                SOA_LINE,
                f"example.org. 300 RRSIG SOA {SIGNATURE}",
                "a.example.org. 300 NSEC z.example.org. A NS RRSIG NSEC TYPE1234",
                f"{HASH}.example.org. 300 NSEC3 1 1 12 aabbccdd {HASH} A",
            ),
            rcode=3,
        ),
    )
    yield (
        "signed denial that lasts for days",
        answered(
            "A",
            authority=(
                "example.org. 700000 SOA ns.example.org. h.example.org. 1 2 3 4 90000",
                f"example.org. 700000 RRSIG SOA {SIGNATURE}",
            ),
        ),
    )
    yield "nothing of the type", answered("AAAA", authority=(SOA_LINE,))
    yield (
        "referral",
        answered(
            "A", authority=("example.org. 300 NS ns.example.org.",), additional=("ns.example.org. 300 A 192.0.2.53",)
        ),
    )
    yield "empty, no recursion", said(A, flags=0x8100)
    yield "address, no recursion", said(A, record(HERE, A, b"\xc6\x33\x64\1"), flags=0x8100)
    yield "address, authoritative, no recursion", said(A, record(HERE, A, b"\xc6\x33\x64\1"), flags=0x8500)
    yield "denial, no recursion", said(A, flags=0x8103)
    yield "refusal", answered("A", rcode=5)
    yield "badcookie", answered("A", rcode=23)
    yield (
        "other names",
        answered("A", "@ 300 A 198.51.100.1", "www.tiktok.com. 300 A 192.0.2.9", "plain.example.org. 300 A 192.0.2.9"),
    )
    yield "unknown type", said(65_400, record(HERE, 65_400, b"\xc0\x0c\0\xff"))
    yield "unknown type, empty", said(65_400, record(HERE, 65_400, b""))
    yield "null, empty", said(NULL, record(HERE, NULL, b""))
    yield "hesiod", said(TXT, record(HERE, TXT, b"\1a", rclass=HS), qclass=HS)
    yield "addresses of another class", said(A, record(HERE, A, bytes(5), rclass=HS), qclass=HS)
    yield "binary labels", said(CNAME, record(HERE, CNAME, b"\x03\xff.\0\x0atiktok.com\0"))
    yield "ttl with the top bit", said(A, record(HERE, A, bytes(4), ttl=0xFFFF_FFFF))
    yield (
        "two aliases at a name",
        said(
            A,
            record(HERE, CNAME, wire("plain.example.org")),
            record(HERE, CNAME, wire("www.tiktok.com")),
            record(wire("www.tiktok.com"), A, b"\xc0\0\2\x64"),
            record(wire("plain.example.org"), A, b"\xc0\0\2\1"),
        ),
    )
    yield "alias loop", said(A, record(HERE, CNAME, wire("b.example.org")), record(wire("b.example.org"), CNAME, HERE))
    yield "alias to itself", said(A, record(HERE, CNAME, HERE))
    yield "dname that grows", said(A, record(pointer(21), DNAME, b"\x3f" + b"x" * 63 + pointer(21)))
    yield (
        "repeated soa, alias and dname",
        said(
            A,
            *(record(HERE, CNAME, wire("b.example.org")),) * 30,
            *(record(pointer(21), DNAME, wire("example.net")),) * 30,
            *(record(HERE, SOA, b"\0\0" + bytes(20)),) * 30,
            authority=(record(pointer(21), SOA, b"\0\0" + bytes(20)),) * 30,
        ),
    )


def _faulty_answers() -> Iterator[tuple[str, bytes]]:
    good = record(HERE, A, b"\xc6\x33\x64\1")
    yield "twelve bytes", header(0x8180, 1)
    yield "format error without question", header(0x8181)
    yield "truncated", said(A, flags=0x8380)
    yield "truncated within a record", said(A, good, flags=0x8380)[:-3]
    yield "trailing bytes", said(A, good) + b"\0"
    yield "two questions", header(0x8180, 2, 1) + question(QNAME) * 2 + good
    yield "address of five bytes", said(A, record(HERE, A, bytes(5)))
    yield "address longer than it says", said(A, record(HERE, A, bytes(5), length=4))
    yield "alias shorter than it says", said(A, record(HERE, CNAME, wire("b.example.org"), length=4), good)
    yield "alias past its data", said(A, record(HERE, CNAME, b"\x03www", length=4), good)
    yield "label type 01", said(CNAME, record(HERE, CNAME, b"\x40" + b"a" * 64 + b"\0"))
    yield "name of more than 255 bytes", said(CNAME, record(HERE, CNAME, (b"\x3f" + b"a" * 63) * 4 + HERE))
    yield "pointer to itself", said(A, record(pointer(38), A, bytes(4)))
    yield "pointer forwards", said(A, record(pointer(60), A, bytes(4)))
    yield "pointer into the header", said(A, record(pointer(0), A, bytes(4)))
    yield "two opt", said(A, good, additional=(opt(), opt()))
    yield "opt with an owner", said(A, good, additional=(opt(owner=HERE),))
    yield "opt in answer", said(A, good, opt())
    yield "opt first of the additional", said(A, good, additional=(opt(option(8, b"\0\1\x18\0\xc0\0\2")), good))
    yield "option stub of three bytes", said(A, good, additional=(opt(b"\0\x0a\0"),))
    yield "blocked elsewhere", said(A, additional=(opt(option(15, b"\0\x0fno")),), flags=0x8183)
    yield "bad version", said(A, additional=(opt(ttl=0x0101_0000),))
    yield "signature too short", said(A, good, record(HERE, RRSIG, b"\0\1" + bytes(10)))
    yield "signature without signer", said(RRSIG, record(HERE, RRSIG, b"\0\1" + bytes(16) + b"\x05abc"))
    yield "signature with compressed signer", said(A, good, record(HERE, RRSIG, b"\0\1" + bytes(16) + HERE + b"s"))
    for name, bitmap in (
        ("of no bytes", b"\0\0"),
        ("of 33 bytes", b"\0\x21" + bytes(33)),
        ("past its data", b"\0\x08\x40"),
        ("with windows backwards", b"\1\1\x40\0\1\x40"),
    ):
        proof = record(HERE, NSEC, wire("z.example.org") + bitmap)
        yield f"bitmap {name}", said(NSEC, proof, authority=(proof,))
    yield "nsec with a compressed name", said(NSEC, record(HERE, NSEC, HERE + b"\0\1\x40"))
    yield "nsec3 of odd lengths", said(NSEC3, record(HERE, NSEC3, b"\1\0\0\x0c\xffaa\xff"))
    yield "alpn past its data", said(HTTPS, record(HERE, HTTPS, b"\0\1\0" + b"\0\1\0\4\xffh2"))
    yield (
        "parameter past its data",
        said(HTTPS, record(HERE, HTTPS, b"\0\1" + wire("www.tiktok.com") + b"\0\4\0\xff\1")),
    )
    yield "service without target", said(SVCB, record(HERE, SVCB, b"\0\1"))
    yield "service with compressed target", said(SVCB, record(HERE, SVCB, b"\0\1" + HERE))
    yield "text past its data", said(TXT, record(HERE, TXT, b"\xffabc"))
    yield "text without strings", said(TXT, record(HERE, TXT, b""))
    yield "dnskey of two bytes", said(48, record(HERE, 48, b"\1\0"))
    yield "hhit and brid", said(67, record(HERE, 67, b"\1"), record(HERE, 68, b""))
    tsig = record(b"\0", 250, wire("hmac-sha256") + bytes(16), rclass=255, ttl=0)
    yield "tsig", said(A, good, additional=(tsig,))
    yield "tsig in answer", said(A, record(HERE, 250, bytes(17)), good)
    yield "sig(0)", said(A, good, additional=(record(b"\0", 24, bytes(19), rclass=255),))
    yield "records of type any", said(A, record(HERE, ANY, b"x"), good)
    yield "400 records at a chain of 200", records_at_a_chain(question(QNAME), 400, 200, 0x8180)
    yield "16 kib of label and pointer", label_and_pointer(header(0x8180, 1, 0, 0, 2) + question(QNAME))


def _big_answers() -> Iterator[tuple[str, bytes]]:
    text = record(HERE, TXT, b"\xfe" + bytes(254))
    late = record(wire("late.example.net"), MX, b"\0\1" + wire("late.example.net"))
    yield "names first seen past 16 kib", said(TXT, *(text,) * 70, additional=(late, late))
    names = (record(bytes((4, *f"{number:04}".encode())) + pointer(21), A, bytes(4)) for number in range(3_000))
    yield "3,000 names", said(A, *names)
    yield "65,000 bytes", said(TXT, *(text,) * 242)
    yield "4,000 addresses", said(A, *(record(HERE, A, number.to_bytes(4, "big")) for number in range(4_000)))
    yield "2,000 empty options", said(A, record(HERE, A, bytes(4)), additional=(opt(option(65_001) * 2_000),))


QUERIES: Final[Mapping[str, bytes]] = MappingProxyType(dict((*_sound_queries(), *_faulty_queries())))
ANSWERS: Final[Mapping[str, bytes]] = MappingProxyType(dict((*_sound_answers(), *_faulty_answers())))
BIG_ANSWERS: Final[Mapping[str, bytes]] = MappingProxyType(dict(_big_answers()))


def addressed(answer: bytes, asked: bytes, label: bytes) -> bytes:
    """Return an answer about `QNAME` with the id of the query, and with `label` in place of the name's first one.

    If the answer has an id other than 0, the result matches no pending question.
    """
    number = int.from_bytes(answer[:2], "big") ^ int.from_bytes(asked[:2], "big")
    return number.to_bytes(2, "big")[: len(answer)] + answer[2:].replace(LABEL, label)


def main(directory: Path) -> None:
    """Write every seed to a file named after it."""
    for kind, seeds in (("query", QUERIES), ("answer", {**ANSWERS, **BIG_ANSWERS})):
        (directory / kind).mkdir(parents=True, exist_ok=True)
        for name, data in seeds.items():
            (directory / kind / name.replace(" ", "_")).write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
