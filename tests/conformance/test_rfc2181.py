"""RFC 2181: record sets and their TTLs, names of arbitrary bytes, truncated answers."""

import dns.flags
import dns.message
import dns.rcode

from dnsfilter.engine.interface import Miss
from dnsfilter.telemetry.metrics import Transport
from tests.conformance.raw import QUESTION, answers
from tests.conformance.ways import bytes_of
from tests.contract.cases import RECORDS, office
from tests.support.engines import MECHELEN, data, query, ttls
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, reply, says, truncated
from tests.support.starting import Start
from tests.unit.wire.build import record

NAME = "plain.example.org"
TRUTH = ["A 198.51.100.10"]


def with_ttls(asked: Asked, *seconds: int) -> bytes:
    """Return an answer with one address for each TTL in `seconds`."""
    return answers(asked, *(record(QUESTION, 1, bytes([198, 51, 100, n]), ttl) for n, ttl in enumerate(seconds, 10)))


def raw_ttls(content: bytes, wire: bytes) -> list[int]:
    """Return the TTL of every address record in the answer section, as sent."""
    start, number = len(wire) - 11, int.from_bytes(content[6:8], "big")
    return [int.from_bytes(content[start + 16 * n + 6 :][:4], "big") for n in range(number)]


# TTLs (sections 5.2 and 8).


@each_row("transport", tuple(Transport))
@each_row(
    ("sent", "given"), [((300, 20, 60), 20), ((7, 300), 7), ((300, 300), 300), ((300, 0), 0), ((300, 0x80000000), 0)]
)
def test_a_record_set_has_one_ttl_the_least(
    start: Start, sent: tuple[int, ...], given: int, transport: Transport
) -> None:
    rig = start(office(), Scripted(lambda asked: (with_ttls(asked, *sent),)))
    wire = query(NAME)
    assert raw_ttls(bytes_of(rig, wire, transport=transport), wire) == [given] * len(sent)
    if given > 1:
        found = rig.at_once(wire, MECHELEN, later_s=1)
        assert (ttls(found), len(data(found))) == ([given - 1], len(sent))
    assert isinstance(rig.judge(wire, later_s=given), Miss)


@each_row("seconds", [0x80000000, 0x80000001, 0xC0000000, 0xFFFFFFFF])
def test_a_ttl_with_its_top_bit_set_is_zero(start: Start, seconds: int) -> None:
    rig = start(office(), Scripted(lambda asked: (with_ttls(asked, seconds),)))
    wire = query(NAME)
    for _ in range(2):
        assert raw_ttls(bytes_of(rig, wire), wire) == [0]
    assert len(rig.forwarded) == 2


def test_the_largest_ttl_is_passed_on_as_a_week_and_kept_for_a_day(start: Start) -> None:
    rig = start(office(), Scripted(lambda asked: (with_ttls(asked, 0x7FFFFFFF),)))
    assert ttls(rig.ask(query(NAME))) == [604_800]
    assert ttls(rig.at_once(query(NAME), later_s=86_399)) == [604_800 - 86_399]
    assert isinstance(rig.judge(query(NAME), later_s=86_400), Miss)


# Names (section 11).

SIZES = {
    "every byte": [bytes(range(1, 64)), bytes(range(64, 127)), bytes(range(127, 190)), bytes(range(192, 252))],
    "zero": [b"\0"],
    "a dot": [b"plain.example.org"],
    "dots": [b"...", b"."],
    "a space": [b"a b", b"example"],
    "0xff": [b"\xff\xfe", b"example", b"org"],
    "what looks like a pointer": [b"\xc0\x0c", b"org"],
    "an underscore": [b"_ldap", b"_tcp", b"example", b"org"],
    "a hyphen": [b"-", b"-example-", b"org"],
    "an asterisk": [b"*", b"example", b"org"],
    "no utf-8": [b"caf\xe9", b"example", b"org"],
}


@each_row("labels", SIZES.values(), ids=SIZES)
def test_names_are_arbitrary_bytes(start: Start, labels: list[bytes]) -> None:
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"

    def behave(asked: Asked) -> tuple[bytes, ...]:
        assert asked.message[12 : 12 + len(name)] == name.lower()
        return (answers(asked, record(QUESTION, 65400, name), record(b"\0", 65400, b"extra")),)

    rig = start(office(), Scripted(behave))
    wire = query(".", 65400)
    wire = wire[:12] + name + wire[13:]
    for transport in (*Transport, *Transport):
        content = bytes_of(rig, wire, transport=transport)
        assert content[12 : 12 + len(name)] == name
        assert name in content[12 + len(name) :]
        assert b"extra" not in content
    assert len(rig.upstream.asked) == 1


def test_a_name_with_other_bytes_is_another_name(start: Start) -> None:
    rig = start(office(), Scripted(lambda asked: (reply(asked, rcode=dns.rcode.NXDOMAIN),)))
    for name in (r"plain\.example.org", r"plain\000.example.org", r"plain\032.example.org", r"\255plain.example.org"):
        assert rig.ask(query(name)).rcode() == dns.rcode.NXDOMAIN
    for name in (r"www\.tiktok.com", r"www.tiktok\.com", r"tiktok\000.com", r"www.tiktok.com\000"):
        assert rig.ask(query(name)).rcode() == dns.rcode.NXDOMAIN
    assert len(rig.upstream.asked) == 8


# Truncation (section 9).


def _cut(asked: Asked) -> tuple[bytes, ...]:
    """Send one record and TC over UDP, and all records over TCP."""
    lines = [f"{asked.name}. 300 A 198.51.100.{n}" for n in range(1, 5)]
    return (reply(asked, lines if asked.by_stream else lines[:1], flags=0 if asked.by_stream else int(dns.flags.TC)),)


def test_a_truncated_answer_is_asked_again_over_tcp_and_only_the_complete_one_is_cached(start: Start) -> None:
    rig = start(office(), Scripted(_cut))
    wait = rig.begin(query(NAME))
    rig.until(lambda: b"" if rig.by_stream else None)
    assert isinstance(rig.judge(query(NAME)), Miss)
    rig.complete()
    assert len(data(wait())) == 4
    assert [asked.by_stream for asked in rig.upstream.asked] == [False, True]
    assert len(data(rig.at_once(query(NAME)))) == 4


@each_row("records", [(), RECORDS[NAME, "A"]], ids=["empty", "with a record"])
def test_a_truncated_answer_is_neither_sent_nor_cached_if_the_complete_one_does_not_come(
    start: Start, records: tuple[str, ...]
) -> None:
    rig = start(office(), Scripted(lambda asked: (reply(asked, records, flags=int(dns.flags.TC)),)))
    for fetch in (lambda _upstream, _message: None, Scripted.by_stream):
        wait = rig.begin(query(NAME))
        rig.until(lambda: b"" if rig.by_stream else None)
        rig.complete(fetch)
        found = wait()
        assert (found.rcode(), found.answer) == (dns.rcode.SERVFAIL, [])
        assert rig.at_once(query(NAME)).rcode() == dns.rcode.SERVFAIL
        rig.pass_time(1_000)


def test_a_truncated_answer_does_not_replace_what_is_kept(start: Start) -> None:
    rig = start(office(), Scripted(says({(NAME, "A"): (f"{NAME}. 2 A 198.51.100.10",)})))
    rig.ask(query(NAME))
    rig.pass_time(3000)
    rig.upstream.behave = lambda asked: (truncated(asked),)
    wait = rig.begin(query(NAME))
    rig.until(lambda: b"" if rig.by_stream else None)
    rig.complete(lambda _upstream, _message: None)
    assert data(wait()) == TRUTH


# Aliases (section 10.1), and rank (section 5.4.1).
