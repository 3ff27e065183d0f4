"""Ranges inside ranges, and uncovered space, compared with a simple computation of both."""

from ipaddress import ip_network
from itertools import pairwise
from random import Random

import pytest

from api.overlaps.nesting import Layouts, gaps, key_of, make_layout
from dnsfilter.policy.model import Audience, Funding, Prefix, Range


def _range(prefix: str | Prefix, authority: str = "town", site: str = "default") -> Range:
    return Range(ip_network(prefix), authority, Funding.PUBLIC, Audience.STAFF, site=site)


def _drawn(seed: int) -> list[Range]:
    random = Random(seed)
    found: dict[tuple[str, Prefix], Range] = {}
    for _ in range(60):
        length = random.randint(24, 32)
        network = (192 << 24 | 2 << 8 | random.getrandbits(8)) >> 32 - length << 32 - length
        value = _range(
            ip_network((network, length)), random.choice(("town", "zone")), random.choice(("default", "depot"))
        )
        found[value.site, value.prefix] = value
    found["default", ip_network("::/0")] = _range("::/0")
    return list(found.values())


@pytest.mark.parametrize("seed", range(8))
def test_each_range_lies_in_the_narrowest_that_holds_it(seed: int) -> None:
    ranges = _drawn(seed)
    computed = {(item.value.site, item.value.prefix): item.within.prefix for item in make_layout(ranges).overlaps}
    wanted = {}
    for value in ranges:
        around = [
            other.prefix
            for other in ranges
            if other.site == value.site
            and other.prefix.version == value.prefix.version
            and other.prefix != value.prefix
            and value.prefix.subnet_of(other.prefix)  # type: ignore[arg-type]
        ]
        if around:
            wanted[value.site, value.prefix] = max(around, key=lambda prefix: prefix.prefixlen)
    assert computed == wanted


def test_a_fleet_lies_in_no_range_around_it() -> None:
    around, fleet = _range("100::/48", "zone"), _range("100::1:0:0/96")
    layout = make_layout((_range("::/0"), around, fleet))
    assert [item.value for item in layout.overlaps] == [around]


@pytest.mark.parametrize("seed", range(8))
def test_gaps_are_the_fewest_prefixes_of_uncovered_addresses(seed: int) -> None:
    ranges, space = _drawn(seed), ip_network("192.0.2.0/25")
    covered = make_layout(ranges).covered.get(("default", 4), ())
    taken = [(int(space[96]), int(space[111]))]
    found = list(gaps(space, taken, covered, None))
    mine = [value.prefix for value in ranges if value.site == "default"]
    free = {
        address
        for address in space
        if not any(address in prefix for prefix in mine) and not 96 <= int(address) - int(space[0]) <= 111
    }
    assert [address for prefix in found for address in prefix] == sorted(free)
    assert not any(one.supernet() == other.supernet() for one, other in pairwise(found))
    for index, prefix in enumerate(found):
        assert list(gaps(space, taken, covered, int(prefix.broadcast_address))) == found[index + 1 :]


@pytest.mark.parametrize(
    ("space", "registered", "left"),
    [
        ("0.0.0.0/0", [], ["0.0.0.0/0"]),
        ("192.0.2.0/24", ["192.0.0.0/16"], []),
        ("192.0.2.0/24", ["192.0.2.0/24"], []),
        ("192.0.2.0/24", ["192.0.2.0/26", "192.0.2.128/25"], ["192.0.2.64/26"]),
        ("2001:db8::/32", ["2001:db8::/33", "2001:db8:8000::/34"], ["2001:db8:c000::/34"]),
        ("255.255.255.0/24", ["255.255.255.0/25"], ["255.255.255.128/25"]),
    ],
)
def test_what_is_left_of_a_space(space: str, registered: list[str], left: list[str]) -> None:
    prefix = ip_network(space)
    covered = make_layout(map(_range, registered)).covered.get(("default", prefix.version), ())
    assert list(map(str, gaps(prefix, (), covered, None))) == left


def test_the_same_ranges_are_laid_out_once() -> None:
    layouts, ranges = Layouts(), (_range("192.0.2.0/24"), _range("192.0.2.0/25"))
    first = layouts.of(ranges)
    assert layouts.of(ranges) is first
    assert [item.value for item in first.overlaps_after(key_of("default", ip_network("192.0.2.0/24")))] == [ranges[1]]
    assert layouts.of(ranges[:1]).overlaps == []
