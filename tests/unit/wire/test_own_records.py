"""Records that the resolver makes itself."""

from ipaddress import ip_address

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.wire.answer import RawRecord
from dnsfilter.wire.names import parse_name
from dnsfilter.wire.own_records import address_record, hinfo_record, soa_record, txt_record, txt_strings_record
from dnsfilter.wire.reply import local_reply
from tests.unit.wire.build import asked

NAME = parse_name("www.example.org")


def as_read(made: RawRecord) -> str:
    """Return the record as an independent parser shows it."""
    (rrset,) = dns.message.from_wire(local_reply(asked(), 0, [made])).answer
    return rrset.to_text()


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (soa_record(NAME, 10, 20), "10 IN SOA localhost. nobody.invalid. 1 3600 600 86400 20"),
        (address_record(NAME, 7, ip_address("192.0.2.1")), "7 IN A 192.0.2.1"),
        (address_record(NAME, 7, ip_address("2001:db8::1")), "7 IN AAAA 2001:db8::1"),
        (address_record(NAME, 7, bytes([192, 0, 2, 1])), "7 IN A 192.0.2.1"),
        (address_record(NAME, 7, bytes(15) + b"\1"), "7 IN AAAA ::1"),
        (txt_record(NAME, 0, "revision 7"), '0 IN TXT "revision 7"'),
        (txt_record(NAME, 0, ""), '0 IN TXT ""'),
        (txt_record(NAME, 0, "x" * 300), f'0 IN TXT "{"x" * 255}" "{"x" * 45}"'),
        (txt_strings_record(NAME, 1, ["node", "x" * 300]), f'1 IN TXT "node" "{"x" * 255}"'),
        (hinfo_record(NAME, 5, "RFC8482", ""), '5 IN HINFO "RFC8482" ""'),
    ],
)
def test_independent_parser_reads_our_records(made: RawRecord, text: str) -> None:
    assert as_read(made) == f"www.example.org. {text}"


def test_data_too_large_for_a_record_raises_value_error() -> None:
    with pytest.raises(ValueError, match="txt"):
        txt_record(NAME, 0, "x" * 4_097)
    with pytest.raises(ValueError, match="hinfo"):
        hinfo_record(NAME, 0, "x" * 256, "")
    with pytest.raises(ValueError, match="IP"):
        address_record(NAME, 0, bytes(5))


@pytest.mark.heavy
@given(st.text(max_size=400))
def test_any_text_survives_in_a_record(text: str) -> None:
    made = txt_record(NAME, 0, text)
    data, position = b"", 0
    while position < len(made.rdata):
        data += made.rdata[position + 1 : position + 1 + made.rdata[position]]
        position += 1 + made.rdata[position]
    assert data == text.encode("utf-8", "replace")
