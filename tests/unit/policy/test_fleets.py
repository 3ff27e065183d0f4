"""A fleet's prefix, its tokens, and the address by which one of its clients is known."""

from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network

import pytest

from dnsfilter.policy.fleets import (
    MAX_NUMBER,
    FleetName,
    by_hand_fault,
    default_number,
    fleet_client,
    fleet_number,
    fleet_prefix,
    fleet_token,
    is_fleet,
    plain_client,
    token_fault,
)

KEY = bytes(16)


def packed_prefix(number: int) -> bytes:
    return fleet_prefix(number).network_address.packed[:12]


@pytest.mark.parametrize("number", [1, 65_536, MAX_NUMBER])
def test_each_number_has_a_prefix_of_its_own_in_the_discard_block(number: int) -> None:
    prefix = fleet_prefix(number)
    assert prefix.prefixlen == 96
    assert prefix.subnet_of(IPv6Network("100::/64"))
    assert (fleet_number(prefix), is_fleet(prefix)) == (number, True)


@pytest.mark.parametrize("number", [0, -1, MAX_NUMBER + 1])
def test_other_numbers_have_none(number: int) -> None:
    with pytest.raises(ValueError, match="use 1 to 4294967295"):
        fleet_prefix(number)


@pytest.mark.parametrize("prefix", ["100::/64", "100::/96", "100::1:0:0/97", "192.0.2.0/24", "2001:db8::/96"])
def test_other_prefixes_are_no_fleet(prefix: str) -> None:
    assert not is_fleet(ip_network(prefix))


def test_range_of_addresses_cannot_lie_in_the_block() -> None:
    assert by_hand_fault(ip_network("100::5:0:0/96")) == "lies in 100::/64, which is for fleets: add a fleet instead"
    assert by_hand_fault(ip_network("::/0")) is None
    assert by_hand_fault(ip_network("192.0.2.0/24")) is None


def test_default_number_depends_on_each_of_its_texts() -> None:
    numbers = {default_number(*texts) for texts in (("a", "b", "c"), ("a", "b", "d"), ("a", "c", "c"), ("ab", "", "c"))}
    assert len(numbers) == 4
    assert min(numbers) > 0


def test_token_says_what_the_fleet_is_and_ends_in_random_characters() -> None:
    assert fleet_token("gnt", "partly_public", "staff", b"12345") == "gnt-partly-staff-gezdgnbv"
    long = fleet_token("a" * 62 + "b", "partly_public", "pupils", bytes(5))
    assert (len(long), token_fault(long)) == (63, None)
    assert token_fault(fleet_token("a", "public", "staff", bytes(5))) is None


@pytest.mark.parametrize("token", ["", "short-token-1", "-" + "a" * 20, "a" * 20 + "-", "A" * 20, "a" * 64, "a.b" * 8])
def test_other_texts_are_no_token(token: str) -> None:
    assert token_fault(token) is not None


def test_name_holds_from_its_start_until_its_end() -> None:
    name = FleetName("gnt-partly-staff-7f3k", "default", fleet_prefix(1), 10, 20)
    assert [name.holds(at) for at in (9, 10, 19, 20)] == [False, True, True, False]


def test_client_lies_in_the_fleet_and_stays_the_same_for_a_peer() -> None:
    prefix = packed_prefix(7)
    first, again, other = (
        fleet_client(prefix, ip_address(text).packed, KEY) for text in ("192.0.2.1", "192.0.2.1", "192.0.2.2")
    )
    assert first == again != other
    assert IPv6Address(first) in fleet_prefix(7)
    assert fleet_client(prefix, ip_address("192.0.2.1").packed, b"other") != first


def test_addresses_of_an_ipv6_network_are_one_client() -> None:
    prefix = packed_prefix(7)
    same, network, other = (
        fleet_client(prefix, ip_address(text).packed, KEY)
        for text in ("2001:db8::1", "2001:db8::2:3:4:5", "2001:db8:0:1::1")
    )
    assert same == network != other


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("100::9:1:2", "100::1:2"),
        ("100::1:2", "100::1:2"),
        ("100:0:0:1::9:1:2", "100:0:0:1::9:1:2"),
        ("2001:db8::1", "2001:db8::1"),
        ("1.0.0.0", "1.0.0.0"),
    ],
)
def test_client_that_comes_without_a_name_is_in_no_fleet(address: str, client: str) -> None:
    assert plain_client(ip_address(address).packed) == ip_address(client).packed
