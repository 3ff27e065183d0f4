"""The compiler: same policy, same bytes; a toggle writes rules and manifest only; invalid policies are rejected."""

from dataclasses import replace

import pytest
from hypothesis import given

from dnsfilter.errors import PolicyError
from dnsfilter.policy.model import Mode, Policy, Term
from dnsfilter.snapshot.compiler import KEPT_PAST_S, compile_names, compile_policy
from dnsfilter.snapshot.manifest import FileRef, Manifest, parse_manifest
from dnsfilter.snapshot.sections import File
from tests.fuzz.examples import examples
from tests.support.policies import DAY, NOW, ban, exemption, network, policies, policy, service

pytestmark = pytest.mark.heavy

TIKTOK = service("tiktok", ["tiktok.example"])
GHENT = policy(network("192.0.2.0/24", "ghent"), TIKTOK, ban(1, "ghent", "tiktok"))


def reference(file: File) -> FileRef:
    return FileRef(file.digest, len(file.data))


def test_the_manifest_names_the_files() -> None:
    made = compile_policy(GHENT, NOW)
    expected = Manifest(1, NOW, reference(made.names), reference(made.ranges), reference(made.rules))
    assert parse_manifest(made.manifest) == expected


@examples(50)
@given(policies())
def test_order_in_the_policy_changes_no_bytes(policy: Policy) -> None:
    turned = replace(
        policy,
        ranges=policy.ranges[::-1],
        services=policy.services[::-1],
        bans=policy.bans[::-1],
        authorities=policy.authorities[::-1],
        bindings=policy.bindings[::-1],
        exemptions=policy.exemptions[::-1],
    )
    assert compile_policy(policy, NOW) == compile_policy(turned, NOW)


@examples(50)
@given(policies())
def test_a_toggle_changes_rules_and_manifest_only(policy: Policy) -> None:
    before = compile_policy(policy, NOW)
    for mode in Mode:
        toggled = replace(policy, revision=policy.revision + 1, bans=tuple(replace(b, mode=mode) for b in policy.bans))
        after = compile_policy(toggled, NOW + 1, names=before.names)
        assert (after.names, after.ranges) == (before.names, before.ranges)
        assert after.manifest != before.manifest


def test_names_compiled_before_give_the_same_snapshot() -> None:
    assert compile_policy(GHENT, NOW, names=compile_names(GHENT.services)) == compile_policy(GHENT, NOW)


@examples(50)
@given(policies(), policies())
def test_earlier_snapshot_changes_no_bytes(policy: Policy, other: Policy) -> None:
    for before in (policy, replace(policy, exemptions=()), replace(policy, ranges=policy.ranges[1:]), other):
        for earlier in (NOW, NOW - 40 * DAY):
            assert compile_policy(policy, NOW, before=compile_policy(before, earlier)) == compile_policy(policy, NOW)


def test_ranges_file_is_reused_unless_ranges_or_exemptions_differ() -> None:
    before = compile_policy(GHENT, NOW)
    off = replace(GHENT, revision=2, bans=(ban(1, "ghent", "tiktok", Mode.OFF),))
    exempted = replace(GHENT, revision=2, exemptions=(exemption(1, 1, ["192.0.2.0/24"]),))
    moved = replace(GHENT, revision=2, ranges=(network("192.0.2.0/25", "ghent"),))
    assert compile_policy(off, NOW, before=before).ranges is before.ranges
    for changed in (exempted, moved):
        assert compile_policy(changed, NOW, before=before).ranges is not before.ranges


def test_names_of_other_services_are_rejected() -> None:
    with pytest.raises(PolicyError, match="not compiled from the policy's services"):
        compile_policy(GHENT, NOW, names=compile_names((service("capcut", ["capcut.example"]),)))


def test_names_that_an_earlier_snapshot_has_are_rejected_for_other_services() -> None:
    before = compile_policy(GHENT, NOW)
    for services in ((), (TIKTOK, service("capcut", ["capcut.example"]))):
        with pytest.raises(PolicyError):
            compile_policy(replace(GHENT, services=services), NOW, names=before.names, before=before)


def test_spans_that_ended_over_a_day_before_creation_are_left_out() -> None:
    def rules(end: int, mode: Mode = Mode.ENFORCE) -> File:
        lapsed = ban(1, "ghent", "tiktok", mode, terms=(Term(0, end),))
        return compile_policy(replace(GHENT, bans=(lapsed,)), NOW).rules

    off = rules(NOW - KEPT_PAST_S, Mode.OFF)
    assert rules(NOW - KEPT_PAST_S) == off
    assert rules(NOW - KEPT_PAST_S + 1) != off


def test_exemption_that_ended_over_a_day_before_creation_is_left_out() -> None:
    def files(end: int) -> tuple[File, File]:
        made = compile_policy(replace(GHENT, exemptions=(exemption(1, 1, ["192.0.2.0/24"], 0, end),)), NOW)
        return made.ranges, made.rules

    without = compile_policy(GHENT, NOW)
    assert files(NOW - KEPT_PAST_S) == (without.ranges, without.rules)
    assert files(NOW - KEPT_PAST_S + 1)[1] != without.rules


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (replace(GHENT, authorities=()), "no authority 'ghent'"),
        (replace(GHENT, services=(), bans=GHENT.bans), "no service 'tiktok'"),
        (replace(GHENT, bans=(ban(2**40, "ghent", "tiktok"),)), "beyond the format"),
    ],
)
def test_invalid_policy_is_rejected(broken: Policy, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        compile_policy(broken, NOW)


def test_an_exemption_changes_classes_but_no_names() -> None:
    before = compile_policy(GHENT, NOW)
    after = compile_policy(replace(GHENT, exemptions=(exemption(1, 1, ["192.0.2.0/24"]),)), NOW)
    assert after.names == before.names
    assert after.rules != before.rules
