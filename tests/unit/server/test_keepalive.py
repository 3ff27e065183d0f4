"""The keepalive option in queries and replies."""

import pytest

from dnsfilter.server.keepalive import asks_keepalive, with_keepalive
from dnsfilter.wire.compose import RawRecord
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
    assert asks_keepalive(data) is asks


def _query(*records: bytes) -> Query:
    query = parse_query(message(question(), *records, counts=(1, 0, 0, len(records))))
    assert isinstance(query, Query)
    return query


def test_a_reply_says_the_time_in_tenths_of_a_second_behind_its_other_options() -> None:
    plain = empty_reply(_query(opt()), 5)
    assert with_keepalive(plain, 3600) == plain[:-2] + b"\0\x06" + bytes.fromhex("000b00028ca0")
    records = [RawRecord(b"\x03www\x07example\x03org\0", 1, 1, 60, bytes(4))] * 3
    several = local_reply(_query(opt()), 0, records[:1], records[1:])
    assert with_keepalive(several, 2.5) == several[:-2] + b"\0\x06" + bytes.fromhex("000b00020019")


@pytest.mark.parametrize("size", [0, 65_000])
def test_a_reply_without_opt_or_room_stays_as_it_is(size: int) -> None:
    big = [RawRecord(b"\0", 65280, 1, 60, bytes(size))]
    without = local_reply(_query(), 0, big)
    assert with_keepalive(without, 10) == without
    full = [RawRecord(b"\0", 65280, 1, 60, bytes(65_535 - 12 - len(question()) - 11 - 11))]
    reply = local_reply(_query(opt()), 0, full)
    assert len(reply) == 65_535
    assert with_keepalive(reply, 10) == reply
