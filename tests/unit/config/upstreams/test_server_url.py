"""Servers as the configuration writes them."""

import base64
from ipaddress import ip_address

import pytest

from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Endpoint, Tls
from dnsfilter.config.upstreams.server_url import parse_server

PINS = [base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)]


@pytest.mark.parametrize(
    ("text", "server", "written"),
    [
        ("192.0.2.1", Endpoint(ip_address("192.0.2.1"), 53), "192.0.2.1:53"),
        (
            "tls://192.0.2.1#dns.example.org",
            Endpoint(ip_address("192.0.2.1"), 853, Tls("dns.example.org")),
            "tls://192.0.2.1:853#dns.example.org",
        ),
        (
            "tls://[2001:db8::1]:8853/#DNS.example.org.",
            Endpoint(ip_address("2001:db8::1"), 8853, Tls("dns.example.org")),
            "tls://[2001:db8::1]:8853#dns.example.org",
        ),
        (
            "tls://2001:db8::1#192.0.2.1",
            Endpoint(ip_address("2001:db8::1"), 853, Tls("192.0.2.1")),
            "tls://[2001:db8::1]:853#192.0.2.1",
        ),
        (
            "https://192.0.2.1/dns-query{?dns}#dns.example.org",
            Endpoint(ip_address("192.0.2.1"), 443, Tls("dns.example.org", path="/dns-query")),
            "https://192.0.2.1:443/dns-query#dns.example.org",
        ),
        (
            f"https://[2001:db8::1]:8443/#pin-sha256={PINS[0]}",
            Endpoint(ip_address("2001:db8::1"), 8443, Tls("", (PINS[0],), "/")),
            f"https://[2001:db8::1]:8443/#pin-sha256={PINS[0]}",
        ),
        (
            f"tls://192.0.2.1#pin-sha256={PINS[0]}&pin-sha256={PINS[1]}",
            Endpoint(ip_address("192.0.2.1"), 853, Tls("", (PINS[0], PINS[1]))),
            f"tls://192.0.2.1:853#pin-sha256={PINS[0]}&pin-sha256={PINS[1]}",
        ),
    ],
)
def test_server_is_read_and_written(text: str, server: Endpoint, written: str) -> None:
    assert parse_server(text) == server
    assert endpoint_text(server) == written
    assert parse_server(written) == server


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("tls://192.0.2.1", 'lacks the name in its certificate: write for example "tls://192.0.2.1#dns.example.org"'),
        ("tls://192.0.2.1#", "lacks the name in its certificate"),
        ("tls://dns.example.org", "an address in place of 'dns.example.org': write for example"),
        ("tls://dns.example.org#dns.example.org", 'write for example "tls://192.0.2.1#dns.example.org"'),
        ("https://dns.example.org/dns-query", 'for example "https://192.0.2.1/dns-query#dns.example.org"'),
        ("https://192.0.2.1#dns.example.org", "lacks a path"),
        ("https://192.0.2.1/a b#dns.example.org", "lacks a path"),
        ("tls://192.0.2.1/dns-query#dns.example.org", 'remove "/dns-query"'),
        ("tls://192.0.2.1:99999#dns.example.org", "needs an address in place of '192.0.2.1:99999'"),
        ("tls://192.0.2.1#not a name", "'not a name' in 'tls://192.0.2.1#not a name' is not the name of a server"),
        ("tls://192.0.2.1#-a.example.org", "is not the name of a server"),
        ("tls://192.0.2.1#pin-sha256=abc", 'is not "pin-sha256=" with the 44 characters'),
        (f"tls://192.0.2.1#pin-sha1={PINS[0]}", 'is not "pin-sha256="'),
        (f"tls://192.0.2.1#pin-sha256={PINS[0]}&", "is not"),
        ("quic://192.0.2.1#dns.example.org", "begins with quic://: write an address"),
        ("192.0.2.1@853#dns.example.org", 'write for example "tls://192.0.2.1#dns.example.org"'),
        ("example.org", "is not an IP address"),
    ],
)
def test_fault_says_what_to_write(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        parse_server(text)
    assert fault in str(raised.value)
