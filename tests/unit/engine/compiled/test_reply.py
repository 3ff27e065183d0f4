"""The replies that are written in C are those of wire/reply.py, octet for octet."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.judging import STALE_TTL_S
from dnsfilter.wire.answer import Answer, follow, kept, parse_answer
from dnsfilter.wire.edns import MAX_EDE_TEXT, Ede
from dnsfilter.wire.iana import EdeCode, Rcode
from dnsfilter.wire.query import Query, parse_query
from dnsfilter.wire.reply import empty_reply, relay, udp_limit
from tests.unit.wire.build import answered, message, opt, question, wire_names

compiled = pytest.importorskip("dnsfilter.engine._engine")

WWW = "www.example.org"
limits = st.one_of(st.integers(512, 600), st.integers(512, 1232), st.just(65535))


@st.composite
def queries(draw: st.DrawFn, name: bytes | None = None) -> Query:
    """A plain query, its name in any case."""
    folded = draw(wire_names) if name is None else name
    wire = bytes(octet ^ 0x20 if 97 <= octet <= 122 and draw(st.booleans()) else octet for octet in folded)
    flags = 0x0100 | draw(st.sampled_from([0, 0x10, 0x20, 0x30]))
    payload = draw(st.one_of(st.integers(0, 65535), st.sampled_from([511, 512, 1232, 1233])))
    extra = draw(st.sampled_from([b"", opt(payload=payload), opt(payload=payload, ttl=0x8000)]))
    octets = message(
        wire + b"\0\1\0\1", extra, id=draw(st.integers(0, 65535)), flags=flags, counts=(1, 0, 0, int(bool(extra)))
    )
    query = parse_query(octets)
    assert isinstance(query, Query)
    return query


texts = st.one_of(st.text(max_size=300), st.sampled_from(["x" * MAX_EDE_TEXT, "x" * (MAX_EDE_TEXT + 1), "é" * 900]))


@given(queries(), st.integers(0, 4095), st.integers(-1, 65535), texts, limits)
@settings(max_examples=300, deadline=None)
def test_an_empty_reply_is_the_references(query: Query, rcode: int, code: int, text: str, limit: int) -> None:
    ede = None if code < 0 else Ede(code, text)
    reply, most = compiled.empty_reply(query, rcode, code, text.encode(), limit)
    assert reply == empty_reply(query, rcode, ede, limit)
    assert most == udp_limit(query)


@pytest.mark.parametrize("text_size", [0, 1, 128, 222, 223, 224, 300])
@pytest.mark.parametrize("name_size", [1, 100, 255])
def test_the_text_goes_where_the_octets_end_then_the_error(text_size: int, name_size: int) -> None:
    name = b"".join(b"\x01x" for _ in range(name_size // 2)) + b"\0"
    query = parse_query(message(name + b"\0\1\0\1", opt(), counts=(1, 0, 0, 1)))
    assert isinstance(query, Query)
    text = "x" * text_size
    whole = len(name) + 16 + 11 + 6 + text_size
    for limit in range(max(512, whole - 4), max(512, whole + 4)):
        reply, _ = compiled.empty_reply(query, Rcode.REFUSED, 15, text.encode(), limit)
        assert reply == empty_reply(query, Rcode.REFUSED, Ede(15, text), limit)


def sound(octets: bytes) -> Answer:
    answer = parse_answer(octets)
    return kept(answer, follow(answer, answer.question), True)


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


@given(
    st.sampled_from(sorted(ANSWERS)),
    queries(KEY.name),
    st.one_of(st.just(0), st.integers(0, 700_000)),
    st.one_of(st.just(-1), st.integers(0, 400), st.integers(0, 2**40)),
    st.booleans(),
    st.booleans(),
    limits,
)
@example("nearly too long", parse_query(message(question(WWW))), 0, -1, False, False, 512)
@settings(max_examples=400, deadline=None)
def test_a_relayed_reply_is_the_references_or_handed_over(
    shape: str, query: Query, after_ms: int, cap_s: int, ad: bool, stale: bool, limit: int
) -> None:
    store = compiled.Store(1_000_000, stale_s=3600)
    answer = ANSWERS[shape]
    store.put(KEY, answer, (), False, 1_000)
    reply = compiled.relayed_reply(store, KEY, query, 1_000 + after_ms, cap_s, ad, limit, stale)
    code = EdeCode.STALE_NXDOMAIN if answer.rcode == Rcode.NXDOMAIN else EdeCode.STALE_ANSWER
    expected = relay(
        query,
        answer,
        age_s=after_ms // 1_000,
        ttl_cap_s=None if cap_s < 0 else cap_s,
        stale_ttl_s=STALE_TTL_S if stale else None,
        ad=ad,
        ede=Ede(code) if stale else None,
        limit=limit,
    )
    whole = len(answer.message) + ((17 if stale else 11) if query.edns else 0) <= limit
    assert reply == (expected if whole else b"")


def test_what_does_not_fit_by_one_octet_is_handed_over() -> None:
    store = compiled.Store(1_000_000, stale_s=3600)
    answer = ANSWERS["nearly too long"]
    store.put(KEY, answer, (), False, 0)
    query = parse_query(message(question(WWW), opt(), counts=(1, 0, 0, 1)))
    assert isinstance(query, Query)
    size = len(answer.message) + 11
    assert compiled.relayed_reply(store, KEY, query, 0, -1, False, size) == relay(query, answer)
    assert compiled.relayed_reply(store, KEY, query, 0, -1, False, size - 1) == b""


def test_a_query_with_another_name_is_never_answered_from_an_entry() -> None:
    store = compiled.Store(1_000_000, stale_s=3600)
    store.put(KEY, ANSWERS["address"], (), False, 0)
    query = parse_query(message(question("w.example.org")))
    assert compiled.relayed_reply(store, KEY, query, 0, -1, False, 512) == b""
