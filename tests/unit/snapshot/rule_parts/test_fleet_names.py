"""The names of fleets in a rules file: whose range a token leads to, when, and which records are invalid."""

from dataclasses import replace
from ipaddress import IPv6Address, ip_address

import pytest

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.fleets import FleetName, fleet_client, fleet_prefix
from dnsfilter.policy.model import Policy, Suspension
from dnsfilter.snapshot.compiler import KEPT_PAST_S, Compiled, compile_policy
from dnsfilter.snapshot.layout import FLEET_NAME, Kind, Part
from dnsfilter.snapshot.overlay import overlay_rules
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.snapshot.sections import read_file, write_file
from dnsfilter.wire.names import parse_name
from tests.support.policies import NOW, ban, network, policy, service
from tests.unit.snapshot.rule_parts.test_counted import opened, parts_of

TOKEN = b"ghent-partly-staff-7f3kq2xa"
NAME = FleetName(TOKEN.decode(), "default", fleet_prefix(7), NOW, NOW + 60)
PHONES = network(str(fleet_prefix(7)), "ghent")


def fleets(*names: FleetName) -> Policy:
    """Return a policy with two fleets of two authorities, of which Ghent bans TikTok."""
    return policy(
        PHONES,
        network(str(fleet_prefix(8)), "mechelen"),
        network("192.0.2.0/24", "mechelen"),
        service("tiktok", ["tiktok.example"]),
        ban(1, "ghent", "tiktok"),
        *names,
    )


def snapshot_of(*names: FleetName, site: str = "default") -> Snapshot:
    made = compile_policy(fleets(*names), NOW)
    return Snapshot.open(made.manifest, made.names.data, made.ranges.data, made.rules.data, site)


def test_token_leads_to_its_fleet_while_it_holds() -> None:
    found = snapshot_of(NAME, replace(NAME, token="mechelen-public-staff-aaaaaaaa", prefix=fleet_prefix(8), end=None))
    held = {at: found.fleet_prefix(TOKEN, NOW + at) for at in (-1, 0, 59, 60)}
    ours = fleet_prefix(7).network_address.packed[:12]
    assert held == {-1: None, 0: ours, 59: ours, 60: None}
    assert found.fleet_prefix(TOKEN.upper(), NOW) == ours
    assert found.fleet_prefix(b"mechelen-public-staff-aaaaaaaa", 2**40) == fleet_prefix(8).network_address.packed[:12]
    assert found.fleet_prefix(b"", NOW) is found.fleet_prefix(b"\xff" * 70, NOW) is None


def test_client_of_a_fleet_is_decided_as_its_range_from_anywhere() -> None:
    found = snapshot_of(NAME)
    prefix = found.fleet_prefix(TOKEN, NOW)
    assert prefix is not None
    for peer in ("192.0.2.9", "203.0.113.9", "2001:db8::9"):
        client = fleet_client(prefix, ip_address(peer).packed, b"key")
        decision = found.decide(IPv6Address(client), parse_name("www.tiktok.example"), NOW)
        assert (decision.verdict, decision.authority) == (Verdict.REFUSE, "ghent")
        assert found.describe(client) == (fleet_prefix(7), PHONES.label)
        assert found.counted_row(client) is not None


def test_node_knows_only_the_names_of_its_site() -> None:
    there = replace(PHONES, site="annex"), replace(NAME, site="annex", token="a" * 20)
    made = compile_policy(policy(PHONES, NAME, *there), NOW)
    parts = made.manifest, made.names.data, made.ranges.data, made.rules.data
    for site, token in (("default", TOKEN), ("annex", b"a" * 20)):
        found = Snapshot.open(*parts, site)
        assert [found.fleet_prefix(each, NOW) is not None for each in (TOKEN, b"a" * 20)] == [
            token == TOKEN,
            token != TOKEN,
        ]


@pytest.mark.parametrize(
    "ended",
    [replace(NAME, start=0, end=NOW - KEPT_PAST_S), replace(NAME, prefix=fleet_prefix(9)), replace(NAME, end=NOW)],
    ids=["ended long ago", "of no range", "never in force"],
)
def test_section_is_left_out_without_names_that_matter(ended: FleetName) -> None:
    assert Part.FLEET_NAMES not in parts_of(compile_policy(fleets(ended), NOW))


def test_new_name_changes_the_rules_only() -> None:
    before = compile_policy(fleets(NAME), NOW)
    after = compile_policy(fleets(NAME, replace(NAME, token="b" * 20)), NOW, before=before)
    assert after.ranges is before.ranges
    assert after.rules.digest != before.rules.digest


def test_local_suspension_keeps_the_names() -> None:
    compiled = compile_policy(fleets(NAME), NOW)
    laid = overlay_rules(compiled.rules.data, [Suspension("ghent", NOW, NOW + 30)], NOW)
    kept = read_file(Kind.RULES, laid)[Part.FLEET_NAMES].data
    assert bytes(kept) == parts_of(compiled)[Part.FLEET_NAMES]


def record(start: int, end: int, prefix: bytes, token: bytes) -> bytes:
    return FLEET_NAME.pack(start, end, prefix, token, b"default")


GOOD = fleet_prefix(7).network_address.packed[:12]


@pytest.mark.parametrize(
    "data",
    [
        record(NOW, NOW, GOOD, TOKEN),
        record(NOW, 2**62 + 1, GOOD, TOKEN),
        record(NOW, NOW + 1, GOOD, b"short"),
        record(NOW, NOW + 1, GOOD, b"\xe9" * 20),
        record(NOW, NOW + 1, bytes(12), TOKEN),
    ],
)
def test_invalid_record_is_refused(data: bytes) -> None:
    compiled: Compiled = compile_policy(fleets(NAME), NOW)
    with pytest.raises(SnapshotError):
        opened(compiled, write_file(Kind.RULES, {**parts_of(compiled), Part.FLEET_NAMES: data}))
