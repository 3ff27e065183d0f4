"""The compiled snapshot decides as the oracle does, for arbitrary policies."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from dnsfilter.policy.decide import Verdict, decide
from dnsfilter.policy.model import Policy, Usage
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.reader import Snapshot
from tests.support.policies import DAY, NOW, clients, instants, names_of, policies, sites


def opened(policy: Policy, site: str) -> Snapshot:
    compiled = compile_policy(policy, NOW)
    return Snapshot.open(compiled.manifest, compiled.names.data, compiled.ranges.data, compiled.rules.data, site)


@settings(max_examples=150, deadline=None)
@given(policies(), sites, st.data())
def test_decides_as_the_oracle_does(policy: Policy, site: str, data: st.DataObject) -> None:
    snapshot = opened(policy, site)
    for _ in range(6):
        client, name, at = data.draw(clients), data.draw(names_of(policy)), data.draw(instants(policy))
        assert snapshot.decide(client, name, at) == decide(policy, site, client, name, at)


@settings(max_examples=60, deadline=None)
@given(policies(), sites, st.data())
def test_judgement_counts_what_the_oracle_names_where_the_authority_counts(
    policy: Policy, site: str, data: st.DataObject
) -> None:
    snapshot = opened(policy, site)
    client, name, at = data.draw(clients), data.draw(names_of(policy)), data.draw(instants(policy))
    class_index = snapshot.find(client.packed)
    expected = decide(policy, site, client, name, at)
    if class_index is None:
        assert expected.authority is None
        return
    judgement = snapshot.judge(class_index, snapshot.match(name), at)
    counts = {a.slug for a in policy.authorities if a.usage is not Usage.NONE}
    counted = expected.authority in counts

    def pairs(services: frozenset[str]) -> set[tuple[str | None, str]]:
        return {(expected.authority, service) for service in services} if counted else set()

    assert judgement.verdict is expected.verdict
    assert {snapshot.pairs[pair] for pair in judgement.monitored} == pairs(expected.monitored)
    assert {snapshot.pairs[pair] for pair in judgement.exempted} == pairs(expected.exempted)
    if expected.verdict is Verdict.REFUSE and counted:
        assert snapshot.pairs[judgement.refused] == (expected.authority, expected.service)
    else:
        assert judgement.refused == -1


@settings(max_examples=60, deadline=None)
@given(policies(), sites, st.data())
def test_nothing_changes_before_the_next_change(policy: Policy, site: str, data: st.DataObject) -> None:
    snapshot = opened(policy, site)
    client, name = data.draw(clients), data.draw(names_of(policy))
    class_index = snapshot.find(client.packed)
    if class_index is None:
        return
    matches = snapshot.match(name)
    for at, later in pairwise(sorted(data.draw(st.lists(instants(policy), min_size=2, max_size=6)))):
        change = snapshot.next_change(class_index, matches, at)
        assert change is None or change > at
        if change is None or later < change:
            assert decide(policy, site, client, name, at) == decide(policy, site, client, name, later)


@settings(max_examples=40, deadline=None)
@given(policies(), sites, st.data())
def test_walking_the_changes_meets_every_flip(policy: Policy, site: str, data: st.DataObject) -> None:
    snapshot = opened(policy, site)
    client, name = data.draw(clients), data.draw(names_of(policy))
    class_index = snapshot.find(client.packed)
    if class_index is None:
        return
    matches = snapshot.match(name)
    flips = {at for at in range(NOW, NOW + 2 * DAY, 1800) if _differs(policy, site, client, name, at)}
    seen: set[int] = set()
    at: int | None = NOW - 1
    while (at := snapshot.next_change(class_index, matches, at)) is not None and at < NOW + 2 * DAY:
        seen.add(at)
    assert flips <= seen


def _differs(policy: Policy, site: str, client, name: bytes, at: int) -> bool:  # type: ignore[no-untyped-def]
    return decide(policy, site, client, name, at - 1) != decide(policy, site, client, name, at)
