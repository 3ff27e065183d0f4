"""RFC 7766 and RFC 9210: DNS over TCP of a real node. Unit tests of `dnsfilter.server.stream` cover one connection."""

import socket
import struct
from contextlib import closing

import dns.message
import pytest

from tests.support.engines import PATIENCE_S, query
from tests.support.nodes import Node

GHENT, UNBANNED = "127.0.5.10", "127.0.22.10"
BANNED = "www.tiktok.com"
DATA_SEGMENTS_IN = 152
"""Offset of the 32-bit number tcpi_data_segs_in in `struct tcp_info` (linux/tcp.h, since 4.6)."""


def ask(stream: socket.socket, message: bytes) -> dns.message.Message:
    stream.sendall(len(message).to_bytes(2, "big") + message)
    size = int.from_bytes(stream.recv(2, socket.MSG_WAITALL), "big")
    return dns.message.from_wire(stream.recv(size, socket.MSG_WAITALL))


def test_tcp_serves_who_never_used_udp(node: Node) -> None:
    found = node.dig("plain.example.org", bind="127.0.8.77", extra=["+tcp"])
    assert (found.rcode, found.transport.lower()) == ("NOERROR", "tcp")


def test_udp_and_tcp_serve_the_same_at_the_same_address(node: Node) -> None:
    for name in ("plain.example.org", BANNED, "localhost"):
        found = {extra: node.dig(name, bind=GHENT, extra=[extra]) for extra in ("+tcp", "+notcp")}
        assert {result.transport.lower() for result in found.values()} == {"tcp", "udp"}
        tcp, udp = ((result.rcode, result.ede, result.rdata("A")) for result in found.values())
        assert tcp == udp


@pytest.mark.parametrize(
    ("name", "qtype"), [("plain.example.org", "A"), ("big.example.org", "TXT"), (BANNED, "A"), ("localhost", "A")]
)
def test_length_and_message_come_in_one_segment(node: Node, name: str, qtype: str) -> None:
    client = UNBANNED if name == "big.example.org" else GHENT
    with closing(socket.create_connection(("127.0.0.1", node.port), PATIENCE_S, (client, 0))) as stream:
        for number in range(20):
            assert ask(stream, query(name, qtype, id=number)).id == number
        info = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        assert struct.unpack_from("=I", info, DATA_SEGMENTS_IN) == (20,)
