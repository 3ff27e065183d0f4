"""A DNS server on loopback that gives every question the same answer."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from dnsfilter.config.node_config import Endpoint
from tests.support.ports import free_port


@contextmanager
def server(
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR, *, with_tcp: bool = True, recurses: bool = True, lowers: bool = False
) -> Iterator[Endpoint]:
    """A server that answers every question with that code and addresses with 192.0.2.80, over UDP and TCP.

    With `lowers`, it repeats the question in lower case over UDP.
    """
    port = free_port()
    udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
    udp.bind(("127.0.0.1", port))
    tcp.bind(("127.0.0.1", port))
    if with_tcp:
        tcp.listen()

    def reply(message: bytes) -> bytes:
        made = dns.message.make_response(dns.message.from_wire(message), recursion_available=recurses)
        made.set_rcode(rcode)
        if made.question[0].rdtype == dns.rdatatype.A:
            made.answer.append(dns.rrset.from_text(made.question[0].name, 300, "IN", "A", "192.0.2.80"))
        return made.to_wire()

    def by_udp() -> None:
        while (received := udp.recvfrom(4096))[0]:
            answer = reply(received[0])
            end = answer.index(b"\0", 12)
            answer = answer[:12] + answer[12:end].lower() + answer[end:] if lowers else answer
            udp.sendto(answer, received[1])

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
