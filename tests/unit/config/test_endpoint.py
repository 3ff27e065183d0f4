"""Parsing endpoints, prefixes and resolv.conf."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.config.endpoint import endpoint_text, load_resolv_conf, parse_endpoint, parse_prefix
from dnsfilter.config.node_config import Endpoint
from dnsfilter.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("192.0.2.1", "192.0.2.1", 53),
        ("192.0.2.1:5300", "192.0.2.1", 5300),
        ("2001:db8::1", "2001:db8::1", 53),
        ("[2001:db8::1]", "2001:db8::1", 53),
        ("[2001:db8::1]:65535", "2001:db8::1", 65535),
        ("[::]:53", "::", 53),
    ],
)
def test_endpoints_are_read(text: str, address: str, port: int) -> None:
    assert parse_endpoint(text, 53) == Endpoint(ip_address(address), port)


@pytest.mark.parametrize(
    "text",
    ["", ":53", "localhost:53", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:٥٣", "192.0.2.1:+5", "[::1",
     "[::1]53", "[192.0.2.1]:53", "192.0.2.256", "192.0.2.1/24", "fe80::1%eth0", "::ffff:192.0.2.1"],
)  # fmt: skip
def test_invalid_endpoint_is_named_in_the_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not|names an interface|is an IPv4-mapped") as caught:
        parse_endpoint(text, 53)
    assert repr(text) in str(caught.value)


@given(st.ip_addresses(), st.integers(1, 65535))
def test_an_endpoint_is_read_back_from_its_text(address: object, port: int) -> None:
    endpoint = Endpoint(ip_address(str(address)), port)
    if getattr(endpoint.address, "ipv4_mapped", None) is None:
        assert parse_endpoint(endpoint_text(endpoint), 1) == endpoint


@pytest.mark.parametrize("text", ["192.0.2.0/24", "192.0.2.1", "2001:db8::/48", "0.0.0.0/0", "::/0"])
def test_prefixes_are_read(text: str) -> None:
    assert parse_prefix(text) == ip_network(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("192.0.2.1/24", 'has bits set beyond its length: write "192.0.2.0/24"'),
        ("192.0.2.0/33", "is not a prefix"),
        ("office", "is not a prefix"),
        ("::ffff:192.0.2.0/120", "is IPv4-mapped"),
        ("169.254.1.0/24", "is link-local"),
        ("fe80::/64", "is link-local"),
        ("2001:db8::%x/32", "has a scope id"),
    ],
)
def test_unusable_prefix_is_named_in_the_error(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_prefix(text)
    assert repr(text) in str(caught.value)


def test_resolv_conf_gives_the_servers_that_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# a comment\nsearch example.org\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver fe80::2\n"
        "nameserver 2001:db8::1 # office\n nameserver 192.0.2.1\nnameserver\nnameserver x\nnameserver 0.0.0.0\n"
    )
    assert load_resolv_conf(path) == (parse_endpoint("192.0.2.1:53"), parse_endpoint("[2001:db8::1]:53"))


@pytest.mark.parametrize("content", ["", "search example.org\n", "nameserver fe80::1%eth0\n", None])
def test_resolv_conf_without_a_usable_server_is_a_problem(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "resolv.conf"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"names no usable nameserver|cannot be read"):
        load_resolv_conf(path)
