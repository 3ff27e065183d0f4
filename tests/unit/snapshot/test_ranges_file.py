"""The ranges file: nested prefixes of both families, sites, edges of the address space."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.errors import PolicyError, SnapshotError
from dnsfilter.policy.decide import range_of
from dnsfilter.policy.model import Policy
from dnsfilter.policy.rows import classify, range_classes
from dnsfilter.snapshot.ranges_file import RangeTable, compile_ranges
from tests.fuzz.examples import examples
from tests.support.policies import clients_of, network, policies, policy, sites

NESTED = policy(
    network("192.0.2.0/24", "outer"),
    network("192.0.2.0/26", "first"),
    network("192.0.2.32/32", "one"),
    network("192.0.2.192/26", "last"),
    network("255.255.255.0/24", "top"),
    network("0.0.0.0/8", "bottom"),
    network("2001:db8::/32", "outer"),
    network("2001:db8:ffff::/48", "last"),
    network("ffff::/16", "top"),
    network("192.0.2.0/24", "elsewhere", site="annex"),
)


def table_of(policy: Policy, site: str) -> tuple[RangeTable, tuple[str, ...]]:
    """Return the table, and the authority of each class."""
    by_range = classify(policy)
    classes = range_classes(by_range)
    file = compile_ranges(policy, by_range, {c: number for number, c in enumerate(classes)})
    return RangeTable(file.data, site, len(classes)), tuple(each.authority for each in classes)


def authority_of(policy: Policy, site: str, address: str) -> str | None:
    table, authorities = table_of(policy, site)
    found = table.find(ip_address(address).packed)
    return None if found is None else authorities[found]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.1.255", None),
        ("192.0.2.0", "first"),
        ("192.0.2.31", "first"),
        ("192.0.2.32", "one"),
        ("192.0.2.33", "first"),
        ("192.0.2.63", "first"),
        ("192.0.2.64", "outer"),
        ("192.0.2.191", "outer"),
        ("192.0.2.192", "last"),
        ("192.0.2.255", "last"),
        ("192.0.3.0", None),
        ("255.255.254.255", None),
        ("255.255.255.255", "top"),
        ("0.0.0.0", "bottom"),
        ("1.0.0.0", None),
        ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", None),
        ("2001:db8::", "outer"),
        ("2001:db8:ffff::", "last"),
        ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "last"),
        ("2001:db9::", None),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "top"),
        ("::", None),
        ("::192.0.2.1", None),
    ],
)
def test_the_most_specific_range_holds(address: str, expected: str | None) -> None:
    assert authority_of(NESTED, "default", address) == expected


def test_site_uses_only_its_own_ranges() -> None:
    assert authority_of(NESTED, "annex", "192.0.2.32") == "elsewhere"
    assert authority_of(NESTED, "annex", "2001:db8::1") is None
    assert authority_of(NESTED, "unknown", "192.0.2.32") is None


def test_all_addresses_of_a_family_can_be_one_range() -> None:
    everything = policy(network("0.0.0.0/0", "four"), network("::/0", "six"), network("192.0.2.0/24", "inner"))
    assert authority_of(everything, "default", "255.255.255.255") == "four"
    assert authority_of(everything, "default", "192.0.2.7") == "inner"
    assert authority_of(everything, "default", "192.0.3.0") == "four"
    assert authority_of(everything, "default", "::") == "six"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "wide"),
        ("100::", None),
        ("100::192.0.2.1", None),
        ("100::1:0:0", "fleet"),
        ("100::1:ffff:ffff", "fleet"),
        ("100::2:0:0", None),
        ("100::ffff:ffff:ffff:ffff", None),
        ("100:0:0:1::", "near"),
        ("100:0:1::", "wide"),
    ],
)
def test_a_client_in_the_block_of_fleets_is_in_no_wider_range(address: str, expected: str | None) -> None:
    block = policy(network("::/0", "wide"), network("100::/48", "near"), network("100::1:0:0/96", "fleet"))
    assert authority_of(block, "default", address) == expected
    found = range_of(block, "default", ip_address(address))
    assert (found and found.authority) == expected


def test_a_prefix_registered_twice_is_refused() -> None:
    twice = policy(network("192.0.2.0/24", "one"), network("192.0.2.0/24", "two"))
    with pytest.raises(PolicyError, match=r"192\.0\.2\.0/24 is registered twice at site default"):
        authority_of(twice, "default", "192.0.2.1")


def test_a_class_that_the_rules_do_not_have_is_refused() -> None:
    one = policy(network("192.0.2.0/24", "one"))
    by_range = classify(one)
    file = compile_ranges(one, by_range, {c: number for number, c in enumerate(range_classes(by_range))})
    with pytest.raises(SnapshotError, match="beyond the 0"):
        RangeTable(file.data, "default", 0)


@pytest.mark.heavy
@examples(100)
@given(policies(), sites, st.data())
def test_finds_the_same_range_as_the_oracle(policy: Policy, site: str, data: st.DataObject) -> None:
    client = data.draw(clients_of(policy))
    registered = range_of(policy, site, client)
    assert authority_of(policy, site, str(client)) == (registered.authority if registered else None)


def test_networks_are_disjoint_and_have_the_class_of_the_most_specific_range() -> None:
    table, authorities = table_of(NESTED, "default")
    assert [(str(network), authorities[found]) for network, found in table.networks()] == [
        ("0.0.0.0/8", "bottom"),
        ("192.0.2.0/27", "first"),
        ("192.0.2.32/32", "one"),
        *(
            (f"192.0.2.{start}/{length}", "first")
            for start, length in ((33, 32), (34, 31), (36, 30), (40, 29), (48, 28))
        ),
        ("192.0.2.64/26", "outer"),
        ("192.0.2.128/26", "outer"),
        ("192.0.2.192/26", "last"),
        ("255.255.255.0/24", "top"),
        *(
            (f"2001:db8:{2**16 - 2 ** (16 - bits + 1):x}::/{32 + bits}".replace(":0::", "::"), "outer")
            for bits in range(1, 17)
        ),
        ("2001:db8:ffff::/48", "last"),
        ("ffff::/16", "top"),
    ]


@pytest.mark.heavy
@examples(50)
@given(policies(), sites, st.data())
def test_networks_are_the_registered_addresses(policy: Policy, site: str, data: st.DataObject) -> None:
    table, _ = table_of(policy, site)
    client = data.draw(clients_of(policy))
    holding = [found for network, found in table.networks() if client.version == network.version and client in network]
    assert holding == ([] if (found := table.find(client.packed)) is None else [found])
