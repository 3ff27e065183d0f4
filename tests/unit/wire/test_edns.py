"""OPT records and their options."""

import dns.edns
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.edns import (
    MAX_OPTIONS,
    OUR_PAYLOAD,
    Ede,
    Edns,
    ede_option,
    is_client_subnet,
    opt_record,
    parse_edns,
)
from tests.unit.wire.build import message, question


def test_the_parts_of_an_opt_are_read() -> None:
    assert parse_edns(4096, 0x0000_8000, b"\0\x03\0\0\0\x0a\0\x02ab") == Edns(4096, 0, True, ((3, b""), (10, b"ab")))
    assert parse_edns(512, 0x0000_7FFF, b"") == Edns(512, 0, False)


def test_the_first_of_equal_options_counts() -> None:
    edns = parse_edns(512, 0, b"\0\x0a\0\x01a\0\x0a\0\x01b")
    assert edns.option(10) == b"a"
    assert edns.option(3) is None


@pytest.mark.parametrize(("options", "expected"), [(b"\0\x0f\0\x02\0\0", True), (b"\0\x0f\0\0", True), (b"", False)])
def test_a_client_says_by_an_extended_error_that_it_reads_json(options: bytes, expected: bool) -> None:
    assert parse_edns(512, 0, options).reads_json is expected


@pytest.mark.parametrize("options", [b"\0", b"\0\x03\0", b"\0\x03\0\x01", b"\0\x03\0\x00\0\x03\xff\xffab"])
def test_options_that_do_not_fill_the_record_are_malformed(options: bytes) -> None:
    with pytest.raises(MalformedMessage, match="read opt"):
        parse_edns(512, 0, options)


def test_options_of_another_version_are_not_read() -> None:
    assert parse_edns(512, 0x0001_8000, b"\0\x03\0") == Edns(512, 1, True)


def test_options_are_bounded_but_all_checked() -> None:
    assert len(parse_edns(512, 0, b"\0\x03\0\0" * 16_000).options) == MAX_OPTIONS
    with pytest.raises(MalformedMessage):
        parse_edns(512, 0, b"\0\x03\0\0" * 16_000 + b"\0")


@given(st.integers(0, 0xFFFF), st.text(max_size=200), st.booleans(), st.integers(0, 255))
def test_independent_parser_reads_our_opt(code: int, text: str, do: bool, extended: int) -> None:
    options = ede_option(Ede(code, text))
    built = opt_record(OUR_PAYLOAD, do, options, extended)
    assert len(built) == 11 + len(options)  # RFC 6891 section 6.1.2
    parsed = dns.message.from_wire(message(question(), built, counts=(1, 0, 0, 1)))
    assert (parsed.payload, parsed.edns, bool(parsed.ednsflags & 0x8000)) == (1232, 0, do)
    assert int(parsed.rcode()) == extended << 4
    (option,) = parsed.options
    assert isinstance(option, dns.edns.EDEOption)
    # An independent parser does not count a terminating zero as text.
    assert (int(option.code), option.text or "") == (code, text.removesuffix("\0"))


def test_too_long_ede_text_is_left_out() -> None:
    assert ede_option(Ede(15, "x" * 1_025)) == ede_option(Ede(15))
    assert len(ede_option(Ede(15, "x" * 1_024))) == 6 + 1_024


@pytest.mark.parametrize(
    ("data", "right"),
    [
        ("0001 18 00 c00002", True),
        ("0001 00 00", True),
        ("0000 00 00", True),
        ("0002 38 00 20010db8000000", True),
        ("0001 19 00 c0000280", True),
        ("0001 19 00 c00002c0", False),  # a bit beyond the prefix
        ("0001 18 00 c0000200", False),  # an byte too many
        ("0001 18 00 c000", False),  # an byte too few
        ("0001 18 18 c00002", False),  # a scope, which only answers may have
        ("0001 21 00 c000020100", False),  # longer than an address
        ("0002 81 00 " + "20" * 17, False),
        ("0003 08 00 c0", False),  # no such family
        ("0000 08 00 c0", False),
        ("0001 18", False),
        ("", False),
    ],
)
def test_the_form_of_a_client_subnet(data: str, right: bool) -> None:
    assert is_client_subnet(bytes.fromhex(data)) is right
