"""A connection is made only to an address that is allowed, wherever a name leads."""

import socket
from ipaddress import ip_network

import pytest

from api.delivery.connecting import PrivateAddress, connect


def _lead_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Let every name lead to the addresses. Return the list of those that are tried, none of which answers."""
    tried: list[str] = []

    def refuse(_self: socket.socket, where: tuple[str, int]) -> None:
        tried.append(where[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda _host, port, **_options: [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses
        ],
    )
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tried


@pytest.mark.parametrize(
    ("address", "private", "reached"),
    [
        ("127.0.0.1", "", False),
        ("127.0.0.1", "127.0.0.0/8", True),
        ("::1", "", False),
        ("::ffff:127.0.0.1", "", False),
        ("10.1.2.3", "", False),
        ("10.1.2.3", "10.1.0.0/16", True),
        ("10.1.2.3", "10.2.0.0/16,192.168.0.0/16", False),
        ("172.16.0.1", "", False),
        ("192.168.1.1", "", False),
        ("100.64.0.1", "", False),
        ("169.254.169.254", "", False),
        ("169.254.169.254", "169.254.169.254/32", True),
        ("168.63.129.16", "", False),
        ("fd00:ec2::254", "", False),
        ("0.0.0.0", "", False),
        ("224.0.0.1", "", False),
        ("fe80::1", "", False),
        ("fe80::1%lo", "", False),
        ("fd00::1", "", False),
        ("fd00::1", "fd00::/8", True),
        ("::ffff:10.1.2.3", "", False),
        ("::ffff:10.1.2.3", "10.0.0.0/8", True),
        ("64:ff9b::10.1.2.3", "", False),
        ("64:ff9b::10.1.2.3", "10.0.0.0/8", True),
        ("64:ff9b::1.1.1.1", "", True),
        ("64:ff9b:1::10.1.2.3", "", False),
        ("64:ff9b:1::10.1.2.3", "64:ff9b:1::/48", True),
        ("2002:a01:203::1", "", False),
        ("2002:101:101::1", "", True),
        ("::10.1.2.3", "", False),
        ("fec0::1", "", False),
        ("192.0.2.1", "", False),
        ("1.1.1.1", "", True),
        ("2606:4700::1111", "", True),
    ],
)
def test_private_address_must_be_named_and_is_checked_where_the_connection_is_made(
    monkeypatch: pytest.MonkeyPatch, address: str, private: str, *, reached: bool
) -> None:
    tried = _lead_to(monkeypatch, address)
    networks = [ip_network(each) for each in private.split(",") if each]
    with pytest.raises(OSError if reached else PrivateAddress) as failed:
        connect("lists.example.org", 443, 1.0, networks)
    assert tried == ([address] if reached else [])
    if not reached:
        assert str(failed.value) == address


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_can_be_allowed(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    tried = _lead_to(monkeypatch, address)
    with pytest.raises(ConnectionRefusedError):
        connect("lists.example.org", 443, 1.0, (), loopback=True)
    assert tried == [address]


def test_addresses_that_are_not_allowed_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = _lead_to(monkeypatch, "10.1.2.3", "1.1.1.1", "fe80::1", "2606:4700::1111")
    with pytest.raises(ConnectionRefusedError):
        connect("lists.example.org", 443, 1.0, ())
    assert tried == ["1.1.1.1", "2606:4700::1111"]
