"""Asking one server one question."""

import socket
import threading
from ipaddress import ip_address

import pytest

from dnsfilter.cli.running.asking import ask
from dnsfilter.config.node_config import Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.iana import Rcode, Type
from dnsfilter.wire.names import parse_name
from tests.support.ports import free_port
from tests.unit.cli.doctor.checks.test_upstreams import server

NAME = parse_name("www.example.org")
LOOPBACK = ip_address("127.0.0.1")


@pytest.mark.parametrize("transport", Transport)
def test_answer_comes_over_either_transport(transport: Transport) -> None:
    with server() as at:
        answer = ask(at, NAME, Type.A, transport, source=ip_address("127.0.0.5"))
    assert (answer.rcode, answer.question.name) == (Rcode.NOERROR, NAME)


def test_datagram_with_another_id_is_no_answer() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as lying:
        lying.bind(("127.0.0.1", free_port()))

        def lie() -> None:
            message, peer = lying.recvfrom(4096)
            lying.sendto(bytes((message[0] ^ 1,)) + message[1:], peer)

        thread = threading.Thread(target=lie)
        thread.start()
        with pytest.raises(UnavailableError, match=r"over UDP: no answer within 0\.2 s"):
            ask(Endpoint(LOOPBACK, lying.getsockname()[1]), NAME, Type.A, within_s=0.2)
        thread.join()


def test_closed_port_is_reported() -> None:
    with pytest.raises(UnavailableError, match="over TCP: connection refused"):
        ask(Endpoint(LOOPBACK, free_port()), NAME, Type.A, Transport.TCP)
