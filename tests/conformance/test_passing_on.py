"""Legal data passes byte for byte, relayed messages can be parsed, and rewriting takes work in proportion to length."""

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.query import Query, parse_query
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, MECHELEN, data, query, running
from tests.support.raw_messages import ALLOWED, BANNED, PTR, A, answer_to, outcome_of, pointer, relayed, response
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, silent, truncated
from tests.support.scripted import reply as answering
from tests.support.starting import Start
from tests.support.work_counter import is_linear, steps
from tests.unit.wire.build import QR, message, opt, question, record

WITH_OPT = (1, 0, 0, 1)


# Legal data passes unchanged.


@each_row(
    ("qtype", "rdata"),
    [
        (65280, b""),
        (10, b""),
        (65281, b"\xc0\xff\xc0"),
        (16, b""),
        (16, b"\xff"),  # a string that claims to be longer than its record
        (68, bytes(3)),  # BRID
        (67, b"\xff" * 7),  # HHIT
        (48, b"\x01"),  # DNSKEY
        (29, b"\x01"),  # LOC
    ],
)
def test_data_without_names_passes_byte_for_byte(start: Start, qtype: int, rdata: bytes) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    lines = record(PTR, qtype, rdata)
    for _ in range(2):
        client = rig.send(message(question(ALLOWED, qtype), flags=0x0100))
        rig.settle()
        if held.asked:
            held.say(
                held.asked[0],
                answer_to(
                    held.asked[0], message(question(ALLOWED, qtype), lines, flags=QR | 0x180, counts=(1, 1, 0, 0))
                ),
            )
        got = rig.until(client.receive)
        assert got[12:] == question(ALLOWED, qtype) + lines
    assert len(held.asked) == 1


MALFORMED = {
    "a parameter without a length": (65, b"\0\x01\0\0"),
    "a value past the end": (65, b"\0\x01\0\0\x01\0\xff"),
    "an alpn string past its value": (64, b"\0\x01\0\0\x01\0\x03\xffh2"),
    "an empty alpn": (65, b"\0\x01\0\0\x01\0\0"),
    "a key twice": (65, b"\0\x01\0" + b"\0\x03\0\x02\0\x50" * 2),
    "keys out of order": (65, b"\0\x01\0\0\x03\0\x02\0\x50\0\x01\0\x03\x02h2"),
    "a port of one byte": (65, b"\0\x01\0\0\x03\0\x01\x50"),
    "a no-default-alpn with a value": (65, b"\0\x01\0\0\x02\0\x01\0"),
    "an ipv4hint of five bytes": (65, b"\0\x01\0\0\x04\0\x05" + bytes(5)),
    "an ipv6hint without addresses": (64, b"\0\x01\0\0\x06\0\0"),
    "half a mandatory key": (65, b"\0\x01\0\0\0\0\x01\0"),
    "a mandatory key that is missing": (65, b"\0\x01\0\0\0\0\x02\0\x01"),
    "a mandatory key missing between others": (65, b"\0\x01\0\0\0\0\x02\0\x02\0\x03\0\x02\0\x50"),
    "mandatory itself as mandatory": (65, b"\0\x01\0\0\0\0\x02\0\0\0\x03\0\x02\0\x50"),
    "a mandatory key twice": (65, b"\0\x01\0\0\0\0\x04" + b"\0\x03" * 2 + b"\0\x03\0\x02\0\x50"),
    "mandatory keys out of order": (
        64,
        b"\0\x01\0\0\0\0\x04\0\x03\0\x01\0\x01\0\x03\x02h2\0\x03\0\x02\0\x50",
    ),
    "a no-default-alpn without alpn": (65, b"\0\x01\0\0\x02\0\0"),
    "an empty window": (47, b"\x01z\0\0\0"),
    "a window of 33 bytes": (47, b"\x01z\0\0\x21" + bytes(33)),
    "a window past the end": (47, b"\x01z\0\0\x02\x40"),
    "windows out of order": (47, b"\x01z\0\x01\x01\x40\0\x01\x40"),
    "a window twice": (47, b"\x01z\0" + b"\0\x01\x40" * 2),
    "a bitmap that ends with 0": (47, b"\x01z\0\0\x02\x40\0"),
    "a window without types": (47, b"\x01z\0\0\x01\x40\x01\x01\0"),
    "an nsec3 bitmap that ends with 0": (50, b"\x01\0\0\0\0\x14" + bytes(20) + b"\0\x02\x40\0"),
    "a salt past the end": (50, b"\x01\0\0\0\xff"),
    "an empty hash": (50, b"\x01\0\0\0\0\0"),
    "a hash past the end": (50, b"\x01\0\0\0\0\x14" + bytes(19)),
    "an nsec3 window past the end": (50, b"\x01\0\0\0\0\x14" + bytes(20) + b"\0\x02\x40"),
}
SOUND = {
    "every known parameter": (
        65,
        b"\0\x01\0\0\0\0\x02\0\x01\0\x01\0\x03\x02h2\0\x02\0\0\0\x03\0\x02\0\x50"
        + b"\0\x04\0\x04"
        + bytes(4)
        + b"\0\x06\0\x10"
        + bytes(16),
    ),
    "two mandatory keys and one that is not": (
        64,
        b"\0\x01\0\0\0\0\x04\0\x01\0\x03\0\x01\0\x03\x02h2\0\x02\0\0\0\x03\0\x02\0\x50",
    ),
    "an unknown parameter": (64, b"\0\x01\0\xff\x00\0\0"),
    "no bitmap": (47, b"\x01z\0"),
    "two windows": (47, b"\x01z\0\0\x01\x40\x01\x20" + bytes(31) + b"\x01"),
    "an nsec3 without types": (50, b"\x01\0\0\0\x02ab\x14" + bytes(20)),
}


WELL_FORMED = dict(reversed(SOUND.values()))


def answer_of(asked: Asked, qtype: int, rdata: bytes) -> bytes:
    lines = record(PTR, qtype, rdata)
    return answer_to(asked, message(question(ALLOWED, qtype), lines, flags=QR | 0x180, counts=(1, 1, 0, 0)))


@each_row(("qtype", "rdata"), MALFORMED.values(), ids=MALFORMED)
def test_data_that_breaks_the_rules_of_its_type_hands_over_to_the_next_server(
    start: Start, qtype: int, rdata: bytes
) -> None:
    sound = Scripted(lambda asked: (answer_of(asked, qtype, WELL_FORMED[qtype]),))
    rig = start(office(), Scripted(lambda asked: (answer_of(asked, qtype, rdata),)), sound)
    wire = message(question(ALLOWED, qtype), opt(ttl=0x8000), counts=WITH_OPT)
    for transport in Transport:
        assert len(rig.ask(wire, MECHELEN, transport).answer) == 1
    assert [len(upstream.asked) for upstream in rig.upstreams] == [1, 1]


@each_row(("qtype", "rdata"), SOUND.values(), ids=SOUND)
def test_valid_data_of_each_type_passes_byte_for_byte(start: Start, qtype: int, rdata: bytes) -> None:
    rig = start(office(), Scripted(lambda asked: (answer_of(asked, qtype, rdata),)))
    client = rig.send(message(question(ALLOWED, qtype), flags=0x0100))
    assert rig.until(client.receive)[12:] == question(ALLOWED, qtype) + record(PTR, qtype, rdata)


@each_row("qtype", ["A", "CNAME"])
def test_an_alias_that_contradicts_its_dname_hands_over_to_the_next_server(start: Start, qtype: str) -> None:
    dname = "example.org. 300 DNAME example.net."

    def leading(to: str) -> Scripted:
        lines = (dname, f"{ALLOWED}. 300 CNAME {to}.", f"{to}. 300 A 198.51.100.1")
        return Scripted(lambda asked: (answering(asked, lines),))

    rig = start(office(), leading("www.example.com"), leading("www.example.net"))
    assert "CNAME www.example.net." in data(rig.ask(query(ALLOWED, qtype)))
    assert [len(upstream.asked) for upstream in rig.upstreams] == [1, 1]


@each_row("parameters", [b"", b"\0\x01\0\x03\x02h2"])
@each_row("qtype", [64, 65])
def test_a_banned_target_is_found_before_its_parameters(start: Start, qtype: int, parameters: bytes) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    wire = message(question(ALLOWED, qtype), opt(), counts=WITH_OPT)
    waiting = [rig.send(wire, client) for client in (GHENT, MECHELEN)]
    rig.until_asked(1)
    bound = record(PTR, qtype, b"\0\x01\x03wWw\x06TikTok\x03com\0" + parameters)
    held.say(
        held.asked[0],
        answer_to(held.asked[0], message(question(ALLOWED, qtype), bound, flags=QR | 0x180, counts=(1, 1, 0, 0))),
    )
    refused, passed = (rig.until(client.receive) for client in waiting)
    assert refused[3] & 15 == dns.rcode.REFUSED
    assert refused[6:8] == b"\0\0"
    assert bound[12:] in passed


# OPT and its options.


def test_sixteen_thousand_empty_options_cost_no_more_than_their_length(start: Start) -> None:
    rig = start(office(), internet())
    queries = [message(question(BANNED), opt(b"\0\x03\0\0" * n), counts=WITH_OPT) for n in (2000, 4000, 8000, 16_000)]
    for wire in queries:
        reply = dns.message.from_wire(outcome_of(rig, wire, Transport.TCP))
        assert (reply.rcode(), len(reply.options)) == (dns.rcode.REFUSED, 1)
    assert is_linear([steps(lambda wire=wire: parse_query(wire)) for wire in queries])  # type: ignore[misc]
    last = parse_query(queries[-1])
    assert isinstance(last, Query)
    assert last.edns is not None
    assert len(last.edns.options) <= 32


# Answers beyond 16 KiB, and answers with many names.


def big(*, junk: int, signed: bool) -> dns.message.Message:
    """Return about 18 KB of TXT, then owner names that no pointer can reach.

    `junk` is the number of records that the question does not lead to.
    """
    found = dns.message.make_response(dns.message.make_query(ALLOWED, "TXT", use_edns=0), recursion_available=True)
    strings = [f'"{number:03}{"x" * 247}"' for number in range(70)]
    found.answer.append(dns.rrset.from_text(f"{ALLOWED}.", 300, "IN", "TXT", *strings))
    if signed:
        signature = "TXT 13 3 300 20300101000000 20200101000000 1 example.org. AAAA"
        found.answer.append(dns.rrset.from_text(f"{ALLOWED}.", 300, "IN", "RRSIG", signature))
    for number in range(junk):
        found.answer.append(dns.rrset.from_text(f"junk{number}.example.net.", 300, "IN", "A", "192.0.2.1"))
    found.authority.append(dns.rrset.from_text("org.", 300, "IN", "NS", "a.late.example.com.", "b.late.example.com."))
    for name in ("a.late.example.com.", "b.late.example.com."):
        found.additional.append(dns.rrset.from_text(name, 300, "IN", "A", "192.0.2.1", "192.0.2.2"))
    return found


def reached(found: dns.message.Message) -> list[list[str]]:
    """Return the record sets that the question leads to, as text for each section. Leave out signatures."""
    return [
        sorted(
            line
            for rrset in section
            for line in rrset.to_text().splitlines()
            if not line.startswith("junk") and rrset.rdtype != dns.rdatatype.RRSIG
        )
        for section in (found.answer, found.authority, found.additional)
    ]


@each_row("junk", [0, 1, 40])
@each_row("signed", [False, True])
@each_row("warm", [False, True])
def test_an_answer_beyond_16_kib_arrives_as_it_was_said(start: Start, junk: int, signed: bool, warm: bool) -> None:
    rig = start(office(), Scripted(lambda sent: [truncated(sent)]))
    said = big(junk=junk, signed=signed)
    raw = said.to_wire(max_size=65535)
    for _ in range(2 if warm else 1):
        waiting = rig.begin(query(ALLOWED, "TXT"), transport=Transport.TCP)
        if not rig.upstream.asked or rig.by_stream:
            rig.until(lambda: b"" if rig.by_stream else None)
            rig.complete(lambda _upstream, sent: sent[:2] + raw[2:])
        got = waiting()
        assert reached(got) == reached(said)
        assert len(got.answer) == 1
    assert len(rig.forwarded) == 1


def many_names(count: int, junk: bool) -> bytes:
    """Return an answer with `count` distinct names, each compressed in data and as owner. `junk` adds one record."""
    head = [A, record(b"\x04junk" + pointer(16), 1, bytes(4))] if junk else [A]
    servers = [record(pointer(16), 2, b"\x05n" + b"%04d" % number + pointer(16)) for number in range(count)]
    addresses = [record(b"\x05n" + b"%04d" % number + pointer(16), 1, bytes(4)) for number in range(0, count, 3)]
    return response(*head, *servers, *addresses, counts=(len(head), len(servers), len(addresses)))


@each_row("junk", [False, True])
def test_three_thousand_names_are_relayed_with_work_in_proportion(junk: bool) -> None:
    answers = [many_names(count, junk) for count in (275, 550, 1100, 2200)]
    assert is_linear([steps(lambda raw=raw: relayed(raw)) for raw in answers])  # type: ignore[misc]
    assert len(answers[-1]) > 60_000
    read = dns.message.from_wire(relayed(answers[-1]))
    assert data(read) == ["A 198.51.100.99"]
    names = {str(rdata) for rrset in read.authority for rdata in rrset}
    if not junk:
        assert len(names) == 2200
        assert len(read.additional) == 734


def test_thousands_of_aliases_in_any_order_cost_their_length() -> None:
    def chain(count: int, step: int) -> bytes:
        links = [
            record(b"\x05c" + b"%04d" % at + pointer(16), 5, b"\x05c" + b"%04d" % (at + 1) + pointer(16))
            for at in sorted(range(count), key=lambda at: at * step % count)
        ]
        return response(record(PTR, 5, b"\x05c0000" + pointer(16)), *links)

    for step in (1, -1, 7):
        answers = [chain(count, step) for count in (250, 500, 1000, 2000)]
        assert is_linear([steps(lambda raw=raw: relayed(raw)) for raw in answers])  # type: ignore[misc]
        assert len(dns.message.from_wire(relayed(answers[-1])).answer) <= 17


# Repeated records and truncated records.


@each_row("banned_first", [True, False])
def test_of_two_aliases_at_one_name_only_the_judged_one_is_passed_on(start: Start, banned_first: bool) -> None:
    to_banned = ("www.example.org. 300 CNAME www.tiktok.com.", "www.tiktok.com. 300 A 192.0.2.100")
    to_other = ("www.example.org. 300 CNAME plain.example.org.", "plain.example.org. 300 A 198.51.100.10")
    lines = (*to_banned, *to_other) if banned_first else (*to_other, *to_banned)

    def behave(sent: Asked) -> list[bytes]:
        return [each(sent, lines)]

    rig = start(office(), Scripted(behave))
    if banned_first:
        assert rig.ask(query(ALLOWED)).rcode() == dns.rcode.REFUSED
    else:
        assert data(rig.ask(query(ALLOWED))) == ["CNAME plain.example.org.", "A 198.51.100.10"]
    unbanned = data(rig.ask(query(ALLOWED), MECHELEN))
    assert len(unbanned) == 2


def each(sent: Asked, lines: tuple[str, ...]) -> bytes:
    """Return a reply with each line as its own record. dnspython would keep only one CNAME."""
    found = message(question(ALLOWED), flags=QR | 0x0180, counts=(1, len(lines), 0, 0))
    for line in lines:
        owner, ttl, rtype, rdata = line.split(" ", 3)
        one = dns.rrset.from_text(owner, int(ttl), "IN", rtype, rdata)
        found += record(one.name.to_wire() or b"", int(one.rdtype), one[0].to_wire() or b"", int(ttl))
    return sent.message[:2] + found[2:]


@each_row("banned_first", [True, False])
def test_of_two_dnames_at_one_name_only_the_judged_one_is_passed_on(start: Start, banned_first: bool) -> None:
    lines = [
        "example.org. 300 DNAME tiktok.com.",
        "example.org. 300 DNAME example.net.",
        "www.example.net. 300 A 203.0.113.1",
        "www.tiktok.com. 300 A 192.0.2.100",
    ]
    if not banned_first:
        lines[:2] = reversed(lines[:2])
    rig = start(office(), Scripted(lambda sent: [each(sent, tuple(lines))]))
    if banned_first:
        assert rig.ask(query(ALLOWED)).rcode() == dns.rcode.REFUSED
    else:
        assert data(rig.ask(query(ALLOWED))) == ["DNAME example.net.", "CNAME www.example.net.", "A 203.0.113.1"]
    assert len(data(rig.ask(query(ALLOWED), MECHELEN))) == 3


def test_of_many_soas_the_shortest_bounds_the_denial(start: Start) -> None:
    soas = b"".join(record(PTR, 6, PTR + PTR + bytes(16) + ttl.to_bytes(4, "big"), 600) for ttl in (300, 5, 100))
    denied = message(question(ALLOWED), soas, flags=QR | 0x0183, counts=(1, 0, 3, 0))
    rig = start(office(), Scripted(lambda sent: [answer_to(sent, denied)]))
    for later_s, forwarded in ((0, 1), (4, 1), (6, 2)):
        rig.clock.now_ns = (1 + later_s) * 1_000_000_000
        assert rig.ask(query(ALLOWED)).rcode() == dns.rcode.NXDOMAIN
        assert len(rig.forwarded) == forwarded


CUT = {
    46: bytes(18) + b"\x07example\x03org\0" + b"signature",
    47: b"\x01z\x07example\x03org\0" + b"\0\x06\x40\0\0\0\0\x03",
    50: b"\x01\0\0\x0a\x04salt\x14" + bytes(20) + b"\0\x06\x40\0\0\0\0\x02",
    64: b"\0\x01\x03svc\x07example\x03org\0" + b"\0\x01\0\x03\x02h2",
    65: b"\0\x01\x03svc\x07example\x03org\0" + b"\0\x01\0\x03\x02h2",
}


@each_row("rtype", CUT)
def test_data_cut_anywhere_is_discarded_or_passed_as_it_is_and_harms_nothing(kind: str, rtype: int) -> None:
    with running(kind, office(), Scripted(silent)) as rig:
        held = rig.upstream
        for number, size in enumerate(range(len(CUT[rtype]) + 1)):
            name = f"n{number}.example.org"
            held.asked.clear()
            client = rig.send(message(question(name, rtype), opt(ttl=0x8000), counts=WITH_OPT))
            rig.until_asked(1)
            cut = message(
                question(name, rtype), record(PTR, rtype, CUT[rtype][:size]), flags=QR | 0x180, counts=(1, 1, 0, 0)
            )
            held.say(held.asked[0], answer_to(held.asked[0], cut))
            rig.settle()
            got = client.receive()
            if got is None:
                held.say(held.asked[0], answering(held.asked[0], rcode=dns.rcode.NXDOMAIN))
                assert rig.until(client.receive)[3] & 15 == dns.rcode.NXDOMAIN
                assert size < len(CUT[rtype])
            else:
                assert got[12:].startswith(question(name, rtype) + record(PTR, rtype, CUT[rtype][:size]))
            client.close()
