"""The prefixes that contain another one: compared with the standard library."""

from ipaddress import ip_network
from random import Random

import pytest

from api.http.prefixes import PrefixMap, keys_around, maps_by_site, narrowest, prefixes_around
from dnsfilter.policy.model import Prefix

BLOCKS = (ip_network("203.0.113.0/24"), ip_network("2001:db8::/120"), ip_network("0.0.0.0/0"), ip_network("::/0"))


def _prefix(draw: Random) -> Prefix:
    prefix = draw.choice(BLOCKS)
    for _ in range(draw.randint(0, 6)):
        parts: list[Prefix] = list(prefix.subnets())
        prefix = draw.choice(parts)
    return prefix


def _contains(outer: Prefix, inner: Prefix) -> bool:
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_the_narrowest_prefix_that_contains_another_decides(seed: int) -> None:
    draw = Random(seed)
    held = {_prefix(draw): str(number) for number in range(40)}
    found, here = PrefixMap(held.items()), maps_by_site(("annex", prefix, value) for prefix, value in held.items())
    for _ in range(200):
        asked = _prefix(draw)
        outer = sorted((each for each in held if _contains(each, asked)), key=lambda each: -each.prefixlen)
        expected = held[outer[0]] if outer else None
        assert found.of(asked) == here["annex"].of(asked) == expected
        assert narrowest({str(each): value for each, value in held.items()}, prefixes_around(asked)) == expected
        wider = [each for each in outer if each != asked]
        assert found.around(asked) == (held[wider[0]] if wider else None)


def test_prefixes_around_one_are_all_that_contain_it_narrowest_first() -> None:
    around = prefixes_around(ip_network("203.0.113.128/25"))
    assert (around[0], around[1], around[-1]) == ("203.0.113.128/25", "203.0.113.0/24", "0.0.0.0/0")
    assert len(around) == 26
    assert len(prefixes_around(ip_network("::/0").network_address)) == 129
    wider = [ip_network(text) for text in around[1:]]
    expected = [(4, each.prefixlen, int(each.network_address)) for each in wider]
    assert list(keys_around(ip_network("203.0.113.128/25"))) == expected


def test_nothing_wider_than_the_block_of_fleets_contains_what_lies_in_it() -> None:
    wide, block, fleet = (ip_network(text) for text in ("100::/48", "100::/64", "100::1:0:0/96"))
    held = PrefixMap([(wide, "wide"), (fleet, "fleet")])
    client, other, near = (ip_network(text) for text in ("100::1:0:5/128", "100::2:0:5/128", "100:0:0:1::/64"))
    assert [held.of(asked) for asked in (client, other, near)] == ["fleet", None, "wide"]
    assert held.around(fleet) is None
    assert prefixes_around(client.network_address)[-1] == str(block)
    assert [length for _, length, _ in keys_around(fleet)][-1] == 64


def test_a_site_without_prefixes_has_no_map() -> None:
    assert maps_by_site([]) == {}
