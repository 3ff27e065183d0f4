"""What is wrong with the fleets of a policy."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from dnsfilter.policy.faults import problems
from dnsfilter.policy.fleets import FleetName, fleet_prefix
from dnsfilter.policy.model import Policy, Range
from tests.support.policies import network, policy

FLEET = replace(network(str(fleet_prefix(7)), "ghent"), label="phones")
NAME = FleetName("ghent-partly-staff-7f3kq2xa", "default", fleet_prefix(7), 10, 20)


def faults(*things: Range | FleetName) -> list[str]:
    return [f"{each.location}: {each.message}" for each in problems(policy(*things))]


def test_fleet_with_names_is_sound() -> None:
    assert faults(FLEET, NAME, replace(NAME, token="ghent-partly-staff-aaaaaaaa", end=None)) == []


@pytest.mark.parametrize("prefix", ["100::/64", "100::/96", "100::5:0:0/97"])
def test_range_in_the_block_is_a_fleet_or_a_fault(prefix: str) -> None:
    found = ip_network(prefix)
    assert faults(replace(FLEET, prefix=found)) == [
        f"range[0].prefix: {found} lies in 100::/64, where each fleet has a /96"
    ]


def test_fleet_needs_a_label() -> None:
    (fault,) = faults(replace(FLEET, label=""))
    assert fault.startswith("range[0].label: is empty")


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ([replace(NAME, token="phones")], "fleet_name[0].token: 'phones' must be 16 to 63"),
        ([NAME, NAME], "fleet_name[1].token: 'ghent-partly-staff-7f3kq2xa' is used twice"),
        ([replace(NAME, prefix=fleet_prefix(8))], "fleet_name[0]: there is no fleet 100::8:0:0/96 at site 'default'"),
        ([replace(NAME, site="annex")], "fleet_name[0]: there is no fleet 100::7:0:0/96 at site 'annex'"),
        ([replace(NAME, end=10)], "fleet_name[0].until: must lie after the start"),
        ([replace(NAME, start=-1)], "fleet_name[0].from: must lie in the years"),
    ],
)
def test_faults_of_names(names: list[FleetName], fault: str) -> None:
    (found,) = faults(FLEET, *names)
    assert found.startswith(fault)


def test_fleets_that_are_unchanged_are_sound_again() -> None:
    made: Policy = policy(FLEET, NAME)
    assert problems(made, made) == ()
