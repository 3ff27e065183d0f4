"""Queries read by C: replies and counts equal the reference's, for any bytes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.engine.slow_path.slow_path import SlowPath
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.iana import OptionCode, Type
from dnsfilter.wire.query import Fault, parse_query
from tests.contract.cases import office
from tests.fuzz.examples import examples
from tests.fuzz.seeds import QUERIES
from tests.fuzz.wire_bytes import header, option
from tests.fuzz.wire_bytes import opt as an_opt
from tests.fuzz.wire_bytes import question as asked
from tests.support.engines import GHENT, MECHELEN, UNREGISTERED, running
from tests.support.message_mutations import mutants, noise
from tests.support.scripted import Scripted, silent
from tests.unit.engine.compiled.both import both
from tests.unit.wire.build import message, opt, question, record

pytest.importorskip("dnsfilter.engine._engine")

WWW = question()
AT_QUESTION = b"\xc0\x0c"
WHO = [(client, transport) for client in (UNREGISTERED, GHENT, MECHELEN) for transport in Transport]
"""UNREGISTERED is refused everything, so each reply shows what was read."""
PLAIN = (
    "banned",
    "banned without opt",
    "banned https, do",
    "plain",
    "plain, cd and ad",
    "unknown type",
    "reverse",
    "signal",
    "canary",
    "root",
    "cookie",
    "payload 0",
    "payload 65535",
    "edns flags",
    "binary label",
    "one label tiktok.com",
    "zero in a label",
    "longest name",
    "127 labels",
)


def everybody(ask: Any, data: bytes) -> None:
    for client, transport in WHO:
        ask(data, client, transport)


def test_any_message_is_read_as_by_the_reference() -> None:
    with both(office()) as ask:

        @given(
            st.one_of(mutants(QUERIES), noise(QUERIES["plain"]), noise(QUERIES["banned"])),
            st.sampled_from(WHO),
        )
        @examples(600)
        def check(one: Any, who: tuple[str, Transport]) -> None:
            ask(one.data, UNREGISTERED)
            ask(one.data, *who)

        check()


def test_every_seed_is_read_as_by_the_reference_also_if_cut_short() -> None:
    with both(office()) as ask:
        for data in QUERIES.values():
            everybody(ask, data)
        for name in ("cookie", "banned https, do", "plain, cd and ad"):
            for size in range(len(QUERIES[name])):
                everybody(ask, QUERIES[name][:size])


@pytest.mark.parametrize("name", PLAIN)
def test_client_that_may_not_ask_never_takes_the_slow_path(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*_of: object) -> None:
        raise AssertionError("the slow path was taken")

    monkeypatch.setattr(SlowPath, "decide_message", unexpected)
    with running("compiled", office(), Scripted(silent)) as rig:
        rig.judge(QUERIES[name], UNREGISTERED)


@pytest.mark.parametrize("counts", [(1, 0, 0, 1), (0, 0, 0, 1), (2, 0, 0, 1), (1, 1, 0, 1), (1, 0, 1, 1), (1, 0, 0, 2)])
def test_flags_types_counts_and_versions_are_read_as_by_the_reference(counts: tuple[int, int, int, int]) -> None:
    address = record(AT_QUESTION, 1, bytes(4))
    with both(office()) as ask:
        for ttl in (0, 0x8000, 0x10000, 0x1008000):
            behind = opt(ttl=ttl) if sum(counts[1:]) == 1 else address + opt(ttl=ttl)
            for qtype in (0, 1, *range(Type.TKEY, 256), Type.OPT, Type.NXNAME):
                for bit in range(16):
                    ask(message(question(qtype=qtype) * counts[0], behind, flags=1 << bit, counts=counts), UNREGISTERED)


def test_nearly_plain_queries_are_read_as_by_the_reference() -> None:
    with both(office()) as ask:
        for qtype in range(260):
            everybody(ask, header(0x0100, 1) + asked("www.example.org", qtype))
        for bit in range(16):
            everybody(ask, header(0x0100 ^ 1 << bit, 1) + asked("www.example.org"))
        for number in (0, 1, 32, 33, 100):
            data = option(65_001, b"x") * number
            everybody(ask, header(0x0100, 1, 0, 0, 1) + asked("www.example.org") + an_opt(data))
        for additional in (
            an_opt(option(8, b"\0\1\0\0")),
            an_opt(ttl=0x0001_0000),
            an_opt(owner=b"\xc0\x1c"),
            an_opt() + b"\0",
            record(b"\0", 1, bytes(4)),
        ):
            everybody(ask, header(0x0100, 1, 0, 0, 1) + asked("www.example.org") + additional)


def test_client_subnets_are_checked_as_by_the_reference() -> None:
    with both(office()) as ask:

        @given(
            st.integers(0, 3),
            st.integers(0, 140),
            st.sampled_from((0, 0, 0, 1)),
            st.binary(max_size=20),
            st.booleans(),
            st.integers(0, 34),
        )
        @examples(400)
        def check(family: int, source: int, scope: int, address: bytes, fitting: bool, before: int) -> None:
            if fitting:
                address = address.ljust((source + 7) // 8, b"\0")[: (source + 7) // 8]
            data = family.to_bytes(2, "big") + bytes((source, scope)) + address
            subnet = int(OptionCode.ECS).to_bytes(2, "big") + len(data).to_bytes(2, "big") + data
            ask(message(WWW, opt(b"\xff\xf0\0\0" * before + subnet), counts=(1, 0, 0, 1)), UNREGISTERED)

        check()


def test_more_than_128_pointers_are_a_fault() -> None:
    records = [record(AT_QUESTION, 1, b"") for _ in range(129)]
    with both(office()) as ask:
        for number in (1, 127, 128, 129):
            data = message(WWW, *records[:number], counts=(1, 0, 0, number))
            everybody(ask, data)
            assert isinstance(parse_query(data), Fault) == (number > 128)


def test_opt_with_a_pointer_to_the_root_is_an_opt() -> None:
    at_root = (0xC000 | (12 + len(WWW) - 5)).to_bytes(2, "big")
    with both(office()) as ask:
        everybody(ask, message(WWW, opt(owner=at_root), counts=(1, 0, 0, 1)))
