"""Rule sets: which networks are closed at an instant, and until when."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.firewall.rule_set import RuleSet, joined, of_family, rule_set
from dnsfilter.policy.model import ENCRYPTED_DNS, Instant, Mode, Policy, Suspension, Term
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.reader import Snapshot
from tests.fuzz.examples import examples
from tests.support.policies import DAY, NOW, ban, clients_of, exemption, instants, network, policies, policy, service

VIDEO, ENCRYPTED = service("video", ["video.example"]), service(ENCRYPTED_DNS, ["dns.example"])
OFFICE = (
    network("192.0.2.0/24", "ghent"),
    network("192.0.2.64/26", "mechelen"),
    network("2001:db8::/48", "ghent"),
    network("198.51.100.0/24", "ghent", site="annex"),
    VIDEO,
    ENCRYPTED,
)
GHENT = ("192.0.2.0/26", "192.0.2.128/25", "2001:db8::/48")
"""The networks of Ghent without the one of Mechelen inside."""


def opened(policy: Policy, site: str = "default") -> Snapshot:
    made = compile_policy(policy, NOW)
    return Snapshot.open(made.manifest, made.names.data, made.ranges.data, made.rules.data, site)


def banned(rules: RuleSet) -> tuple[str, ...]:
    return tuple(map(str, rules.banned))


def closed(rules: RuleSet, slug: str) -> tuple[str, ...]:
    return tuple(map(str, dict(rules.closed)[slug]))


def test_the_networks_of_an_enforced_ban_are_banned() -> None:
    rules = rule_set(opened(policy(*OFFICE, ban(1, "ghent", "video"))), NOW, (ENCRYPTED_DNS,))
    assert banned(rules) == GHENT
    assert closed(rules, ENCRYPTED_DNS) == ()
    assert rules.until is None


def test_encrypted_dns_is_closed_for_the_networks_of_its_ban() -> None:
    snapshot = opened(policy(*OFFICE, ban(1, "ghent", "video"), ban(2, "mechelen", ENCRYPTED_DNS)))
    rules = rule_set(snapshot, NOW, (ENCRYPTED_DNS, "video"))
    assert banned(rules) == ("192.0.2.0/24", "2001:db8::/48")
    assert closed(rules, ENCRYPTED_DNS) == ("192.0.2.64/26",)
    assert closed(rules, "video") == GHENT


@pytest.mark.parametrize("mode", [Mode.MONITOR, Mode.OFF])
def test_a_ban_that_does_not_refuse_closes_nothing(mode: Mode) -> None:
    assert banned(rule_set(opened(policy(*OFFICE, ban(1, "ghent", "video", mode))), NOW, ())) == ()


def test_another_site_has_its_own_networks() -> None:
    snapshot = opened(policy(*OFFICE, ban(1, "ghent", "video")), "annex")
    assert banned(rule_set(snapshot, NOW, ())) == ("198.51.100.0/24",)


@pytest.mark.parametrize(
    ("at", "expected", "until"),
    [
        (NOW - 1, (), NOW),
        (NOW, GHENT, NOW + 10),
        (NOW + 9, GHENT, NOW + 10),
        (NOW + 10, GHENT[2:], NOW + 20),
        (NOW + 20, GHENT, NOW + 30),
        (NOW + 30, (), NOW + 40),
        (NOW + 40, GHENT, NOW + DAY),
        (NOW + DAY, (), None),
    ],
)
def test_terms_exemptions_and_suspensions_change_the_set_in_their_second(
    at: Instant, expected: tuple[str, ...], until: Instant | None
) -> None:
    snapshot = opened(
        policy(
            *OFFICE,
            ban(1, "ghent", "video", terms=(Term(NOW, NOW + DAY),)),
            exemption(1, 1, ["192.0.2.0/24"], NOW + 10, NOW + 20),
            Suspension("ghent", NOW + 30, NOW + 40, "fire"),
        )
    )
    rules = rule_set(snapshot, at, ())
    assert (banned(rules), rules.until) == (expected, until)


def test_sets_with_the_same_networks_are_equal_whenever_they_change() -> None:
    assert RuleSet((ip_network("192.0.2.0/24"),), (), NOW) == RuleSet((ip_network("192.0.2.0/24"),), (), None)


def test_networks_are_joined_by_family() -> None:
    networks = joined(map(ip_network, ("2001:db8::/33", "192.0.2.128/25", "2001:db8:8000::/33", "192.0.2.0/25")))
    assert [str(each) for each in networks] == ["192.0.2.0/24", "2001:db8::/32"]
    assert of_family(networks, 6) == (ip_network("2001:db8::/32"),)


@pytest.mark.heavy
@examples(100)
@given(policies(), st.data())
def test_a_client_is_banned_while_the_node_enforces_something_for_it(policy: Policy, data: st.DataObject) -> None:
    snapshot, at, client = opened(policy), data.draw(instants(policy)), data.draw(clients_of(policy))
    rules = rule_set(snapshot, at, ("tiktok",))
    class_index = snapshot.find(client.packed)
    enforced = frozenset[str]() if class_index is None else snapshot.enforced(class_index, at)

    def holds(networks: tuple[object, ...]) -> bool:
        return any(ip_address(str(client)) in ip_network(str(each)) for each in networks)

    assert holds(rules.banned) == bool(enforced)
    assert holds(dict(rules.closed)["tiktok"]) == ("tiktok" in enforced)


@pytest.mark.heavy
@examples(100)
@given(policies(), st.data())
def test_a_set_holds_until_the_instant_that_it_names(policy: Policy, data: st.DataObject) -> None:
    snapshot, at = opened(policy), data.draw(instants(policy))
    rules = rule_set(snapshot, at, ("tiktok",))
    last = NOW + 400 * DAY if rules.until is None else rules.until - 1
    assert rule_set(snapshot, data.draw(st.integers(at, last)), ("tiktok",)) == rules
