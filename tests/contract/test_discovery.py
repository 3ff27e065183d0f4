"""Discovery: devices that ask for encrypted resolvers get the node's own listeners, and nothing else."""

from pathlib import Path

import dns.message
import dns.rcode
import pytest

from dnsfilter.config.load import parse_config
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.upstream.discovery import node_zones
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.iana import Type
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, Rig, data, query
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, says
from tests.support.starting import Start

NAME = "dns.example.org"
FILES = f'name = "{NAME}"\ncertificate = "chain.pem"\nkey = "key.pem"\n'
BOTH = 'dot_listen = ["192.0.2.53", "[2001:db8::53]"]\ndoh_listen = ["192.0.2.53:8443"]\n'
RESINFO = int(Type.RESINFO)
DOT = f'1 {NAME}. alpn="dot" port="853" ipv4hint="192.0.2.53" ipv6hint="2001:db8::53"'
DOH = f'2 {NAME}. alpn="h2" port="8443" ipv4hint="192.0.2.53" dohpath="/dns-query{{?dns}}"'


def zones_of(encrypted: str, before: str = "", after: str = "") -> Zones:
    text = f'upstream.servers = ["198.51.100.1"]\n{before}[encrypted]\n{FILES}{encrypted}{after}'
    return node_zones(parse_config(text, Path("dnsfilter.toml")))


def started(start: Start, encrypted: str, before: str = "", after: str = "", upstream: Scripted | None = None) -> Rig:
    records = [record for found in zones_of(encrypted, before, after).records.values() for record in found]
    return start(office(), upstream or internet(), records=records)


def services(found: dns.message.Message) -> list[str]:
    return [line.removeprefix("SVCB ") for line in data(found)]


@each_row("transport", [Transport.UDP, Transport.TCP])
@each_row("name", ["_dns.resolver.arpa", f"_dns.{NAME}", "_DNS.Resolver.ARPA"])
def test_devices_find_the_listeners_of_the_node(start: Start, name: str, transport: Transport) -> None:
    rig = started(start, BOTH)
    found = rig.ask(query(name, "SVCB"), GHENT, transport)
    assert (found.rcode(), found.flags & 0x0400) == (dns.rcode.NOERROR, 0)
    assert services(found) == [DOT, DOH]
    assert rig.forwarded == []
    assert rig.bypass() == {}


@pytest.mark.parametrize("name", ["resolver.arpa", NAME])
def test_devices_find_what_the_resolver_says_of_itself(start: Start, name: str) -> None:
    rig = started(start, BOTH)
    (rrset,) = rig.ask(query(name, RESINFO)).answer
    assert rrset[0].to_wire() == b"\x0fexterr=15,16,17"
    assert rig.forwarded == []


def test_the_name_of_the_node_is_answered_here(start: Start) -> None:
    rig = started(start, BOTH)
    assert data(rig.ask(query(NAME, "A"))) == ["A 192.0.2.53"]
    assert data(rig.ask(query(NAME, "AAAA"))) == ["AAAA 2001:db8::53"]
    assert data(rig.ask(query(NAME, "MX"))) == []
    assert rig.forwarded == []


def test_other_questions_about_discovery_stay_here(start: Start) -> None:
    rig = started(start, BOTH)
    for name, qtype in (("_dns.resolver.arpa", "A"), ("x.resolver.arpa", "SVCB"), ("resolver.arpa", "A")):
        found = rig.ask(query(name, qtype))
        assert (found.rcode(), data(found)) == (dns.rcode.NOERROR, [])
    for name in ("_dns.resolver.arpa", "resolver.arpa"):
        assert rig.ask(query(name, "SVCB", "HS")).rcode() == dns.rcode.REFUSED
    assert rig.forwarded == []


def test_without_usable_addresses_others_answer_the_name(start: Start) -> None:
    upstream = Scripted(says({(NAME, "A"): (f"{NAME}. 300 A 198.51.100.53",)}))
    rig = started(start, 'dot_listen = ["0.0.0.0"]\n', upstream=upstream)
    assert services(rig.ask(query("_dns.resolver.arpa", "SVCB"))) == [f'1 {NAME}. alpn="dot" port="853"']
    assert data(rig.ask(query(NAME))) == ["A 198.51.100.53"]


def test_a_listener_on_all_addresses_is_at_those_that_clients_know(start: Start) -> None:
    listen = 'listen = ["127.0.0.1", "192.0.2.53", "[2001:db8::53]"]\n'
    rig = started(start, 'dot_listen = ["0.0.0.0"]\n', listen)
    assert services(rig.ask(query("_dns.resolver.arpa", "SVCB"))) == [
        f'1 {NAME}. alpn="dot" port="853" ipv4hint="192.0.2.53"'
    ]


def test_records_of_the_configuration_come_first(start: Start) -> None:
    record = f'[[record]]\nname = "{NAME}"\ntype = "A"\ndata = "192.0.2.99"\n'
    rig = started(start, BOTH, after=record)
    assert data(rig.ask(query(NAME))) == ["A 192.0.2.99"]


def test_without_listeners_there_is_nothing_to_find(start: Start) -> None:
    assert zones_of("").records == {}
    rig = start(office(), internet())
    found = rig.ask(query("_dns.resolver.arpa", "SVCB"))
    assert (found.rcode(), data(found)) == (dns.rcode.NOERROR, [])
    assert rig.bypass() == {("ghent", "ddr"): 1}
