"""Messages as text."""

import pytest
from hypothesis import given, settings

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.message import describe
from tests.unit.wire.build import QR, RICH, message, noise, opt, question, record


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
