"""Replies written in C equal the reference's, byte for byte."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.cache.keys import CacheKey
from dnsfilter.policy.model import FormalDecision, Mode, Policy, Term
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.answer import Answer, follow, parse_answer, prune_answer
from dnsfilter.wire.iana import Rcode
from tests.contract.cases import office
from tests.fuzz.examples import examples
from tests.support.engines import DIEST, GHENT, MECHELEN, UNREGISTERED
from tests.support.policies import NOW, authority, ban, policy, service
from tests.unit.engine.compiled.both import both
from tests.unit.wire.build import answered, message, opt, question, wire_names

pytest.importorskip("dnsfilter.engine._engine")

WWW = "www.example.org"


@st.composite
def queries(draw: st.DrawFn, name: bytes | None = None) -> bytes:
    """Draw a plain query, its name in any case."""
    folded = draw(wire_names) if name is None else name
    wire = bytes(byte ^ 0x20 if 97 <= byte <= 122 and draw(st.booleans()) else byte for byte in folded)
    flags = 0x0100 | draw(st.sampled_from([0, 0x10, 0x20, 0x30]))
    payload = draw(st.one_of(st.integers(0, 65535), st.sampled_from([511, 512, 1232, 1233])))
    extra = draw(st.sampled_from([b"", opt(payload=payload), opt(payload=payload, ttl=0x8000)]))
    return message(
        wire + b"\0\1\0\1", extra, id=draw(st.integers(0, 65535)), flags=flags, counts=(1, 0, 0, int(bool(extra)))
    )


def sound(data: bytes) -> Answer:
    answer = parse_answer(data)
    return prune_answer(answer, follow(answer, answer.question), True)


SIGNATURE = "A 8 2 60 20300101000000 20200101000000 1 example.net. AAAA"
ANSWERS = {
    "address": sound(answered(WWW, "A", (f"{WWW}. 300 A 192.0.2.1", f"{WWW}. 60 A 192.0.2.2"))),
    "chain": sound(
        answered(
            WWW,
            "A",
            (
                f"{WWW}. 300 CNAME cdn.example.net.",
                "cdn.example.net. 60 A 192.0.2.1",
                f"cdn.example.net. 61 RRSIG {SIGNATURE}",
            ),
            ("example.org. 3600 NS ns.example.org.",),
            ("ns.example.org. 60 AAAA 2001:db8::1", "ns.example.org. 2 A 192.0.2.9"),
            edns=0,
        )
    ),
    "denial": sound(answered(WWW, "A", (), ("example.org. 3600 SOA a. b. 1 2 3 4 900",), rcode=Rcode.NXDOMAIN, edns=0)),
    "nearly too long": sound(answered(WWW, "A", tuple(f"{WWW}. {60 + n} A 192.0.2.{n}" for n in range(30)))),
}
KEY = CacheKey(0, ANSWERS["address"].question.name, 1, 1, False, False)


CLIENTS = st.sampled_from((GHENT, MECHELEN, DIEST, UNREGISTERED))


def monitored(ends_s: int, mode: Mode = Mode.MONITOR) -> Policy:
    """Return a policy with a ban on a service that the answers lead to. It changes in `ends_s` seconds."""
    made = office()
    listed = service("cdn", ["www.example.org"], ["cdn.example.net"])
    return policy(*made.authorities, *made.ranges, listed, ban(1, "ghent", "cdn", mode, (Term(0, NOW + ends_s),)))


def test_empty_reply_equals_the_references() -> None:
    with both(office()) as ask:

        @given(queries(), st.sampled_from(Transport))
        @examples(300)
        def check(data: bytes, transport: Transport) -> None:
            ask(data, UNREGISTERED, transport)

        check()


@pytest.mark.parametrize("reference", ["", "x", "\u00e9" * 50, "x" * 120])
@pytest.mark.parametrize("name_size", [0, 100, 239])
def test_too_little_room_drops_the_text_then_the_error(name_size: int, reference: str) -> None:
    name = b"".join(b"\x01x" for _ in range(name_size // 2)) + b"\x06tiktok\x03com\0"
    made = office(authority("ghent", ("nl", "fr", "de", "en")))
    banned = replace(ban(1, "ghent", "tiktok"), decision=FormalDecision(reference=reference))
    with both(policy(*made.authorities, *made.ranges, *made.services, banned)) as ask:
        for payload in range(512, 900):
            ask(message(name + b"\0\1\0\1", opt(payload=payload), counts=(1, 0, 0, 1)))


@pytest.mark.heavy
@pytest.mark.parametrize("ends_s", [1, 30, 59, 60, 61, 100_000])
@pytest.mark.parametrize("mode", [Mode.MONITOR, Mode.ENFORCE])
def test_relayed_reply_equals_the_references(ends_s: int, mode: Mode) -> None:
    with both(monitored(ends_s, mode)) as ask:
        for answer in ANSWERS.values():
            for do, cd in ((False, False), (False, True), (True, False), (True, True)):
                key = CacheKey(0, answer.question.name, 1, 1, do, cd)
                ask.put(key, answer, follow(answer, answer.question).targets, do)

            @given(
                queries(answer.question.name),
                CLIENTS,
                st.sampled_from(Transport),
                st.one_of(st.just(0), st.integers(0, 700_000)),
            )
            @examples(40)
            def check(data: bytes, client: str, transport: Transport, after_ms: int) -> None:
                ask(data, client, transport, later_ms=after_ms)

            check()


def test_reply_one_byte_too_long_is_cut_as_by_the_reference() -> None:
    answer = ANSWERS["nearly too long"]
    with both(office()) as ask:
        ask.put(KEY, answer)
        for size in range(len(answer.message) - 2, len(answer.message) + 14):
            for behind in (b"", opt(payload=size)):
                data = message(question(WWW), behind, counts=(1, 0, 0, int(bool(behind))))
                ask(data, MECHELEN)
