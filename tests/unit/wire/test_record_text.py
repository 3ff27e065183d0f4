"""The data of records as people write it."""

import dns.rdata
import pytest

from dnsfilter.wire.record_text import TYPES, parse_rdata


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("A", "192.0.2.20"),
        ("AAAA", "2001:db8::20"),
        ("CNAME", "www.example.org."),
        ("PTR", "printer.corp.internal."),
        ("SRV", "0 5 389 dc1.corp.internal."),
        ("SRV", "65535 65535 65535 ."),
    ],
)
def test_data_has_the_wire_form_of_another_implementation(kind: str, text: str) -> None:
    assert parse_rdata(TYPES[kind], text) == dns.rdata.from_text("IN", kind, text).to_wire()


@pytest.mark.parametrize(
    ("text", "wire"), [("", b"\0"), ("hi", b"\x02hi"), ("é", b"\x02\xc3\xa9"), ("x" * 255, b"\xff" + b"x" * 255)]
)
def test_text_is_one_string(text: str, wire: bytes) -> None:
    assert parse_rdata(TYPES["TXT"], text) == wire
