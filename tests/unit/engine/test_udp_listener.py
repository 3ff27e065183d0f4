"""A listening socket answers from the address that was asked, also if it is bound to a wildcard."""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dnsfilter.engine.udp_listener import UdpListener, packed_peer

PATIENCE_S = 10


@contextmanager
def listening(address: str) -> Iterator[tuple[UdpListener, int]]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, 0))
        yield UdpListener(sock), sock.getsockname()[1]


def wait(descriptor: "UdpListener | socket.socket") -> None:
    assert select.select([descriptor.fileno()], [], [], PATIENCE_S)[0]


@pytest.mark.parametrize(
    ("bound", "asked", "source"),
    [
        ("0.0.0.0", "127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.2", "127.0.0.1"),
        ("0.0.0.0", "127.0.5.10", "127.0.8.77"),
        ("127.0.0.2", "127.0.0.2", "127.0.0.1"),
        ("::", "::1", "::1"),
        ("::1", "::1", "::1"),
    ],
)
def test_answers_leave_from_the_address_that_was_asked(bound: str, asked: str, source: str) -> None:
    with listening(bound) as (listener, port):
        family = socket.AF_INET6 if ":" in asked else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.bind((source, 0))
            client.sendto(b"question", (asked, port))
            wait(listener)
            (datagram,) = listener.receive(64)
            assert datagram.message == b"question"
            assert packed_peer(datagram.peer) == socket.inet_pton(family, source)
            assert listener.send(b"answer", datagram.peer, datagram.source)
            wait(client)
            message, peer = client.recvfrom(100)
            assert (message, peer[:2]) == (b"answer", (asked, port))


def test_receive_reads_at_most_the_given_number_and_accepts_an_empty_socket() -> None:
    with listening("127.0.0.1") as (listener, port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        assert list(listener.receive(64)) == []
        for number in range(5):
            client.sendto(bytes([number]), ("127.0.0.1", port))
        wait(listener)
        assert [datagram.message for datagram in listener.receive(3)] == [b"\0", b"\1", b"\2"]
        assert [datagram.message for datagram in listener.receive(64)] == [b"\3", b"\4"]


@pytest.mark.parametrize("size", [0, 1, 9_000, 60_000])
def test_datagrams_of_any_size_are_complete(size: int) -> None:
    with listening("127.0.0.1") as (listener, port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"x" * size, ("127.0.0.1", port))
        wait(listener)
        assert [len(datagram.message) for datagram in listener.receive(1)] == [size]


def test_answer_that_the_kernel_rejects_is_lost_without_an_error() -> None:
    with listening("127.0.0.1") as (listener, _port):
        assert not listener.send(b"x" * 70_000, ("127.0.0.1", 9), [])
        assert not listener.send(b"x", ("127.0.0.1", 0), [])


def test_scope_is_not_part_of_the_client_address() -> None:
    assert packed_peer(("fe80::1%eth0", 53, 0, 2)) == socket.inet_pton(socket.AF_INET6, "fe80::1")


@pytest.mark.parametrize(("address", "level", "option"), [("127.0.0.1", socket.IPPROTO_IP, 10), ("::1", 41, 23)])
def test_path_mtu_from_icmp_is_ignored(address: str, level: int, option: int) -> None:
    omit = 5  # IP_PMTUDISC_OMIT and IPV6_PMTUDISC_OMIT of linux/in.h and linux/in6.h
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 0))
        UdpListener(sock)
        assert sock.getsockopt(level, option) == omit
