"""The tables [[fleet]] of a policy file: what they become, their faults, and how they are written again."""

from ipaddress import ip_network

import pytest

from dnsfilter.config.policyfile import parse_policy
from dnsfilter.config.policytext import dump_policy
from dnsfilter.errors import ConfigError
from dnsfilter.policy.fleets import default_number, fleet_prefix, is_fleet
from dnsfilter.policy.model import Policy
from tests.unit.config.test_policytext import NOW

AUTHORITY = """
[[authority]]
slug = "ghent"
kind = "municipality"
names = { nl = "Stad Gent" }
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@ghent.example"
"""
FLEET = """
[[fleet]]
authority = "ghent"
label = "phones"
funding = "partly_public"
audience = "staff"
"""
TOKEN = "ghent-partly-staff-7f3kq2xa"


def parsed(text: str) -> Policy:
    return parse_policy(AUTHORITY + text, "policy.toml", services={}, now=NOW)


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parsed(text)
    return [f"{each.location.removeprefix('policy.toml ')}: {each.message}" for each in raised.value.problems]


def test_fleet_becomes_a_range_with_a_lasting_number_and_names() -> None:
    made = parsed(
        '[[range]]\nprefix = "192.0.2.0/24"\nauthority = "ghent"\nfunding = "public"\naudience = "staff"\n'
        f'{FLEET}names = [{{ token = "{TOKEN}" }}, {{ token = "{TOKEN}b", from = 2026-01-01, until = 2026-01-31 }}]\n'
    )
    office, phones = made.ranges
    assert not is_fleet(office.prefix)
    assert phones.prefix == fleet_prefix(default_number("default", "ghent", "phones"))
    assert [(name.token, name.start, name.end) for name in made.fleet_names] == [
        (TOKEN, 0, None),
        (f"{TOKEN}b", 1_767_222_000, 1_769_900_400),
    ]


def test_fleets_read_back_as_written() -> None:
    made = parsed(
        f"{FLEET}\n[[fleet.names]]\ntoken = '{TOKEN}'\nfrom = 2026-01-01T09:00:00Z\nend = 2026-02-01T09:00:00Z\n"
        + FLEET.replace("phones", "laptops")
        + "number = 70000\nsite = 'annex'\n[[fleet.names]]\ntoken = 'ghent-partly-staff-aaaaaaaa'\nuntil = 2026-12-31\n"
        "[[site]]\nslug = 'annex'\n"
    )
    text = dump_policy(made)
    assert text.count("number = ") == 1
    assert parse_policy(text, "policy.toml", services={}, now=NOW) == made


def test_address_in_the_block_is_no_range() -> None:
    found = faults('[[range]]\nprefix = "100::5:0:0/96"\nauthority = "ghent"\nfunding = "public"\naudience = "staff"\n')
    assert found == [
        "range[0].prefix (ghent): '100::5:0:0/96' lies in 100::/64, which is for fleets: add a fleet instead"
    ]


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (FLEET, "fleet[1].label (ghent): is that of another fleet of site 'default': give another one"),
        ("number = 0\n", "fleet[0].number (ghent): must be greater than or equal to 1"),
        ("names = [{ token = 'phones' }]\n", "fleet[0].names[0].token (ghent): must be 16 to 63 of"),
        (f"names = [{{ token = '{TOKEN}' }}, {{ token = '{TOKEN}' }}]\n", "fleet[0].names[1].token (ghent): '"),
        (
            f"names = [{{ token = '{TOKEN}', until = 2026-01-01, end = 2026-01-01 }}]\n",
            "fleet[0].names[0] (ghent): has",
        ),
        (
            f"names = [{{ token = '{TOKEN}', from = 2026-01-02, until = 2026-01-01 }}]\n",
            "fleet[0].names[0].until (ghent): must lie after the start",
        ),
    ],
)
def test_faults_have_their_place_in_the_file(more: str, fault: str) -> None:
    (found,) = faults(FLEET + more)
    assert found.startswith(fault)


def test_exemption_names_a_fleet_by_its_prefix() -> None:
    prefix = fleet_prefix(70_000)
    made = parse_policy(
        f"{AUTHORITY}{FLEET}number = 70000\n[[name]]\nauthority = 'ghent'\nname = 'games.example'\nverdict = 'refuse'\n"
        f"start = 2026-01-01\n[[exemption]]\nof = 'ghent'\nservice = 'games.example'\nranges = ['{prefix}']\n"
        "start = 2026-01-01\nfor = '1 day'\n",
        "policy.toml",
        services={},
        now=NOW,
    )
    assert made.exemptions[0].ranges == {ip_network(str(prefix))}
