"""Listening sockets, and the words for those that cannot be had."""

import socket
from ipaddress import ip_address

import pytest

from dnsfilter.config.model import Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.node.sockets import open_listening, open_tcp
from tests.support.ports import free_port


def test_every_endpoint_is_bound_over_both_transports() -> None:
    endpoints = [Endpoint(ip_address(address), free_port(address)) for address in ("127.0.0.1", "::1")]
    listening = open_listening(endpoints)
    bound = [[sock.getsockname()[:2] for sock in sockets] for sockets in (listening.udp, listening.tcp)]
    listening.close()
    expected = [(str(endpoint.address), endpoint.port) for endpoint in endpoints]
    assert bound == [expected, expected]


def test_wildcards_of_both_families_can_be_bound_side_by_side() -> None:
    port = free_port("::")
    listening = open_listening([Endpoint(ip_address("0.0.0.0"), port), Endpoint(ip_address("::"), port)])
    assert len(listening.udp) == len(listening.tcp) == 2
    listening.close()


@pytest.mark.parametrize(("kind", "word"), [(socket.SOCK_DGRAM, "udp"), (socket.SOCK_STREAM, "tcp")])
def test_a_busy_port_is_named_with_transport_and_advice(kind: socket.SocketKind, word: str) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UnavailableError, match=rf"127\.0\.0\.1:{port} {word}: another program"):
            open_listening([Endpoint(ip_address("127.0.0.1"), port)])


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(UnavailableError, match="no such address"):
        open_tcp(Endpoint(ip_address("192.0.2.1"), 5300))
