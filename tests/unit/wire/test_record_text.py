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
    ("text", "strings"), [("", [b""]), ("hi", [b"hi"]), ("x" * 300, [b"x" * 255, b"x" * 45]), ("é", ["é".encode()])]
)
def test_text_is_cut_into_strings(text: str, strings: list[bytes]) -> None:
    wire = parse_rdata(TYPES["TXT"], text)
    assert wire == b"".join(bytes((len(string),)) + string for string in strings)
