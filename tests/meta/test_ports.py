"""Free ports are free for UDP and TCP."""

import socket
from unittest.mock import patch

import pytest

from tests.support import ports
from tests.support.ports import free_port


@pytest.mark.parametrize(("address", "family"), [("127.0.0.1", socket.AF_INET), ("127.0.5.10", socket.AF_INET)])
def test_a_free_port_can_be_bound_by_udp_and_tcp(address: str, family: socket.AddressFamily) -> None:
    port = free_port(address)
    with socket.socket(family, socket.SOCK_DGRAM) as udp, socket.socket(family, socket.SOCK_STREAM) as tcp:
        udp.bind((address, port))
        tcp.bind((address, port))
    assert ports.LOWEST <= port <= ports.HIGHEST


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_in_use_by_one_of_the_two_is_not_given_out(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        port = free_port()
        taken.bind(("127.0.0.1", port))
        with (
            patch.object(ports, "LOWEST", port),
            patch.object(ports, "HIGHEST", port),
            pytest.raises(OSError, match="none"),
        ):
            free_port()
