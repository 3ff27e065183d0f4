"""Plain queries as C reads them: what `parse_query` makes of them, and nothing that it would think twice about."""

from typing import Any

import pytest
from hypothesis import given

from dnsfilter.wire.iana import OptionCode, Type
from dnsfilter.wire.query import HEADER, Query, parse_query
from tests.fuzz.examples import examples
from tests.fuzz.octets import header, opt, option, question
from tests.fuzz.seeds import QUERIES
from tests.support.mutations import mutants, noise
from tests.unit.wire.build import record

engine = pytest.importorskip("dnsfilter.engine._engine")

PLAIN = frozenset(
    {
        "banned",
        "banned without opt",
        "banned https, do",
        "plain",
        "plain, cd and ad",
        "unknown type",
        "reverse",
        "signal",
        "canary",
        "health",
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
    }
)
NEVER_PLAIN = (0, Type.OPT, Type.NXNAME, *range(Type.TKEY, Type.ANY + 1))


def starts(name: bytes) -> tuple[int, ...]:
    """Where the labels of a name start."""
    found = []
    position = 0
    while name[position]:
        found.append(position)
        position += name[position] + 1
    return tuple(found)


def expected(message: bytes) -> tuple[Any, ...] | None:
    """What the reference knows of a query, None where it is not plain."""
    query = parse_query(message)
    if not isinstance(query, Query):
        return None
    question, edns = query.question, query.edns
    _, flags, _, ancount, nscount, arcount = HEADER.unpack_from(message)
    options = () if edns is None else edns.options
    end = 12 + len(question.wire)
    bare = edns is None or message[end : end + 3] == b"\0\0\x29"
    plain = (
        flags & ~0x0030 == 0x0100
        and not ancount + nscount
        and arcount == (edns is not None)
        and bare
        and question.qclass == 1
        and question.qtype not in NEVER_PLAIN
        and all(code != OptionCode.ECS for code, _ in options)
    )
    if not plain or (edns is not None and option_count(message[end + 11 :]) > 32):
        return None
    return (
        query.id,
        question.name,
        question.qtype,
        starts(question.name),
        query.ad,
        query.cd,
        None if edns is None else (edns.payload, edns.do),
    )


def option_count(options: bytes) -> int:
    """How many options there are in well-formed ones."""
    count = position = 0
    while position < len(options):
        position += 4 + int.from_bytes(options[position + 2 : position + 4], "big")
        count += 1
    return count


@pytest.mark.parametrize("name", QUERIES)
def test_of_the_corpus_the_plain_queries_are_plain_and_no_others(name: str) -> None:
    assert (engine.plain(QUERIES[name]) is not None) == (name in PLAIN)


@given(mutants(QUERIES) | noise(QUERIES["banned"]))
@examples(600)
def test_a_query_is_plain_exactly_where_the_reference_would_not_think_twice(mutant: Any) -> None:
    assert engine.plain(mutant.octets) == expected(mutant.octets)


@pytest.mark.parametrize("qtype", range(260))
def test_types_that_are_no_data_are_never_plain(qtype: int) -> None:
    message = header(0x0100, 1) + question("www.example.org", qtype)
    assert (engine.plain(message) is None) == (qtype in NEVER_PLAIN)


@pytest.mark.parametrize("bit", range(16))
def test_of_the_flags_only_ad_and_cd_are_plain_beside_rd(bit: int) -> None:
    message = header(0x0100 ^ 1 << bit, 1) + question("www.example.org")
    assert (engine.plain(message) is not None) == (bit in (4, 5))


@pytest.mark.parametrize(("count", "plain"), [(0, True), (1, True), (32, True), (33, False)])
def test_an_opt_of_more_options_than_are_kept_is_not_plain(count: int, plain: bool) -> None:
    message = header(0x0100, 1, 0, 0, 1) + question("www.example.org") + opt(option(65_001, b"x") * count)
    assert (engine.plain(message) is not None) == plain


@pytest.mark.parametrize(
    "additional",
    [
        opt(option(8, b"\0\1\0\0")),
        opt(ttl=0x0001_0000),
        opt(owner=b"\xc0\x1c"),
        opt() + b"\0",
        record(b"\0", 1, bytes(4)),
    ],
    ids=["client subnet", "version 1", "owner by a pointer", "an octet behind", "another record"],
)
def test_additional_records_but_one_opt_of_version_0_need_judgement(additional: bytes) -> None:
    base = question("www.example.org")
    assert engine.plain(header(0x0100, 1, 0, 0, 1) + base + opt()) is not None
    assert engine.plain(header(0x0100, 1, 0, 0, 1) + base + additional) is None


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_a_plain_query_cut_anywhere_is_not_plain(name: str) -> None:
    message = QUERIES[name]
    assert [size for size in range(len(message)) if engine.plain(message[:size]) is not None] == []
