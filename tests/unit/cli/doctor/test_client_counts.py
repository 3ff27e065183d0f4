"""Counting clients from copies of received packets."""

import os
import socket
import threading
import time
from contextlib import ExitStack
from ipaddress import ip_address

import pytest

from dnsfilter.cli.doctor.client_counts import client_of, count_clients
from tests.support.ports import free_port

IPV4, IPV6 = 0x0800, 0x86DD


def v4(*, protocol: int = 17, fragment: int = 0, port: int = 53) -> bytes:
    head = bytearray(20)
    head[0], head[9] = 0x45, protocol
    head[6:8] = fragment.to_bytes(2)
    head[12:16] = ip_address("192.0.2.7").packed
    return bytes(head) + (40_000).to_bytes(2) + port.to_bytes(2)


def v6(*, following: int = 17, port: int = 53) -> bytes:
    head = bytearray(40)
    head[0], head[6] = 0x60, following
    head[8:24] = ip_address("2001:db8::7").packed
    return bytes(head) + (40_000).to_bytes(2) + port.to_bytes(2)


@pytest.mark.parametrize(
    ("packet", "protocol", "client"),
    [
        (v4(), IPV4, "192.0.2.7"),
        (v6(), IPV6, "2001:db8::7"),
        (v4(port=5353), IPV4, None),
        (v4(protocol=6), IPV4, None),
        (v4(fragment=1), IPV4, None),
        (v6(following=6), IPV6, None),
        (v4()[:22], IPV4, None),
        (v6()[:30], IPV6, None),
        (v4(), 0x0806, None),
    ],
)
def test_only_datagrams_to_the_nodes_port_have_a_client(packet: bytes, protocol: int, client: str | None) -> None:
    assert client_of(packet, protocol, {53}) == (None if client is None else ip_address(client).packed)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gets copies of packets")
def test_real_datagrams_are_counted_once_by_their_source() -> None:
    port = free_port()
    found: dict[bytes, int] = {}
    sent = {"127.0.0.7": 0, "127.0.0.8": 0}
    with socket.socket(type=socket.SOCK_DGRAM) as server, ExitStack() as stack:
        server.bind(("127.0.0.1", port))
        clients = {address: stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for address in sent}
        for address, client in clients.items():
            client.bind((address, 0))
        counting = threading.Thread(target=lambda: found.update(count_clients({port}, 1.0)))
        counting.start()
        while counting.is_alive():
            for address, client in clients.items():
                client.sendto(b"query", ("127.0.0.1", port))
                sent[address] += 1
            time.sleep(0.01)
    assert found.keys() == {ip_address(address).packed for address in sent}
    assert all(0 < found[ip_address(address).packed] <= count for address, count in sent.items())
