"""The servers for a name."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.config.node_config import Endpoint, Strategy, Zone
from dnsfilter.upstream.zones import View, Zones
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import parse_name

DEFAULT = (Endpoint(ip_address("192.0.2.1"), 53), Endpoint(ip_address("2001:db8::1"), 53))
OFFICE = Endpoint(ip_address("198.51.100.1"), 53)
LAB = Endpoint(ip_address("198.51.100.1"), 5353)


def zone(suffix: str, *servers: Endpoint) -> Zone:
    return Zone(parse_name(suffix), servers)


ZONES = Zones(
    DEFAULT,
    [
        zone("corp.local", OFFICE),
        zone("lab.corp.local", LAB, OFFICE),
        zone("10.in-addr.arpa", OFFICE),
        zone("example.org", DEFAULT[1]),
    ],
)


def test_every_distinct_server_has_one_number() -> None:
    assert ZONES.endpoints == (*DEFAULT, OFFICE, LAB)


def test_every_server_answers_for_a_zone() -> None:
    assert ZONES.suffixes == (b"\0", b"\0", parse_name("corp.local"), parse_name("lab.corp.local"))


@pytest.mark.parametrize(
    ("name", "view", "servers"),
    [
        (".", 0, (0, 1)),
        ("org", 0, (0, 1)),
        ("www.example.com", 0, (0, 1)),
        ("local", 0, (0, 1)),
        ("x.local", 0, (0, 1)),
        ("xcorp.local", 0, (0, 1)),
        ("corp.local.example.com", 0, (0, 1)),
        ("corp.local", 1, (2,)),
        ("_ldap._tcp.dc._msdcs.corp.local", 1, (2,)),
        ("xlab.corp.local", 1, (2,)),
        ("lab.corp.local", 2, (3, 2)),
        ("a.b.lab.corp.local", 2, (3, 2)),
        ("1.2.3.10.in-addr.arpa", 3, (2,)),
        ("1.2.3.110.in-addr.arpa", 0, (0, 1)),
        ("example.org", 4, (1,)),
    ],
)
def test_the_most_specific_zone_on_a_label_boundary_routes(name: str, view: int, servers: tuple[int, ...]) -> None:
    assert ZONES.route(parse_name(name), Type.A) == View(view, servers)
    assert ZONES.covers(parse_name(name)) == (view != 0)


def test_one_label_that_prints_like_a_zone_is_not_in_it() -> None:
    assert not ZONES.covers(b"\x0acorp.local\0")


def test_a_root_zone_takes_every_name() -> None:
    zones = Zones(DEFAULT, [zone(".", OFFICE)])
    assert zones.route(parse_name("www.example.org"), Type.A) == View(1, (2,))


def test_a_server_named_twice_is_asked_once() -> None:
    assert Zones([OFFICE, OFFICE], []).route(parse_name("example.org"), Type.A) == View(0, (0,))


def test_views_number_default_and_zones() -> None:
    assert [view.number for view in ZONES.views] == [0, 1, 2, 3, 4]


def test_a_suffix_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="given twice"):
        Zones(DEFAULT, [zone("corp.local", OFFICE), zone("corp.local", LAB)])


def test_a_zone_without_servers_is_refused() -> None:
    with pytest.raises(ValueError, match="no servers"):
        Zones(DEFAULT, [zone("corp.local")])


@given(st.lists(st.sampled_from(["corp", "lab", "local", "example", "org", "x"]), max_size=6))
def test_routing_agrees_with_comparing_every_suffix(labels: list[str]) -> None:
    suffixes = {("corp", "local"): 1, ("lab", "corp", "local"): 2, ("example", "org"): 4}
    held = [suffix for suffix in suffixes if tuple(labels[-len(suffix) :]) == suffix]
    expected = suffixes[max(held, key=len)] if held else 0
    assert ZONES.route(parse_name(".".join(labels) or "."), Type.A).number == expected


HELD = ("org", "example.org", "corp.local", "10.in-addr.arpa", "1.10.in-addr.arpa")


@pytest.mark.parametrize(
    ("name", "qtype", "view"),
    [
        ("example.org", Type.DS, 1),
        ("example.org", Type.A, 2),
        ("www.example.org", Type.DS, 2),
        ("org", Type.DS, 0),
        ("corp.local", Type.DS, 3),  # no public zone is its parent
        ("10.in-addr.arpa", Type.DS, 0),
        ("10.in-addr.arpa", Type.SOA, 4),
        ("1.10.in-addr.arpa", Type.DS, 5),  # its parent is served here
    ],
)
def test_the_ds_of_a_zone_is_asked_of_its_parent(name: str, qtype: Type, view: int) -> None:
    named = [Zone(parse_name(suffix), (OFFICE,)) for suffix in HELD]
    assert Zones([OFFICE], named).route(parse_name(name), qtype).number == view


def test_each_group_says_whether_the_case_of_its_questions_varies_and_whether_they_have_cookies() -> None:
    for default in (False, True):
        zones = Zones(DEFAULT, [Zone(parse_name("example.org"), DEFAULT, vary_case=not default)], vary_case=default)
        assert [view.varies_case for view in zones.views] == [default, not default]
        zones = Zones(DEFAULT, [Zone(parse_name("example.org"), DEFAULT, cookies=not default)], cookies=default)
        assert [view.sends_cookies for view in zones.views] == [default, not default]


def test_groups_with_the_same_servers_keep_their_own_strategies() -> None:
    zones = Zones(DEFAULT, [Zone(parse_name("example.org"), DEFAULT, Strategy.FASTEST)])
    assert [view.fastest for view in zones.views] == [False, True]
    assert not Zones(DEFAULT, []).views[0].fastest
    assert Zones(DEFAULT, [], strategy=Strategy.FASTEST).views[0].fastest
    assert [view.races for view in zones.views] == [False, False]
    racing = Zones(DEFAULT, [], strategy=Strategy.RACE).views[0]
    assert (racing.fastest, racing.races) == (True, True)
