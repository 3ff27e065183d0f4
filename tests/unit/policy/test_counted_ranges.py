"""Ranges of fewer than 16 addresses, and authorities that count nothing, have no counts of ranges."""

from ipaddress import ip_network

import pytest

from dnsfilter.policy.counted_ranges import NotCounted, counts_bans, not_counted
from dnsfilter.policy.model import Usage


@pytest.mark.parametrize(
    ("prefix", "usage", "why", "bans"),
    [
        ("192.0.2.0/28", Usage.AUTHORITY, None, False),
        ("192.0.2.0/28", Usage.RANGE, None, True),
        ("192.0.2.0/29", Usage.RANGE, NotCounted.SMALL, False),
        ("192.0.2.1/32", Usage.AUTHORITY, NotCounted.SMALL, False),
        ("2001:db8::/124", Usage.RANGE, None, True),
        ("2001:db8::/125", Usage.RANGE, NotCounted.SMALL, False),
        ("192.0.2.0/24", Usage.NONE, NotCounted.LEVEL, False),
        ("192.0.2.0/29", Usage.NONE, NotCounted.LEVEL, False),
    ],
)
def test_range_is_counted_by_its_size_and_level(prefix: str, usage: Usage, why: NotCounted | None, bans: bool) -> None:
    assert not_counted(ip_network(prefix), usage) is why
    assert counts_bans(ip_network(prefix), usage) is bans
