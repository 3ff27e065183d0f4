"""Sizes: what a datagram may hold, where an answer is cut, and that TCP gives all of it.

RFC 1035 section 4.2.1, RFC 2181 section 9, RFC 6891 sections 6.2.3 to 6.2.5, RFC 7766 section 5, RFC 9715.
"""

from base64 import b64encode
from collections.abc import Sequence

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from dnsfilter.engine.interface import Miss, Reply
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import office
from tests.support.engines import GHENT, Rig, data, edes, query
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Behaviour, Scripted, fails, reply, truncated
from tests.support.starting import Start

NAME = "large.example.org"
HEADER, OPT = 12, 11
CACHE_BYTES = 16_000_000
Lines = Sequence[str]


def signature(owner: str, covered: str, raw: int = 256) -> str:
    """Return an RRSIG line with a signature of this size in bytes."""
    made = b64encode(bytes(raw)).decode()
    labels = owner.count(".") + 1
    return f"{owner}. 300 RRSIG {covered} 8 {labels} 300 20300101000000 20200101000000 4242 example.org. {made}"


ADDRESSES = [f"{NAME}. 300 A 192.0.2.{number}" for number in range(1, 101)]
ALIASES = [f"{NAME}. 300 CNAME one.example.org.", "one.example.org. 300 CNAME two.example.net."]
SERVERS = [f"example.org. 300 NS ns{number}.example.org." for number in range(1, 7)]
GLUE = [f"ns{number}.example.org. 300 A 192.0.2.{number + last}" for number in range(1, 7) for last in (0, 10, 20, 30)]
GLUE6 = [f"ns{number}.example.org. 300 AAAA 2001:db8::{number + last}" for number in range(1, 7) for last in (0, 64)]
TEXTS = [f'{NAME}. 300 TXT "{chr(97 + number) * 200}"' for number in range(12)]
DENIAL = [
    "example.org. 300 SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 300",
    signature("example.org", "SOA"),
    "a.example.org. 300 NSEC z.example.org. A AAAA RRSIG NSEC",
    signature("a.example.org", "NSEC"),
    "example.org. 300 NSEC a.example.org. NS SOA RRSIG NSEC DNSKEY",
    signature("example.org", "NSEC"),
]
SHAPES: dict[str, tuple[str, int, tuple[Lines, Lines, Lines]]] = {
    "one set": ("A", 0, (ADDRESSES, (), ())),
    "aliases": ("A", 0, ([*ALIASES, *(line.replace(NAME, "two.example.net") for line in ADDRESSES)], (), ())),
    "text": ("TXT", 0, (TEXTS, (), ())),
    "with servers": ("A", 0, (ADDRESSES[:20], SERVERS, [*GLUE, *GLUE6])),
    "additional alone": ("NS", 0, ([line.replace("example.org", NAME, 1) for line in SERVERS], (), [*GLUE, *GLUE6])),
    "signed": (
        "A",
        0,
        (
            [*ADDRESSES[:4], signature(NAME, "A")],
            [*SERVERS[:2], signature("example.org", "NS")],
            [*GLUE[:8], signature("ns1.example.org", "A")],
        ),
    ),
    "signed denial": ("A", 3, ((), DENIAL, ())),
}
"""Type, rcode and sections of answers that are larger than a datagram of 512 bytes."""


def upstream_of(qtype_rcode_sections: tuple[str, int, tuple[Lines, Lines, Lines]]) -> Scripted:
    """Return an upstream with this answer, which needs more than 1,232 bytes. Over UDP it sends only TC."""
    _, rcode, sections = qtype_rcode_sections

    def behave(asked: Asked) -> tuple[bytes, ...]:
        return (reply(asked, *sections, rcode=rcode) if asked.by_stream else truncated(asked),)

    return Scripted(behave)


def over_tcp(rig: Rig, message: bytes, client: str = GHENT) -> bytes:
    """Return the reply over TCP, from the cache or from upstream over TCP."""
    outcome = rig.judge(message, client, Transport.TCP)
    if isinstance(outcome, Reply):
        return outcome.message
    assert isinstance(outcome, Miss)
    ticket = rig.forward(outcome)
    rig.until(lambda: b"" if rig.by_stream else None)
    rig.complete()
    return rig.until(lambda: rig.answered.pop(ticket, None))


def over_udp(rig: Rig, message: bytes) -> bytes:
    """Return the datagram for a question that the cache can answer."""
    outcome = rig.judge(message)
    assert isinstance(outcome, Reply)
    return outcome.message


def parsed(message: bytes) -> dns.message.Message:
    """Return the message, which must be complete to its last byte."""
    return dns.message.from_wire(message, ignore_trailing=False)


def records(sections: Sequence[Sequence[dns.rrset.RRset]]) -> list[list[str]]:
    """Return the records of each section as text, in order."""
    return [[line for rrset in section for line in rrset.to_text().splitlines()] for section in sections]


@each_row("shape", SHAPES)
def test_a_datagram_of_any_size_is_cut_between_records_and_says_so(start: Start, shape: str) -> None:
    qtype = SHAPES[shape][0]
    rig = start(office(), upstream_of(SHAPES[shape]), cache_bytes=CACHE_BYTES)
    complete = over_tcp(rig, query(NAME, qtype, do=True, id=7))
    all_of_it = parsed(complete)
    assert not all_of_it.flags & dns.flags.TC
    kept: set[bytes] = set()
    for payload in range(512, 1233):
        found = over_udp(rig, query(NAME, qtype, do=True, payload=payload, id=7))
        assert len(found) <= payload
        if found in kept:
            continue  # the checks of the same bytes have passed
        kept.add(found)
        # Except header and OPT, the bytes are those of the complete reply. Parsing shows that they end between records.
        assert complete[HEADER:].startswith(found[HEADER:-OPT])
        message = parsed(found)
        assert message.edns == 0
        assert message.rcode() == all_of_it.rcode()
        needed = [(all_of_it.answer, all_of_it.authority), (message.answer, message.authority)]
        lost = records(needed[0]) != records(needed[1])
        assert bool(message.flags & dns.flags.TC) is lost
        assert message.additional == all_of_it.additional[: len(message.additional)]
    assert len({len(found) for found in kept}) > 1
    assert len(rig.upstream.asked) == 2


def test_nothing_is_cut_that_has_room(start: Start) -> None:
    # Each record takes 16 bytes, so one more record would not fit.
    rig = start(office(), upstream_of(SHAPES["one set"]), cache_bytes=CACHE_BYTES)
    over_tcp(rig, query(NAME))
    for payload in range(512, 1233):
        assert payload - 16 < len(over_udp(rig, query(NAME, payload=payload))) <= payload


@each_row("shape", SHAPES)
@each_row(
    ("payload", "as_if"), [(0, 512), (1, 512), (511, 512), (1233, 1232), (1400, 1232), (4096, 1232), (65535, 1232)]
)
def test_a_payload_below_512_counts_as_512_and_one_above_1232_as_1232(
    start: Start, shape: str, payload: int, as_if: int
) -> None:
    qtype = SHAPES[shape][0]
    rig = start(office(), upstream_of(SHAPES[shape]), cache_bytes=CACHE_BYTES)
    over_tcp(rig, query(NAME, qtype, do=True))
    asked, meant = (query(NAME, qtype, do=True, payload=size, id=7) for size in (payload, as_if))
    assert over_udp(rig, asked) == over_udp(rig, meant)


def test_a_datagram_without_opt_has_at_most_512_bytes_and_no_opt(start: Start) -> None:
    rig = start(office(), upstream_of(SHAPES["one set"]), cache_bytes=CACHE_BYTES)
    complete = over_tcp(rig, query(NAME, edns=False, id=7))
    found = over_udp(rig, query(NAME, edns=False, id=7))
    message = parsed(found)
    assert 512 - 16 < len(found) <= 512
    assert complete[HEADER:].startswith(found[HEADER:])
    assert message.edns == -1
    assert message.flags & dns.flags.TC


def test_the_socket_sends_what_was_cut(start: Start) -> None:
    rig = start(office(), upstream_of(SHAPES["one set"]), cache_bytes=CACHE_BYTES)
    over_tcp(rig, query(NAME))
    for payload in (512, 1232, 4096):
        asked = query(NAME, payload=payload, id=7)
        client = rig.send(asked)
        assert rig.until(client.receive) == over_udp(rig, asked)


@each_row("edns", [0, False])
@each_row("payload", [512, 1232])
@each_row("number", [20, 80, 300])
def test_the_same_question_over_tcp_gives_all(start: Start, number: int, payload: int, edns: int | bool) -> None:
    # Replies of 4, 16 and 60 kilobytes. The payload size of a client does not limit TCP (RFC 6891 section 6.2.5).
    lines = [f'{NAME}. 300 TXT "{count:03}{"x" * 187}"' for count in range(number)]
    rig = start(office(), upstream_of(("TXT", 0, (lines, SERVERS, GLUE))), cache_bytes=CACHE_BYTES)
    asked = query(NAME, "TXT", edns=edns, payload=payload)
    for _ in range(2):  # once from upstream over TCP, once from the cache
        message = parsed(over_tcp(rig, asked))
        assert not message.flags & dns.flags.TC
        assert data(message) == [line.replace(f"{NAME}. 300 ", "") for line in lines]
        assert sum(map(len, message.authority)) == len(SERVERS)
        assert sum(map(len, message.additional)) == len(GLUE)
    assert parsed(over_udp(rig, asked)).flags & dns.flags.TC
    assert [one.by_stream for one in rig.upstream.asked] == [False, True]


def test_names_beyond_the_reach_of_a_pointer_are_complete_over_tcp(start: Start) -> None:
    # A pointer reaches 16,383 bytes. Records outside the chain make the engine rebuild the message.
    texts = [f'two.example.net. 300 TXT "{count:03}{"y" * 240}"' for count in range(70)]
    extra = ["extra.example.org. 300 A 192.0.2.1"]
    late = [f"{('example.net', 'net')[count % 2]}. 300 NS ns{count}.late.example.com." for count in range(40)]
    rig = start(office(), upstream_of(("TXT", 0, ([*ALIASES, *texts, *extra], late, ()))), cache_bytes=CACHE_BYTES)
    message = parsed(over_tcp(rig, query(NAME, "TXT")))
    assert len([line for line in data(message) if line.startswith("TXT")]) == len(texts)
    assert sorted(records([message.authority])[0]) == sorted(late_line(line) for line in late)


def late_line(line: str) -> str:
    """Return a line of zone text as dnspython prints it."""
    owner, ttl, rest = line.split(" ", 2)
    return f"{owner} {ttl} IN {rest}"


def of_size(raw: int, ttl: int) -> Behaviour:
    """Return an upstream whose TXT answer has `raw` bytes without OPT, and this TTL."""

    def behave(asked: Asked) -> tuple[bytes, ...]:
        if not asked.by_stream:
            return (truncated(asked),)
        bare = dns.message.make_query(NAME, "TXT", id=asked.id)
        one = Asked(bare.to_wire(), asked.name, asked.qtype, asked.by_stream, asked.peer)
        # 12 bytes for the record itself, and one for the length of each string of at most 255 bytes.
        room = raw - len(bare.to_wire()) - 12
        strings = ["x" * 255] * (room // 256)
        strings += ["x" * (room % 256 - 1)] if room % 256 else []
        found = reply(one, [f"{NAME}. {ttl} TXT " + " ".join(f'"{text}"' for text in strings)])
        assert len(found) == raw
        return (found,)

    return behave


@each_row(
    ("raw", "expected"),
    [(60_000, [3]), (65_500, [3]), (65_518, [3]), (65_519, []), (65_524, [])],
)
def test_a_stale_answer_near_the_bound_of_a_stream_loses_its_extended_error_rather_than_overflow(
    start: Start, raw: int, expected: list[int]
) -> None:
    # 11 bytes of OPT and 6 of an extended error without text count towards 65,535.
    rig = start(office(), Scripted(of_size(raw, ttl=60)), cache_bytes=CACHE_BYTES)
    asked = query(NAME, "TXT")
    fresh = over_tcp(rig, asked)
    assert len(fresh) == raw + OPT
    rig.pass_time(60_000)
    rig.upstream.behave = fails(dns.rcode.SERVFAIL)
    wait = rig.begin(asked, transport=Transport.TCP)
    stale = wait()
    assert [code for code, _ in edes(stale)] == expected
    assert stale.edns == 0
    assert stale.answer == parsed(fresh).answer
    assert [rrset.ttl for rrset in stale.answer] == [30]
    assert not stale.flags & dns.flags.TC


def test_a_tcp_client_gets_an_error_if_not_even_opt_fits(start: Start) -> None:
    rig = start(office(), Scripted(of_size(65_535, ttl=60)), cache_bytes=CACHE_BYTES)
    found = over_tcp(rig, query(NAME, "TXT"))
    message = parsed(found)
    assert (message.answer, message.edns) == ([], 0)
    assert message.flags & dns.flags.TC
    bare = parsed(over_tcp(rig, query(NAME, "TXT", edns=False)))
    assert len(bare.answer) == 1
    assert not bare.flags & dns.flags.TC


def test_do_costs_others_nothing(start: Start) -> None:
    # Signatures do not truncate the answer of a client that did not ask for them.
    rig = start(office(), upstream_of(SHAPES["signed"]), cache_bytes=CACHE_BYTES)
    over_tcp(rig, query(NAME, do=True))
    over_tcp(rig, query(NAME))
    with_do, without = (parsed(over_udp(rig, query(NAME, do=do, payload=512))) for do in (True, False))
    assert with_do.flags & dns.flags.TC
    assert not without.flags & dns.flags.TC
    assert len(without.answer[0]) == 4
