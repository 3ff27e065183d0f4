"""Servers that do not answer over one of the transports: real sockets on loopback."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from dnsfilter.cli.doctor.checks.upstreams import upstreams
from dnsfilter.config.node_config import Endpoint, Zone
from dnsfilter.wire.names import parse_name
from tests.support.doctor_subjects import subject, texts, with_servers
from tests.support.ports import free_port


@contextmanager
def server(rcode: dns.rcode.Rcode = dns.rcode.NOERROR, *, with_tcp: bool = True) -> Iterator[Endpoint]:
    """A server that answers every question with that code and addresses with 192.0.2.80, over UDP and TCP."""
    port = free_port()
    udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
    udp.bind(("127.0.0.1", port))
    tcp.bind(("127.0.0.1", port))
    if with_tcp:
        tcp.listen()

    def reply(message: bytes) -> bytes:
        made = dns.message.make_response(dns.message.from_wire(message))
        made.set_rcode(rcode)
        if made.question[0].rdtype == dns.rdatatype.A:
            made.answer.append(dns.rrset.from_text(made.question[0].name, 300, "IN", "A", "192.0.2.80"))
        return made.to_wire()

    def by_udp() -> None:
        while (received := udp.recvfrom(4096))[0]:
            udp.sendto(reply(received[0]), received[1])

    def by_tcp() -> None:
        while True:
            connection, _ = tcp.accept()
            with connection:
                framed = connection.recv(4096)
                if not framed:
                    return
                answer = reply(framed[2:])
                connection.sendall(len(answer).to_bytes(2) + answer)

    threads = [threading.Thread(target=by_udp), *([threading.Thread(target=by_tcp)] if with_tcp else [])]
    for thread in threads:
        thread.start()
    yield Endpoint(ip_address("127.0.0.1"), port)
    with socket.socket(type=socket.SOCK_DGRAM) as stop:
        stop.sendto(b"", ("127.0.0.1", port))
    if with_tcp:
        socket.create_connection(("127.0.0.1", port)).close()
    for thread in threads:
        thread.join()
    udp.close()
    tcp.close()


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
