"""Listening sockets, and the errors for those that cannot be bound."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from dnsfilter.config.node_config import Encrypted, Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.supervisor.sockets import (
    Listening,
    buffer_advice,
    buffer_ms,
    check_free,
    open_listening,
    open_private,
    open_tcp,
    receive_buffer,
)
from tests.support.ports import free_port

LOOPBACK = ip_address("127.0.0.1")


@contextmanager
def listening_on(*endpoints: Endpoint, sets: int = 1) -> Iterator[Listening]:
    """Listening sockets, closed afterwards."""
    opened = open_listening(endpoints, sets)
    yield opened
    opened.close()


def numbers(listening: Listening) -> list[int]:
    return [sock.fileno() for _, sock in listening.bound()]


def test_every_endpoint_is_bound_over_both_transports_in_every_set() -> None:
    endpoints = [Endpoint(ip_address(address), free_port(address)) for address in ("127.0.0.1", "::1")]
    expected = [(str(endpoint.address), endpoint.port) for endpoint in endpoints]
    with listening_on(*endpoints, sets=3) as listening:
        bound = [
            [sock.getsockname()[:2] for sock in sockets] for each in listening.sets for sockets in (each.udp, each.tcp)
        ]
    assert bound == [expected] * 6


def test_encrypted_addresses_are_bound_over_tcp_only_and_kept_for_the_next_listening() -> None:
    plain, dot, doh = (Endpoint(LOOPBACK, free_port()) for _ in range(3))
    encrypted = Encrypted(dot_listen=(dot,), doh_listen=(doh,))
    listening = open_listening([plain], 2, encrypted=encrypted)
    kinds = [(kind, endpoint) for (kind, endpoint), _ in listening.bound()]
    tcp = socket.SOCK_STREAM
    assert kinds == [(socket.SOCK_DGRAM, plain), (tcp, plain), (tcp, dot), (tcp, doh)] * 2
    again = open_listening([plain], 2, list(listening.bound()), encrypted)
    assert numbers(again) == numbers(listening)
    fewer = open_listening([plain], 2, list(listening.bound()))
    listening.close(but=fewer)
    check_free([dot, doh], kinds=(tcp,))
    fewer.close()


def test_wildcards_of_both_families_can_be_bound_together() -> None:
    port = free_port("::")
    with listening_on(Endpoint(ip_address("0.0.0.0"), port), Endpoint(ip_address("::"), port), sets=2) as listening:
        assert len(numbers(listening)) == 8


def test_clients_are_spread_over_the_sets() -> None:
    with listening_on(Endpoint(LOOPBACK, free_port()), sets=2) as listening:
        for _ in range(64):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"x", listening.sets[0].udp[0].getsockname())
        waiting = []
        for each in listening.sets:
            each.udp[0].setblocking(False)
            waiting.append(each.udp[0].recv(10))
    assert waiting == [b"x", b"x"]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("kind", "word"), [(socket.SOCK_DGRAM, "udp"), (socket.SOCK_STREAM, "tcp")])
def test_a_busy_port_is_named_with_transport_and_advice(kind: socket.SocketKind, word: str, shared: bool) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        other.bind(("127.0.0.1", free_port()))
        if kind == socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UnavailableError, match=rf"127\.0\.0\.1:{port} {word}: another program"):
            open_listening([Endpoint(LOOPBACK, port)], 2)


def test_address_that_is_neither_held_nor_free_is_named() -> None:
    listening = open_private(2)
    places = [address for address, _ in listening.bound()]
    check_free(listening.endpoints, places)
    with pytest.raises(UnavailableError, match="another program uses this port"):
        check_free(listening.endpoints)
    listening.close()
    check_free(listening.endpoints)


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(UnavailableError, match="no such address"):
        open_tcp(Endpoint(ip_address("192.0.2.1"), 5300))


def test_held_sockets_are_used_again_with_all_their_sets() -> None:
    first, second = (Endpoint(LOOPBACK, free_port()) for _ in range(2))
    with listening_on(first, sets=2) as before:
        after = open_listening([first, second], 1, list(before.bound()))
        assert len(after.sets) == 2
        assert set(numbers(before)) < set(numbers(after))
        before.close(but=after)
        assert -1 not in numbers(before)
        after.close()
        assert set(numbers(before)) == {-1}


def test_failed_bind_leaves_held_sockets_open() -> None:
    endpoint, elsewhere = Endpoint(LOOPBACK, free_port()), Endpoint(ip_address("192.0.2.1"), 5300)
    with listening_on(endpoint) as before:
        with pytest.raises(UnavailableError):
            open_listening([endpoint, elsewhere], 2, list(before.bound()))
        assert -1 not in numbers(before)


@pytest.mark.parametrize(
    ("size", "milliseconds", "advice"),
    [(425_984, 5, "sysctl net.core.rmem_max=4194304"), (8_388_608, 101, None)],
)
def test_receive_buffer_advice_depends_on_the_milliseconds_it_holds(
    size: int, milliseconds: int, advice: str | None
) -> None:
    assert round(buffer_ms(size)) == milliseconds
    assert buffer_advice(size) == advice


def test_reported_receive_buffer_is_that_of_the_sockets() -> None:
    with listening_on(Endpoint(LOOPBACK, free_port())) as listening:
        assert receive_buffer(listening.sets[0].udp[0]) == receive_buffer()


@pytest.mark.parametrize(("single", "wildcard"), [("127.0.0.1", "0.0.0.0"), ("::1", "::")])
def test_a_wildcard_joins_the_held_sockets_of_its_addresses_and_gives_way_to_them(single: str, wildcard: str) -> None:
    port = free_port(wildcard)
    one, every = (Endpoint(ip_address(address), port) for address in (single, wildcard))
    with listening_on(one, sets=2) as before:
        joined = open_listening([every], 2, list(before.bound()))
        assert joined.endpoints == (every, one)
        assert set(numbers(before)) < set(numbers(joined))
        alone = open_listening([one], 2, list(joined.bound()))
        assert numbers(alone) == numbers(before)
        joined.close(but=alone)


def test_a_wildcard_and_an_address_below_it_can_be_bound_together() -> None:
    port = free_port("0.0.0.0")
    with listening_on(Endpoint(ip_address("0.0.0.0"), port), Endpoint(LOOPBACK, port)) as listening:
        assert len(numbers(listening)) == 4


def test_a_wildcard_whose_port_another_program_holds_at_an_address_is_named() -> None:
    port = free_port("0.0.0.0")
    ours, every = Endpoint(LOOPBACK, port), Endpoint(ip_address("0.0.0.0"), port)
    with listening_on(ours) as before, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.2", port))
        with pytest.raises(UnavailableError, match=rf"0\.0\.0\.0:{port} udp: another program"):
            open_listening([every], 1, list(before.bound()))
        assert -1 not in numbers(before)
