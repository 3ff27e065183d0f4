"""Arbitrary octets from clients and upstreams, arbitrary policies: the engine lives, and answers by rule."""

from ipaddress import ip_address
from typing import TypeAlias

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnsfilter.engine.interface import Drop, Miss, Reply
from dnsfilter.policy.decide import Verdict, decide
from dnsfilter.policy.model import DEFAULT_SITE, Policy
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.checker import check_message
from dnsfilter.wire.names import name_text
from dnsfilter.wire.query import Query, parse_query
from dnsfilter.wire.reply import udp_limit
from tests.contract.cases import internet, office
from tests.support.engines import DIEST, GHENT, MECHELEN, STRANGER, data, edes, query, running
from tests.support.policies import NOW, clients_of, instants, names_of, policies
from tests.support.scripted import Asked, Scripted, reply, silent

COOKIE = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678")
QUERIES = (
    query("www.tiktok.com", id=7),
    query("plain.example.org", "HTTPS", do=True, id=7),
    query("x.local", "ANY", edns=False, id=7),
    query(
        "video.example.org",
        payload=512,
        options=[COOKIE],
        id=7,
    ),
    query("mask.icloud.com", cd=True, id=7),
)


# What is done to a message: changed octets, a pointer, octets put in or taken out, each at a place modulo its length.
edits = st.lists(
    st.tuples(st.sampled_from("cpid"), st.integers(0, 4095), st.binary(min_size=1, max_size=6)), min_size=1, max_size=5
)
Edits: TypeAlias = list[tuple[str, int, bytes]]


def damaged(sound: bytes, edits: Edits) -> bytes:
    """A sound message less what the edits do to it: it passes more of the checks than noise."""
    octets = bytearray(sound)
    for kind, number, value in edits:
        place = number % (len(octets) or 1)
        match kind:
            case "c":
                octets[place : place + 1] = value[:1]
            case "p":
                octets[place : place + 2] = (0xC000 | value[0]).to_bytes(2, "big")
            case "i":
                octets[place:place] = value
            case _:
                del octets[place : place + value[0] % 12 + 1]
    return bytes(octets)


messages = st.one_of(
    st.binary(max_size=300),
    st.builds(damaged, st.sampled_from(QUERIES), edits),
    st.builds(damaged, st.sampled_from(QUERIES), edits),
    st.binary(max_size=100).map(lambda tail: QUERIES[0][:12] + tail),
)
answers: st.SearchStrategy[bytes | Edits] = st.one_of(st.binary(max_size=200), edits, edits)
"""What comes in place of an answer: octets, or what is done to a true one."""


def said(sound: bytes, answer: bytes | Edits) -> bytes:
    return answer if isinstance(answer, bytes) else damaged(sound, answer)


def check_reply(message: bytes, answer: bytes, transport: Transport) -> None:
    """That a reply of our own making is a message that answers `message`, and within what the client takes."""
    check_relayed(message, answer, transport)
    asked = parse_query(message)
    if isinstance(asked, Query):
        dns.message.from_wire(answer)


def check_relayed(message: bytes, answer: bytes, transport: Transport) -> None:
    """The same of a reply whose record data an upstream made, of which only the form is ours to answer for."""
    asked = parse_query(message)
    assert asked is not None
    assert answer[:2] == message[:2]
    assert answer[2] & 0x80
    assert len(answer) <= (udp_limit(asked) if transport is Transport.UDP else 65535)
    if isinstance(asked, Query):
        parsed = check_message(answer)
        assert parsed.question.wire == asked.question.wire
        assert (parsed.edns is not None) == (asked.edns is not None)
        assert not parsed.aa
    else:
        assert asked.question == answer[12 : 12 + len(asked.question)]
        # An OPT, where there is one, is all that follows.
        assert int.from_bytes(answer[10:12], "big") == (asked.edns is not None)


@pytest.mark.parametrize("transport", tuple(Transport))
def test_arbitrary_octets_are_answered_by_rule_or_not_at_all(kind: str, transport: Transport) -> None:
    with running(kind, office(), internet()) as rig:

        @settings(max_examples=300)
        @given(messages, st.sampled_from((GHENT, MECHELEN, DIEST, STRANGER, "2001:db8::1")))
        def check(message: bytes, client: str) -> None:
            before = sum(rig.outcomes().values())
            outcome = rig.judge(message, client, transport)
            match outcome:
                case Drop():
                    assert len(message) < 12 or message[2] & 0x80
                case Miss():
                    assert isinstance(parse_query(message), Query)
                    assert outcome.query == parse_query(message)
                case Reply(answer):
                    check_reply(message, answer, transport)
            assert sum(rig.outcomes().values()) == before + (not isinstance(outcome, Miss))

        check()
        assert rig.ask(query("www.tiktok.com")).rcode() == dns.rcode.REFUSED


def test_arbitrary_datagrams_through_the_socket_leave_the_engine_alive(kind: str) -> None:
    with running(kind, office(), internet()) as rig:

        @settings(max_examples=60)
        @given(messages)
        def check(message: bytes) -> None:
            client = rig.send(message)
            rig.settle()
            answer = client.receive()
            client.close()
            if answer is not None:
                check_reply(message, answer, Transport.UDP)

        check()
        assert data(rig.ask(query("plain.example.org"))) == ["A 198.51.100.10"]


def _rich(asked: Asked) -> bytes:
    return reply(
        asked,
        (
            f"{asked.name}. 300 CNAME hop.example.org.",
            "hop.example.org. 300 DNAME tiktok.com.",
            "hop.example.org. 300 HTTPS 1 www.tiktok.com. alpn=h2",
            "hop.example.org. 300 A 192.0.2.1",
            "hop.example.org. 300 RRSIG A 13 3 3000 20300101000000 20200101000000 1 tiktok.com. AAAA",
        ),
        ("example.org. 300 SOA ns.example.org. hostmaster.example.org. 1 2 3 4 5",),
        ("ns.example.org. 300 A 192.0.2.53",),
    )


@pytest.mark.parametrize("qclass", ["IN", "HS"])
@pytest.mark.parametrize("qtype", ["A", "HTTPS", "CNAME", "SOA", "RRSIG"])
def test_arbitrary_octets_from_upstream_leave_the_engine_alive(kind: str, qtype: str, qclass: str) -> None:
    with running(kind, office(), Scripted(silent)) as rig:
        held = rig.upstream
        names = iter(range(10**6))

        @settings(max_examples=40)
        @given(st.lists(answers, min_size=1, max_size=4))
        def check(spoken: list[bytes | Edits]) -> None:
            name = f"n{next(names)}.example.org"
            wire = query(name, qtype, qclass, id=7)
            held.asked.clear()
            client = rig.send(wire)
            rig.until_asked(1)
            asked = held.asked[0]
            sound = _classed(_rich(asked), qclass)
            for answer in spoken:
                held.say(asked, said(sound, answer))
                rig.settle()
            found = client.receive()
            for _ in range(12):  # as a chain leads on, or a rcode to another try
                if found is not None:
                    break
                held.say(held.asked[-1], reply(held.asked[-1], rcode=dns.rcode.NXDOMAIN))
                rig.pass_time(1)
                rig.complete()
                found = client.receive()
            assert found is not None
            check_relayed(wire, found, Transport.UDP)
            client.close()

        check()


def _classed(message: bytes, qclass: str) -> bytes:
    """The message with its records in another class."""
    if qclass == "IN":
        return message
    return message.replace(b"\x00\x01\x00\x00\x01\x2c", b"\x00\x04\x00\x00\x01\x2c")


def test_arbitrary_datagrams_before_the_truth_do_not_keep_it_away(kind: str) -> None:
    with running(kind, office(), Scripted(silent)) as rig:
        held = rig.upstream
        names = iter(range(10**6))

        @settings(max_examples=80)
        @given(st.lists(st.binary(max_size=120), min_size=1, max_size=5), st.booleans())
        def check(junk: list[bytes], knows_the_id: bool) -> None:
            name = f"n{next(names)}.example.org"
            client = rig.send(query(name))
            held.asked.clear()
            rig.until_asked(1)
            asked = held.asked[0]
            for octets in junk:
                held.say(asked, asked.message[:2] + octets if knows_the_id else octets)
                rig.settle()
            held.say(asked, reply(asked, (f"{name}. 300 A 198.51.100.1",)))
            assert data(rig.wait(client)) == ["A 198.51.100.1"]
            assert len(held.asked) == 1
            client.close()

        check()


def test_arbitrary_answers_by_stream_leave_the_engine_alive(kind: str) -> None:
    with running(kind, office(), Scripted(silent)) as rig:
        names = iter(range(10**6))

        @settings(max_examples=60)
        @given(answers)
        def check(answer: bytes | Edits) -> None:
            wire = query(f"n{next(names)}.example.org", id=7)
            rig.upstream.behave = lambda asked: (reply(asked, flags=int(dns.flags.TC)),)
            client = rig.send(wire)
            rig.until(lambda: b"" if rig.truncated else None)
            rig.upstream.behave = lambda asked: (reply(asked, rcode=dns.rcode.NXDOMAIN),)
            sound = _rich(rig.upstream.asked[-1])
            rig.complete(lambda _upstream, _message: said(sound, answer))
            for _ in range(4):
                rig.pass_time(1)
                rig.complete()
            check_relayed(wire, rig.until(client.receive), Transport.UDP)
            client.close()

        check()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(policies(), st.data())
def test_the_engine_refuses_what_the_oracle_refuses(kind: str, policy: Policy, draw: st.DataObject) -> None:
    with running(kind, policy, Scripted(silent)) as rig:
        for _ in range(12):
            client, name = draw.draw(clients_of(policy)), draw.draw(names_of(policy))
            at = draw.draw(instants(policy))
            # A clock that is earlier than the snapshot by more than a minute is not believed.
            expected = decide(policy, DEFAULT_SITE, client, name, at if at >= NOW - 60 else NOW)
            wire = query(name_text(name), id=7)
            outcome = rig.engine.answer(wire, ip_address(client).packed, Transport.UDP, at, rig.clock.boot_ms)
            if expected.authority is None:
                assert isinstance(outcome, Reply)
                assert edes(dns.message.from_wire(outcome.message)) == [(18, "")]
            elif expected.verdict is Verdict.REFUSE:
                assert isinstance(outcome, Reply)
                codes = [code for code, _ in edes(dns.message.from_wire(outcome.message))]
                assert codes[0] == (16 if expected.bound else 15)
            else:
                assert isinstance(outcome, Miss)
