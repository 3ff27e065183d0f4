"""The bans that an older snapshot lifts."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.model import AllowedName, Ban, Exemption, Mode, Policy, Range, Service, Term, Tier
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.lifted_bans import LiftedBans
from dnsfilter.snapshot.reader import Snapshot
from tests.fuzz.examples import examples
from tests.support.policies import (
    DAY,
    NOW,
    allowed,
    ban,
    clients_of,
    exemption,
    instants,
    names_of,
    network,
    policies,
    policy,
    service,
    sites,
    wire,
)

VIDEO = service("video", ["video.example"], (), Tier(2, wire("cdn.example")))
GHENT = network("192.0.2.0/24", "ghent")
INNER = network("192.0.2.128/25", "mechelen")
BAN = ban(1, "ghent", "video")
Things = Sequence[Range | Service | Ban | Exemption | AllowedName]


def opened(made: Policy, site: str = "default") -> Snapshot:
    compiled = compile_policy(made, NOW)
    return Snapshot.open(compiled.manifest, compiled.names.data, compiled.ranges.data, compiled.rules.data, site)


@pytest.mark.parametrize(
    ("newer", "older", "lifted"),
    [
        pytest.param([GHENT, VIDEO, BAN], [GHENT, VIDEO, BAN], (), id="nothing changed"),
        pytest.param([GHENT, VIDEO], [GHENT, VIDEO, BAN], (), id="the older one refuses more"),
        pytest.param([GHENT, VIDEO, BAN], [GHENT, VIDEO], ("ghent/video",), id="another ban"),
        pytest.param(
            [GHENT, VIDEO, BAN],
            [GHENT, VIDEO, replace(BAN, mode=Mode.MONITOR)],
            ("ghent/video",),
            id="a ban that only monitored",
        ),
        pytest.param(
            [GHENT, VIDEO, BAN],
            [GHENT, VIDEO, BAN, allowed(1, "ghent", "video.example")],
            ("ghent/video",),
            id="the older one allows a name",
        ),
        pytest.param(
            [GHENT, VIDEO, BAN, allowed(1, "ghent", "video.example")],
            [GHENT, VIDEO, BAN],
            (),
            id="the newer one allows a name",
        ),
        pytest.param(
            [GHENT, VIDEO, BAN],
            [GHENT, VIDEO, BAN, exemption(1, 1, ["192.0.2.0/24"], NOW - DAY, NOW + DAY)],
            ("ghent/video",),
            id="an exemption that was revoked",
        ),
        pytest.param(
            [GHENT, VIDEO, replace(BAN, tiers=frozenset({1, 2}))],
            [GHENT, VIDEO, replace(BAN, tiers=frozenset({1}))],
            ("ghent/video",),
            id="another tier",
        ),
        pytest.param([GHENT, VIDEO, BAN], [INNER, VIDEO, BAN], ("ghent/video",), id="another range"),
        pytest.param(
            [GHENT, VIDEO, BAN], [GHENT, INNER, VIDEO, BAN], ("ghent/video",), id="an inner range that was removed"
        ),
        pytest.param(
            [GHENT, VIDEO, BAN],
            [GHENT, service("video", ["video.example"], (), Tier(2, wire("old.example"))), BAN],
            ("ghent/video",),
            id="other names",
        ),
        pytest.param(
            [GHENT, VIDEO, replace(BAN, terms=(Term(NOW + 1),))], [GHENT, VIDEO], (), id="a term that has not begun"
        ),
    ],
)
def test_bans_that_only_the_newer_one_enforces_are_lifted(
    newer: Things, older: Things, lifted: tuple[str, ...]
) -> None:
    found = LiftedBans(opened(policy(*newer, revision=2)), opened(policy(*older)))
    assert found.at(NOW) == lifted


def test_lifted_bans_follow_the_terms() -> None:
    begins = replace(BAN, terms=(Term(NOW + 10, NOW + 20),))
    found = LiftedBans(opened(policy(GHENT, VIDEO, begins, revision=2)), opened(policy(GHENT, VIDEO)))
    assert [found.at(NOW + after) for after in (9, 10, 19, 20)] == [(), ("ghent/video",), ("ghent/video",), ()]


@pytest.mark.heavy
@examples(40)
@given(policies(), policies(), sites, st.data())
def test_no_client_is_answered_by_a_ban_that_is_not_named(
    newer: Policy, older: Policy, site: str, data: st.DataObject
) -> None:
    older = replace(older, services=newer.services)
    first, second = opened(newer, site), opened(older, site)
    found = LiftedBans(first, second)
    clients = data.draw(st.lists(clients_of(newer), min_size=2, max_size=5))
    names = data.draw(st.lists(names_of(newer), min_size=2, max_size=5))
    for client, name, at in product(clients, names, data.draw(st.lists(instants(newer), min_size=2, max_size=5))):
        before, after = first.decide(client, name, at), second.decide(client, name, at)
        if before.verdict is Verdict.REFUSE and after.verdict is not Verdict.REFUSE:
            assert f"{before.authority}/{before.service}" in found.at(at)
