"""Queries that are not plain, as C reads them: whatever `parse_query` makes of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.wire.iana import OptionCode, Type
from dnsfilter.wire.query import Fault, parse_query
from tests.fuzz.examples import examples
from tests.fuzz.seeds import QUERIES
from tests.support.mutations import mutants, noise
from tests.unit.wire.build import message, opt, question, record

engine = pytest.importorskip("dnsfilter.engine._engine")

WWW = question()
AT_QUESTION = b"\xc0\x0c"


def starts(name: bytes) -> tuple[int, ...]:
    """Where the labels of a name start."""
    found, position = [], 0
    while name[position]:
        found.append(position)
        position += name[position] + 1
    return tuple(found)


def expected(octets: bytes) -> tuple[Any, ...] | None:
    """What the reference makes of a message."""
    query = parse_query(octets)
    if query is None:
        return None
    head = (query.id, query.rd, query.cd, None if query.edns is None else (query.edns.payload, query.edns.do))
    if isinstance(query, Fault):
        return (*head, query.opcode, query.rcode, len(query.question), -1 if query.ede is None else int(query.ede.code))
    asked = query.question
    return (*head, asked.name, asked.qtype, asked.qclass, starts(asked.name), query.ad)


@given(st.one_of(mutants(QUERIES), noise(QUERIES["plain"])))
@examples(600)
def test_any_message_is_what_the_reference_makes_of_it(one: Any) -> None:
    assert engine.odd(one.octets) == expected(one.octets)


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_every_seed_is_what_the_reference_makes_of_it(name: str) -> None:
    assert engine.odd(QUERIES[name]) == expected(QUERIES[name])


@pytest.mark.parametrize("octets", range(len(QUERIES["cookie"])))
def test_a_query_may_end_anywhere(octets: int) -> None:
    cut = QUERIES["cookie"][:octets]
    assert engine.odd(cut) == expected(cut)


@pytest.mark.parametrize("counts", [(1, 0, 0, 1), (0, 0, 0, 1), (2, 0, 0, 1), (1, 1, 0, 1), (1, 0, 1, 1), (1, 0, 0, 2)])
@pytest.mark.parametrize("ttl", [0, 0x8000, 0x10000, 0x1008000])
def test_flags_types_counts_and_versions(counts: tuple[int, int, int, int], ttl: int) -> None:
    address = record(AT_QUESTION, 1, bytes(4))
    behind = opt(ttl=ttl) if sum(counts[1:]) == 1 else address + opt(ttl=ttl)
    for qtype in (0, 1, *range(Type.TKEY, 256), Type.OPT, Type.NXNAME):
        for bit in range(16):
            octets = message(question(qtype=qtype) * counts[0], behind, flags=1 << bit, counts=counts)
            assert engine.odd(octets) == expected(octets)


@given(
    st.integers(0, 3),
    st.integers(0, 140),
    st.sampled_from((0, 0, 0, 1)),
    st.binary(max_size=20),
    st.booleans(),
    st.integers(0, 34),
)
@examples(400)
def test_client_subnets_are_judged_alike(
    family: int, source: int, scope: int, address: bytes, fitting: bool, before: int
) -> None:
    if fitting:
        address = address.ljust((source + 7) // 8, b"\0")[: (source + 7) // 8]
    data = family.to_bytes(2, "big") + bytes((source, scope)) + address
    subnet = int(OptionCode.ECS).to_bytes(2, "big") + len(data).to_bytes(2, "big") + data
    octets = message(WWW, opt(b"\xff\xf0\0\0" * before + subnet), counts=(1, 0, 0, 1))
    assert engine.odd(octets) == expected(octets)


def test_more_than_128_pointers_are_a_fault_wherever_they_lead() -> None:
    records = [record(AT_QUESTION, 1, b"") for _ in range(129)]
    for count in (1, 127, 128, 129):
        octets = message(WWW, *records[:count], counts=(1, 0, 0, count))
        assert engine.odd(octets) == expected(octets)
        assert isinstance(parse_query(octets), Fault) == (count > 128)


def test_an_opt_below_a_pointer_to_a_root_is_one() -> None:
    at_root = (0xC000 | (12 + len(WWW) - 5)).to_bytes(2, "big")
    octets = message(WWW, opt(owner=at_root), counts=(1, 0, 0, 1))
    assert engine.odd(octets) == expected(octets)
    assert engine.odd(octets)[3] == (1232, False)
