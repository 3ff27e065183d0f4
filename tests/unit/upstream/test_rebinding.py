"""Which names may have private addresses, and the words for it."""

from pathlib import Path

import pytest

from dnsfilter.config.load import parse_config
from dnsfilter.config.node_config import Config
from dnsfilter.upstream.rebinding import mark_for, private_addresses_text
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.names import parse_name

TEXT = """
upstream.servers = ["192.0.2.1"]
rebinding = { protect = true, except = ["vpn.example.org"] }
[[zone]]
suffix = "corp.example"
servers = ["192.0.2.2"]
[[record]]
name = "printer.example.org"
type = "A"
data = "10.0.0.9"
"""


def config(text: str = TEXT) -> Config:
    return parse_config(text, Path("dnsfilter.toml"))


@pytest.mark.parametrize(("name", "expected"), [
    ("www.example.org", "withheld from public answers"),
    ("example.org", "withheld from public answers"),
    ("notvpn.example.org", "withheld from public answers"),
    ("vpn.example.org", "answered, because vpn.example.org is in rebinding.except"),
    ("a.vpn.example.org", "answered, because vpn.example.org is in rebinding.except"),
    ("fs.corp.example", "answered, because the name is in a [[zone]]"),
    ("printer.example.org", "answered, because the name has a [[record]]"),
])  # fmt: skip
def test_what_becomes_of_private_addresses_is_said_with_its_reason(name: str, expected: str) -> None:
    assert private_addresses_text(config(), parse_name(name)) == expected


def test_without_protection_nothing_is_said_and_nothing_is_marked() -> None:
    plain = config('upstream.servers = ["192.0.2.1"]')
    assert private_addresses_text(plain, parse_name("www.example.org")) is None
    assert mark_for(plain.rebinding, Zones(plain.upstream.servers, ())) is None
