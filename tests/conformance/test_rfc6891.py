"""RFC 6891: every reply to a query with OPT has one. Each side gets our own OPT; nothing of it is passed on."""

from collections.abc import Callable, Iterable
from itertools import cycle, product

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.edns import OUR_PAYLOAD
from tests.conformance.ways import OURS, WAYS, Way, ask, bytes_of
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, MECHELEN, data, query
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Behaviour, Scripted, fails, reply
from tests.support.starting import Start
from tests.unit.wire.build import record

NAME = "plain.example.org"
TRUTH = ["A 198.51.100.10"]

each_way = each_row("way", WAYS, ids=lambda way: str(way.id))
each_transport = each_row("transport", tuple(Transport))


def opt(options: bytes = b"", *, owner: bytes = b"\0", payload: int = 1232, version: int = 0, flags: int = 0) -> bytes:
    """Return an OPT record."""
    return record(owner, 41, options, version << 16 | flags, payload)


def option(code: int, value: bytes = b"") -> bytes:
    return code.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def with_records(wire: bytes, *records: bytes) -> bytes:
    """Return `wire`, a query without OPT, with `records` in the additional section."""
    return wire[:10] + len(records).to_bytes(2, "big") + wire[12:] + b"".join(records)


def adding(*records: bytes) -> Callable[[bytes], bytes]:
    """Return a function that adds `records` to a query."""
    return lambda wire: with_records(wire, *records)


PLAIN = query(NAME, edns=False)
BANNED = query("www.tiktok.com", edns=False)
OPTIONS = {
    "llq": option(1, bytes(18)),
    "nsid": option(3),
    "dau": option(5, b"\x08\x0d"),
    "subnet": option(8, b"\0\1\x18\0\xc0\0\2"),
    "expire": option(9),
    "keepalive": option(11),
    "padding": option(12, bytes(40)),
    "chain": option(13, b"\0"),
    "key tag": option(14, b"\x4a\x5c"),
    "extended error": option(15, b"\0\x0fblocked"),
    "report channel": option(18, b"\1a\0"),
    "zone version": option(19),
    "experimental": option(65001, b"what it may be"),
    "unknown": option(100),
    "reserved": option(65535, bytes(300)),
    "several": option(3) + option(9) + option(8, b"\0\1\0\0"),
    "of one kind": option(100) * 40,
}


# OPT in the reply.


@each_way
@each_transport
@each_row("edns", [False, 0])
def test_a_reply_has_an_opt_if_and_only_if_its_query_had_one(
    start: Start, way: Way, transport: Transport, edns: int | bool
) -> None:
    _, raw, _ = ask(start, way, edns=edns, transport=transport)
    found = dns.message.from_wire(raw)
    assert found.rcode() == way.rcode
    assert (found.edns, found.payload) == ((0, OUR_PAYLOAD) if edns is not False else (-1, 0))


@each_way
def test_options_that_we_do_not_speak_are_ignored_not_echoed_and_not_passed_on(start: Start, way: Way) -> None:
    for options, transport in zip(OPTIONS.values(), cycle(Transport)):
        check_ignored(start, way, options, transport)


@pytest.mark.slow
@each_way
@each_transport
def test_options_are_ignored_by_any_transport(start: Start, way: Way, transport: Transport) -> None:
    for options in OPTIONS.values():
        check_ignored(start, way, options, transport)


def check_ignored(start: Start, way: Way, options: bytes, transport: Transport) -> None:
    """Check that the options change nothing in the reply, and that upstream does not get them."""
    add = adding(opt(options, payload=512 if way.small else 1232, flags=0x8000))
    _, raw, rig = ask(start, way, edns=False, change=add, transport=transport)
    found = dns.message.from_wire(raw)
    assert found.rcode() == way.rcode
    assert {int(option.otype) for option in found.options} <= {dns.edns.OptionType.EDE}
    for asked in rig.upstream.asked:
        assert asked.message.endswith(opt(flags=0x8000))


@each_way
def test_flags_that_nobody_has_defined_are_ignored_and_zero_in_the_reply(start: Start, way: Way) -> None:
    add = adding(opt(payload=512 if way.small else 1232, flags=0x7FFF))
    _, raw, rig = ask(start, way, edns=False, change=add)
    found = dns.message.from_wire(raw)
    assert (found.rcode(), found.edns, found.ednsflags) == (way.rcode, 0, 0)
    for asked in rig.upstream.asked:
        assert asked.message.endswith(opt())


# Versions.


@each_transport
@each_row("client", [GHENT, MECHELEN])
@each_row("wire", [PLAIN, BANNED], ids=["allowed", "banned"])
@each_row("version", [1, 2, 255])
def test_another_version_is_badvers_with_ours_and_without_an_answer(
    start: Start, wire: bytes, version: int, client: str, transport: Transport
) -> None:
    rig = start(office(), internet())
    for options in (b"", option(100), b"\0\0\1"):
        raw = bytes_of(rig, with_records(wire, opt(options, version=version, flags=0xC000)), client, transport)
        found = dns.message.from_wire(raw)
        assert found.rcode() == dns.rcode.BADVERS
        assert (found.edns, found.ednsflags & 0xFFFFFF, found.options) == (0, 0x8000, ())
        assert (found.answer, found.authority, found.additional) == ([], [], [])
        assert raw[12 : len(wire)] == wire[12:]
    assert rig.forwarded == []


# Malformed OPTs.


def test_an_opt_may_stand_anywhere_among_the_additional_records(start: Start) -> None:
    other = b"\0\0\x0a\0\1\0\0\0\0\0\3abc"
    rig = start(office(), internet())
    for records in ((opt(), other), (other, opt()), (other, opt(), other)):
        found = rig.ask(with_records(PLAIN, *records))
        assert (data(found), found.edns) == (TRUTH, 0)


# Sizes.


# OPT towards upstream, and OPT from upstream.


@each_row("do", [True, False])
@each_row("edns", [False, 0])
def test_the_upstream_sees_our_opt_for_any_opt_of_the_client(start: Start, edns: int | bool, do: bool) -> None:
    rig = start(office(), internet())
    payload = 4096
    wanted = do and edns is not False
    rig.ask(query(NAME, edns=edns, payload=payload, do=wanted))
    (asked,) = rig.upstream.asked
    assert asked.message[10:] == b"\0\1" + PLAIN[12:] + opt(payload=OUR_PAYLOAD, flags=0x8000 if wanted else 0)


def _answers_with(*additional: bytes, rcode: int = 0) -> Behaviour:
    def behave(asked: Asked) -> Iterable[bytes]:
        question = asked.message[12:-11]
        flags = (0x8180 | rcode).to_bytes(2, "big")
        head = asked.message[:2] + flags + b"\0\1\0\1\0\1" + len(additional).to_bytes(2, "big")
        address = b"\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc6\x33\x64\x0a"
        zone = b"\xc0\x12\0\2\0\1\0\0\1\x2c\0\5\2ns\xc0\x12"
        return (head + question + address + zone + b"".join(additional),)

    return behave


NAMESERVER = b"\2ns\xc0\x12\0\1\0\1\0\0\1\x2c\0\4\xc6\x33\x64\x35"
SPOKEN = b"".join(OPTIONS.values())
THEIR_OPTS = {
    "none": (),
    "plain": (opt(),),
    "with options": (opt(SPOKEN, payload=4096, flags=0xFFFF),),
    "before another record": (opt(SPOKEN, payload=512), NAMESERVER),
    "behind another record": (NAMESERVER, opt(SPOKEN, payload=65535, flags=0xFFFF)),
    "of another version": (opt(b"", version=1),),
}


@each_row("additional", THEIR_OPTS.values(), ids=THEIR_OPTS)
@each_row("edns", [False, 0])
def test_an_opt_of_upstreams_is_neither_passed_on_nor_kept(
    start: Start, additional: tuple[bytes, ...], edns: int | bool
) -> None:
    rig = start(office(), Scripted(_answers_with(*additional)))
    wire = query(NAME, edns=edns)
    address = b"\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc6\x33\x64\x0a"
    others = [record for record in additional if record == NAMESERVER]
    for transport in (Transport.UDP, Transport.TCP):
        raw = bytes_of(rig, wire, transport=transport)
        found = dns.message.from_wire(raw)
        assert (data(found), found.edns, found.options) == (TRUTH, -1 if edns is False else 0, ())
        assert raw.startswith(address, len(PLAIN))
        assert len(found.additional) == len(others)
        if edns is False:
            assert raw.count(b"\0\0\x29") == 0
        else:
            assert raw.endswith(opt())
    assert len(rig.forwarded) == 1


@each_row(("edns", "expected"), [(0, 0xF01), (False, dns.rcode.SERVFAIL)])
def test_an_extended_rcode_is_sent_completely_or_not_at_all(start: Start, edns: int | bool, expected: int) -> None:
    rig = start(office(), Scripted(fails(0xF01)))  # in the range for private use (RFC 6895 section 2.3)
    assert rig.ask(query(NAME, edns=edns)).rcode() == expected


@each_row("rcode", [dns.rcode.NOTAUTH, *range(16, 24)])
def test_an_rcode_about_the_hop_to_an_upstream_ends_there(start: Start, rcode: int) -> None:
    sound = Scripted(lambda asked: [reply(asked, (f"{asked.name}. 300 A 198.51.100.10",))])
    rig = start(office(), Scripted(fails(rcode)), sound)
    assert rig.ask(query(NAME)).rcode() == dns.rcode.NOERROR
    assert len(sound.asked) == 1


# An upstream without EDNS.


def _rejection(asked: Asked, rcode: int) -> bytes:
    response = dns.message.make_response(dns.message.from_wire(asked.message))
    response.use_edns(False)
    response.set_rcode(dns.rcode.Rcode(rcode))
    return response.to_wire()


REJECTIONS: dict[str, Behaviour] = {
    "formerr": lambda asked: (_rejection(asked, dns.rcode.FORMERR),),
    "notimp": lambda asked: (_rejection(asked, dns.rcode.NOTIMP),),
    "formerr, a header alone": lambda asked: (asked.message[:2] + b"\x81\x81" + bytes(8),),
    "notimp, a header alone": lambda asked: (asked.message[:2] + b"\x80\x04" + bytes(8),),
}


def has_opt(asked: Asked) -> bool:
    return dns.message.from_wire(asked.message).edns == 0


def old(rejects: Behaviour) -> Behaviour:
    """Return an upstream that rejects EDNS with `rejects`. It sets AD in its answers to queries without EDNS."""

    def behave(asked: Asked) -> Iterable[bytes]:
        lines = (f"{asked.name}. 300 A 198.51.100.10",)
        return rejects(asked) if has_opt(asked) else (reply(asked, lines, flags=dns.flags.AD),)

    return behave


@each_transport
@each_row("rejects", REJECTIONS.values(), ids=REJECTIONS)
def test_an_upstream_that_rejects_edns_is_asked_without_it_from_then_on(
    start: Start, rejects: Behaviour, transport: Transport
) -> None:
    rig = start(office(), Scripted(old(rejects)))
    for number in range(4):
        assert data(rig.ask(query(f"n{number}.example.org"), transport=transport)) == TRUTH
    assert [has_opt(asked) for asked in rig.upstream.asked] == [True, False, False, False, False]


def test_what_an_upstream_without_edns_answers_is_not_authentic(start: Start) -> None:
    rig = start(office(), Scripted(old(REJECTIONS["formerr"])), trust_ad=True)
    for name in ("first.example.org", "second.example.org"):
        for _ in range(2):
            found = rig.ask(query(name, do=True))
            assert (data(found), found.flags & dns.flags.AD) == (TRUTH, 0)


def test_an_upstream_that_fails_without_edns_too_hands_over(start: Start) -> None:
    rig = start(office(), Scripted(REJECTIONS["formerr"]), internet())
    assert data(rig.ask(query(NAME))) == TRUTH
    assert [len(upstream.asked) for upstream in rig.upstreams] == [2, 1]


def test_one_rejection_does_not_turn_edns_off_for_a_server_that_has_it(start: Start) -> None:
    rig = start(office(), internet())
    rig.ask(query(NAME))
    sound, rig.upstream.behave = rig.upstream.behave, old(REJECTIONS["formerr"])
    assert data(rig.ask(query("forged.example.org"))) == TRUTH
    rig.upstream.behave = sound
    rig.ask(query("later.example.org"))
    assert [has_opt(asked) for asked in rig.upstream.asked] == [True, True, False, True]


@each_row("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_a_failure_that_is_a_header_alone_hands_over_at_once(start: Start, rcode: int) -> None:
    rig = start(office(), Scripted(lambda asked: (asked.message[:2] + bytes([0x80, rcode]) + bytes(8),)), internet())
    assert data(rig.ask(query(NAME))) == TRUTH
    assert [len(upstream.asked) for upstream in rig.upstreams] == [1, 1]


def test_what_one_client_said_of_itself_is_nothing_to_the_next(start: Start) -> None:
    rig = start(office(), internet())
    sizes = (512, 1232, 4096)
    for payload, do, options in product(sizes, (False, True), (b"", SPOKEN)):
        rig.ask(with_records(PLAIN, opt(options, payload=payload, flags=0x8000 if do else 0)), MECHELEN)
    for edns in (False, 0):
        raw = bytes_of(rig, query(NAME, edns=edns, id=7))
        assert raw == bytes_of(start(office(), internet()), query(NAME, edns=edns, id=7))
    assert len(rig.forwarded) == 2


def test_every_reply_of_our_own_making_fits_the_smallest_client_with_its_opt(start: Start) -> None:
    for way in OURS:
        _, raw, _ = ask(start, way, change=adding(opt(payload=0)), edns=False)
        found = dns.message.from_wire(raw)
        assert len(raw) <= 512
        assert (found.rcode(), found.edns, found.flags & dns.flags.TC) == (way.rcode, 0, 0)
