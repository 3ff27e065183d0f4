"""Records made with dnslib, and messages as text."""

from ipaddress import ip_address

import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.answer import RawRecord
from dnsfilter.wire.message import address_record, describe, hinfo_record, soa_record, txt_record
from dnsfilter.wire.names import parse_name
from dnsfilter.wire.reply import local_reply
from tests.unit.wire.build import QR, RICH, asked, message, noise, opt, question, record

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


def test_a_message_is_described_line_by_line() -> None:
    lines = describe(RICH).splitlines()
    assert lines[0].startswith(";; opcode: 0, status: NOERROR, id: ")
    assert lines[1] == ";; flags: qr rd ra"
    assert ";www.example.org.\tIN\tA" in lines
    assert "www.example.org.\t300\tIN\tCNAME\tcdn.example.net." in lines
    assert "_sip._tcp.example.org.\t60\tIN\tSRV\t1 2 5060 sip.example.org." in lines
    assert "ns.example.org.\t60\tIN\tAAAA\t2001:db8::1" in lines
    assert lines[-2] == ";; additional"


def test_a_query_with_options_is_described() -> None:
    text = describe(message(question("."), opt(b"\0\x0a\0\x02ab", ttl=0x8000), counts=(1, 0, 0, 1)))
    assert ";; edns: version 0, flags: do, udp 1232\n;; option 10: 6162\n" in text
    assert ";.\tIN\tA" in text


@pytest.mark.parametrize(
    ("rtype", "rdata", "shown"),
    [
        (65280, b"\xc0\x0c", "\\# 2 c00c"),
        (10, b"", "\\# 0"),
        (5, b"\x02\xff\xfe\0", "\\# 4 02fffe00"),
        (16, b"\xff", "\\# 1 ff"),
        (257, b"\0", "\\# 1 00"),
    ],
)
def test_data_that_dnslib_rejects_is_shown_in_hexadecimal(rtype: int, rdata: bytes, shown: str) -> None:
    data = message(question(), record(b"\xc0\x0c", rtype, rdata), flags=QR, counts=(1, 1, 0, 0))
    last = describe(data).splitlines()[-1]
    assert last.split("\t")[4] == shown


def test_description_has_no_control_characters() -> None:
    data = message(question(r"\027[2J\010.org"), record(b"\xc0\x0c", 16, b"\x04\x1b[2J"), flags=QR, counts=(1, 1, 0, 0))
    assert all(line.replace("\t", "").isprintable() for line in describe(data).splitlines())


@given(noise(RICH))
@settings(max_examples=300)
def test_any_bytes_are_described_or_malformed(data: bytes) -> None:
    try:
        text = describe(data)
    except MalformedMessage:
        return
    assert text.isascii()
