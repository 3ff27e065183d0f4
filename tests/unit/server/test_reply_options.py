"""The options of a connection in queries and replies: keepalive and padding."""

import dns.message
import pytest

from dnsfilter.server.reply_options import Asked, asked_options, with_options
from dnsfilter.wire.compose import RawRecord
from dnsfilter.wire.edns import PADDING_BLOCK
from dnsfilter.wire.query import Query, parse_query
from dnsfilter.wire.reply import empty_reply, local_reply
from tests.unit.wire.build import message, opt, question

ASKED = b"\0\x0b\0\0"
WITH_OPT = (1, 0, 0, 1)


@pytest.mark.parametrize(
    ("data", "asks"),
    [
        (message(question(), opt(ASKED), counts=WITH_OPT), True),
        (message(question(), opt(b"\0\x0a\0\x08" + bytes(8) + ASKED), counts=WITH_OPT), True),
        (message(question(), opt(b"\xfd\xe9\0\x04" + ASKED), counts=WITH_OPT), False),
        (message(question(), opt(ASKED + b"\0\x0b\0\x02\0\x64"), counts=WITH_OPT), False),
        (message(question(), opt(ASKED, ttl=0x0001_0000), counts=WITH_OPT), False),
        (message(b"\x04" + ASKED + bytes(3) + b"\1\0\1"), False),
        (message(question(), opt(), counts=WITH_OPT), False),
        (ASKED, False),
    ],
    ids=["alone", "with another", "within another", "malformed too", "version", "in the name", "none", "no message"],
)
def test_a_query_asks_by_an_option_of_its_opt(data: bytes, asks: bool) -> None:
    assert (Asked.KEEPALIVE in asked_options(data, encrypted=False)) is asks


@pytest.mark.parametrize("padding", [b"", bytes(100)])
def test_a_query_asks_for_padding_on_an_encrypted_connection_only(padding: bytes) -> None:
    option = b"\0\x0c" + len(padding).to_bytes(2) + padding
    data = message(question(), opt(option), counts=WITH_OPT)
    assert asked_options(data, encrypted=True) == Asked.PADDING
    assert not asked_options(data, encrypted=False)
    both = message(question(), opt(ASKED + option), counts=WITH_OPT)
    assert asked_options(both, encrypted=True) == Asked.KEEPALIVE | Asked.PADDING
    assert not asked_options(message(question(), opt(b"\xfd\xe9\0\x04\0\x0c\0\0"), counts=WITH_OPT), encrypted=True)


@pytest.mark.parametrize("size", [0, 1, 400, 412, 413, 5_000, 64_000])
def test_a_padded_reply_has_a_multiple_of_the_block(size: int) -> None:
    reply = local_reply(_query(opt()), 0, [RawRecord(b"\0", 65280, 1, 60, bytes(size))])
    for asked in (Asked.PADDING, Asked.PADDING | Asked.KEEPALIVE):
        padded = with_options(reply, asked, 10)
        assert len(padded) % PADDING_BLOCK == 0
        assert 0 <= len(padded) - len(reply) < PADDING_BLOCK + 10
        assert dns.message.from_wire(padded).answer == dns.message.from_wire(reply).answer


def test_padding_ends_at_the_size_of_a_message() -> None:
    for size in range(65_520, 65_535):
        room = size - 12 - len(question()) - 11 - 11
        reply = local_reply(_query(opt()), 0, [RawRecord(b"\0", 65280, 1, 60, bytes(room))])
        assert len(reply) == size
        assert len(with_options(reply, Asked.PADDING, 10)) == (65_535 if size <= 65_531 else size)


def _query(*records: bytes) -> Query:
    query = parse_query(message(question(), *records, counts=(1, 0, 0, len(records))))
    assert isinstance(query, Query)
    return query


def test_a_reply_says_the_time_in_tenths_of_a_second_behind_its_other_options() -> None:
    plain = empty_reply(_query(opt()), 5)
    assert with_options(plain, Asked.KEEPALIVE, 3600) == plain[:-2] + b"\0\x06" + bytes.fromhex("000b00028ca0")
    records = [RawRecord(b"\x03www\x07example\x03org\0", 1, 1, 60, bytes(4))] * 3
    several = local_reply(_query(opt()), 0, records[:1], records[1:])
    assert with_options(several, Asked.KEEPALIVE, 2.5) == several[:-2] + b"\0\x06" + bytes.fromhex("000b00020019")


@pytest.mark.parametrize("size", [0, 65_000])
def test_a_reply_without_opt_or_room_stays_as_it_is(size: int) -> None:
    big = [RawRecord(b"\0", 65280, 1, 60, bytes(size))]
    without = local_reply(_query(), 0, big)
    assert with_options(without, Asked.KEEPALIVE, 10) == without
    full = [RawRecord(b"\0", 65280, 1, 60, bytes(65_535 - 12 - len(question()) - 11 - 11))]
    reply = local_reply(_query(opt()), 0, full)
    assert len(reply) == 65_535
    assert with_options(reply, Asked.KEEPALIVE, 10) == reply
