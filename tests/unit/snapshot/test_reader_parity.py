"""The compiled snapshot gives the same decisions as the oracle, for arbitrary policies."""

from dataclasses import replace
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.policy.decide import Verdict, decide
from dnsfilter.policy.extended_error import quoted_reference, refusal_text, structured_text
from dnsfilter.policy.model import Address, AllowedName, Policy, Usage
from dnsfilter.policy.reasons import explain
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.wire.names import suffixes
from tests.fuzz.examples import examples
from tests.support.policies import DAY, NOW, clients_of, instants, names_of, policies, sites

pytestmark = pytest.mark.heavy


def opened(policy: Policy, site: str) -> Snapshot:
    compiled = compile_policy(policy, NOW)
    return Snapshot.open(compiled.manifest, compiled.names.data, compiled.ranges.data, compiled.rules.data, site)


@examples(40)
@given(policies(), sites, st.data())
def test_decision_is_the_same_as_the_oracles(policy: Policy, site: str, data: st.DataObject) -> None:
    snapshot = opened(policy, site)
    clients = data.draw(st.lists(clients_of(policy), min_size=2, max_size=5))
    names = data.draw(st.lists(names_of(policy), min_size=2, max_size=5))
    times = data.draw(st.lists(instants(policy), min_size=2, max_size=5))
    for client, name, at in product(clients, names, times):
        assert snapshot.decide(client, name, at) == decide(policy, site, client, name, at)


@examples(40)
@given(policies(), sites, st.data())
def test_judgement_counts_the_oracles_services_if_the_authority_counts(
    policy: Policy, site: str, data: st.DataObject
) -> None:
    snapshot = opened(policy, site)
    client, name, at = data.draw(clients_of(policy)), data.draw(names_of(policy)), data.draw(instants(policy))
    class_index = snapshot.find(client.packed)
    expected = decide(policy, site, client, name, at)
    if class_index is None:
        assert expected.authority is None
        return
    judgement = snapshot.judge(class_index, snapshot.match(name), at, [name])
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


@examples(40)
@given(policies(), sites, st.data())
def test_answer_is_refused_if_its_question_or_a_target_is_not_free(
    policy: Policy, site: str, data: st.DataObject
) -> None:
    """An allowed question frees every target from own bans, an allowed target only itself."""
    snapshot, client, at = opened(policy, site), data.draw(clients_of(policy)), data.draw(instants(policy))
    names = data.draw(st.lists(names_of(policy), min_size=2, max_size=4))
    class_index = snapshot.find(client.packed)
    if class_index is None:
        return
    authority = snapshot.authority(class_index)
    free = replace(policy, allowed=(*policy.allowed, *(AllowedName(9, authority, name, True, 0) for name in names[1:])))
    is_free = any(
        each.authority == authority
        and each.period.holds(at)
        and (names[0] == each.name or (not each.exact and each.name in suffixes(names[0])))
        for each in policy.allowed
    )
    verdicts = [decide(policy, site, client, names[0], at).verdict]
    verdicts += [decide(free if is_free else policy, site, client, name, at).verdict for name in names[1:]]
    worst = max(verdicts, key=[Verdict.PASS, Verdict.MONITOR, Verdict.REFUSE].index)
    assert snapshot.judge(class_index, snapshot.match_all(names), at, names).verdict is worst


@examples(40)
@given(policies(), sites, st.data())
def test_refusal_quotes_the_decision_of_the_term_in_force(policy: Policy, site: str, data: st.DataObject) -> None:
    snapshot = opened(policy, site)
    client, name, at = data.draw(clients_of(policy)), data.draw(names_of(policy)), data.draw(instants(policy))
    class_index, found = snapshot.find(client.packed), explain(policy, site, client, name, at)
    if class_index is None or found.decision.verdict is not Verdict.REFUSE:
        return
    (item,) = (item for item in found.considered if item.ban.number == found.decision.ban)
    service = next(service for service in policy.services if service.slug == item.ban.service)
    decider, asker = (
        next(authority for authority in policy.authorities if authority.slug == slug)
        for slug in (item.ban.authority, found.decision.authority)
    )
    ban = snapshot.judge(class_index, snapshot.match(name), at, [name]).ban
    assert ban is not None
    reference, bound = quoted_reference(item.ban, item.term), decider is not asker
    assert ban.text == refusal_text(reference, service, decider, asker)
    assert ban.structured == structured_text(reference, decider, asker, bound=bound)


@examples(40)
@given(policies(), sites, st.data())
def test_nothing_changes_before_the_next_change(policy: Policy, site: str, data: st.DataObject) -> None:
    snapshot = opened(policy, site)
    client, name = data.draw(clients_of(policy)), data.draw(names_of(policy))
    class_index = snapshot.find(client.packed)
    if class_index is None:
        return
    matches = snapshot.match(name)
    for at, later in pairwise(sorted(data.draw(st.lists(instants(policy), min_size=2, max_size=6)))):
        change = snapshot.next_change(class_index, matches, at, [name])
        assert change is None or change > at
        if change is None or later < change:
            assert decide(policy, site, client, name, at) == decide(policy, site, client, name, later)


@examples(40)
@given(policies(), sites, st.data())
def test_every_change_of_decision_is_a_next_change(policy: Policy, site: str, data: st.DataObject) -> None:
    snapshot = opened(policy, site)
    client, name = data.draw(clients_of(policy)), data.draw(names_of(policy))
    class_index = snapshot.find(client.packed)
    if class_index is None:
        return
    matches = snapshot.match(name)
    flips = {at for at in range(NOW, NOW + 2 * DAY, 1800) if _differs(policy, site, client, name, at)}
    seen: set[int] = set()
    change = snapshot.next_change(class_index, matches, NOW - 1, [name])
    while change is not None and change < NOW + 2 * DAY:
        seen.add(change)
        change = snapshot.next_change(class_index, matches, change, [name])
    assert flips <= seen


def _differs(policy: Policy, site: str, client: Address, name: bytes, at: int) -> bool:
    return decide(policy, site, client, name, at - 1) != decide(policy, site, client, name, at)
