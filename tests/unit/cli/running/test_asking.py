"""Asking one server one question."""

import socket
import threading
from ipaddress import ip_address, ip_network

import dns.message
import pytest

from dnsfilter.cli.running.asking import ask
from dnsfilter.config.node_config import Clients, Endpoint, Unregistered
from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.iana import Rcode, Type
from dnsfilter.wire.names import parse_name
from tests.support.answering_server import server
from tests.support.ports import free_port
from tests.support.proxied import LOCAL

NAME = parse_name("www.example.org")
LOOPBACK = ip_address("127.0.0.1")


@pytest.mark.parametrize("transport", Transport)
def test_answer_comes_over_either_transport(transport: Transport) -> None:
    with server() as at:
        answer = ask(at, NAME, Type.A, transport, source=ip_address("127.0.0.5"))
    assert (answer.rcode, answer.question.name) == (Rcode.NOERROR, NAME)


@pytest.mark.parametrize(("proxy", "first"), [("127.0.0.5", LOCAL), ("127.0.0.6", b"")])
def test_node_that_takes_this_machine_for_a_proxy_gets_a_header(proxy: str, first: bytes) -> None:
    clients = Clients(Unregistered.REFUSE, trusted_proxies=(ip_network(proxy),))
    source = ip_address("127.0.0.5")
    with socket.socket(type=socket.SOCK_DGRAM) as node, socket.create_server(("127.0.0.1", 0)) as by_stream:
        node.bind(by_stream.getsockname())
        at = Endpoint(LOOPBACK, node.getsockname()[1])
        with pytest.raises(UnavailableError):
            ask(at, NAME, Type.A, clients=clients, source=source, within_s=0.1)
        message = node.recv(4096)
        with pytest.raises(UnavailableError):
            ask(at, NAME, Type.A, Transport.TCP, clients=clients, source=source, within_s=0.1)
        with by_stream.accept()[0] as connection:
            frame = connection.recv(4096)
    for sent, before in ((message, first), (frame, first + frame[len(first) : len(first) + 2])):
        assert sent.startswith(before)
        assert dns.message.from_wire(sent[len(before) :]).question[0].name.to_text() == "www.example.org."


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
