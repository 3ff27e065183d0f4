"""Servers that do not answer over one of the transports: real sockets on loopback."""

from dataclasses import replace
from pathlib import Path

import dns.rcode

from dnsfilter.cli.doctor.resolving import upstreams
from dnsfilter.config.node_config import Zone
from dnsfilter.wire.names import parse_name
from tests.support.answering_server import server
from tests.support.doctor_subjects import subject, texts, with_servers


def test_server_without_tcp_is_found_until_its_port_is_open(tmp_path: Path) -> None:
    node = subject(tmp_path)
    with server(with_tcp=False) as only_udp:
        (found,) = upstreams(replace(node, config=with_servers(node.config, only_udp))).findings
    assert found.text == f"ask 127.0.0.1:{only_udp.port} over TCP: connection refused"
    assert f"runs at 127.0.0.1, and that firewalls pass port {only_udp.port} over TCP" in found.advice
    assert f"dig +tcp -p {only_udp.port} @127.0.0.1 . NS" in found.advice
    with server() as both:
        assert texts(upstreams(replace(node, config=with_servers(node.config, both)))) == []


def test_server_that_refuses_is_found_and_zone_servers_are_asked_too(tmp_path: Path) -> None:
    node = subject(tmp_path)
    with server() as good, server(dns.rcode.REFUSED) as refusing:
        zone = Zone(parse_name("corp.example.org"), (refusing,))
        config = replace(with_servers(node.config, good), zones=(zone,))
        found = upstreams(replace(node, config=config))
    assert texts(found) == [
        f"127.0.0.1 port {refusing.port} over UDP answers REFUSED",
        f"127.0.0.1 port {refusing.port} over TCP answers REFUSED",
    ]
    assert f"dig -p {refusing.port} @127.0.0.1 corp.example.org SOA" in found.findings[0].advice


def test_server_that_does_not_recurse_is_found(tmp_path: Path) -> None:
    node = subject(tmp_path)
    with server(recurses=False) as limited:
        found = upstreams(replace(node, config=with_servers(node.config, limited)))
    assert texts(found) == [
        f"127.0.0.1 port {limited.port} over UDP answers without recursion",
        f"127.0.0.1 port {limited.port} over TCP answers without recursion",
    ]
    assert "enable recursion there for this machine" in found.findings[0].advice
