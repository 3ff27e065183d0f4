"""Suspensions added to a rules file that was compiled without them."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.model import DEFAULT_SITE, Instant, Mode, Policy, Suspension
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.layout import SUSPENSION, Kind, Part
from dnsfilter.snapshot.manifest import parse_manifest
from dnsfilter.snapshot.overlay import overlay_manifest, overlay_rules
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.snapshot.rule_parts.suspended import read_suspensions
from dnsfilter.snapshot.sections import Section, read_file
from tests.support.policies import DAY, HOUR, NOW, ban, exemption, network, policies, policy, service

EARLY: Instant = NOW - 2 * DAY
MINUTE = 60


@st.composite
def suspensions(draw: st.DrawFn) -> Suspension:
    start = NOW + draw(st.integers(-23 * 60, 5 * 60)) * MINUTE
    end = start + draw(st.integers(1, 4 * 60)) * MINUTE
    return Suspension(draw(st.sampled_from((None, "ghent", "mechelen", "nowhere"))), start, end)


@given(policies(), st.lists(suspensions(), min_size=1, max_size=3))
def test_overlay_gives_the_bytes_of_the_policy_compiled_with_the_suspensions(
    held: Policy, given_later: list[Suspension]
) -> None:
    alone = compile_policy(held, NOW)
    together = compile_policy(replace(held, suspensions=(*held.suspensions, *given_later)), NOW)
    assert bytes(overlay_rules(alone.rules.data, given_later, EARLY)) == together.rules.data


@given(policies(), suspensions(), suspensions())
def test_overlays_can_be_combined(held: Policy, first: Suspension, second: Suspension) -> None:
    rules = compile_policy(held, NOW).rules.data
    assert overlay_rules(overlay_rules(rules, [first], EARLY), [second], EARLY) == overlay_rules(
        rules, [second, first], EARLY
    )


GHENT = policy(
    network("192.0.2.0/24", "ghent"),
    network("192.0.2.128/25", "ghent"),
    network("198.51.100.0/24", "mechelen"),
    service("video", ["example.org"]),
    ban(1, "ghent", "video"),
    ban(2, "mechelen", "video", Mode.MONITOR),
    exemption(1, 1, ["192.0.2.128/25"], NOW + 600, NOW + 1200),
)


@pytest.mark.parametrize(
    "given_later",
    [[], [Suspension("ghent", NOW - HOUR, NOW)], [Suspension(None, NOW - HOUR, NOW - 1)]],
)
def test_ended_suspension_returns_the_same_object(given_later: list[Suspension]) -> None:
    rules = compile_policy(GHENT, NOW).rules.data
    assert overlay_rules(rules, given_later, NOW) is rules


def test_known_suspension_returns_the_same_object() -> None:
    held = Suspension("ghent", NOW, NOW + HOUR, "a test", 1)
    rules = compile_policy(replace(GHENT, suspensions=(held,)), NOW).rules.data
    assert overlay_rules(rules, [replace(held, reason="", number=0)], NOW) is rules


@pytest.mark.parametrize("whose", ["diest", "mechelen", None])
def test_suspension_without_rules_in_force_is_only_listed(whose: str | None) -> None:
    nothing = compile_policy(replace(GHENT, bans=(), exemptions=()), NOW).rules.data
    noted = overlay_rules(nothing, [Suspension(whose, NOW, NOW + HOUR)], NOW)
    before, after = read_file(Kind.RULES, nothing), read_file(Kind.RULES, noted)
    assert after.keys() - before.keys() == {Part.SUSPENSIONS}
    assert {part: bytes(after[part].data) for part in before} == {part: bytes(before[part].data) for part in before}


def opened(held: Policy, given_later: list[Suspension]) -> Snapshot:
    made = compile_policy(held, NOW)
    rules = overlay_rules(made.rules.data, given_later, NOW)
    manifest = overlay_manifest(made.manifest, rules)
    return Snapshot.open(manifest, made.names.data, made.ranges.data, rules, DEFAULT_SITE)


@pytest.mark.parametrize(
    ("at", "verdict"),
    [(NOW - 1, Verdict.REFUSE), (NOW, Verdict.PASS), (NOW + 299, Verdict.PASS), (NOW + 300, Verdict.REFUSE)],
)
def test_a_suspension_holds_from_its_start_until_its_end(at: Instant, verdict: Verdict) -> None:
    snapshot = opened(GHENT, [Suspension("ghent", NOW, NOW + 300)])
    ghent, mechelen = (snapshot.find(bytes(address)) for address in ([192, 0, 2, 1], [198, 51, 100, 1]))
    assert ghent is not None
    assert mechelen is not None
    name = next(iter(GHENT.services[0].tiers[0].domains))
    hits = snapshot.match(name)
    judged = snapshot.judge(ghent, hits, at, [name])
    assert judged.verdict is verdict
    assert bool(judged.exempted) is (verdict is Verdict.PASS)
    assert snapshot.judge(mechelen, hits, at, [name]).verdict is Verdict.MONITOR


def test_the_next_change_is_the_end_of_the_suspension() -> None:
    snapshot = opened(GHENT, [Suspension(None, NOW, NOW + 300)])
    name = next(iter(GHENT.services[0].tiers[0].domains))
    hits = snapshot.match(name)
    for address in ([192, 0, 2, 1], [198, 51, 100, 1]):
        found = snapshot.find(bytes(address))
        assert found is not None
        assert snapshot.next_change(found, hits, NOW, [name]) == NOW + 300


def test_overlaid_manifest_names_the_new_rules_and_has_no_signature() -> None:
    made = compile_policy(GHENT, NOW)
    before = parse_manifest(made.manifest)
    after = parse_manifest(overlay_manifest(made.manifest, b"other rules"))
    assert after == replace(before, rules=after.rules, signature="")
    assert (after.rules.digest, after.rules.size) == (sha256(b"other rules").digest(), 11)


def test_snapshot_lists_the_suspended_authorities_at_a_time() -> None:
    published = (Suspension("mechelen", NOW - 600, NOW + 600), Suspension("ghent", NOW - 2 * DAY, NOW - DAY))
    snapshot = opened(replace(GHENT, suspensions=published), [Suspension(None, NOW + 60, NOW + 300)])
    suspended = {at: snapshot.suspended(NOW + at) for at in (-601, -600, 59, 60, 299, 300, 599, 600)}
    assert suspended == {
        -601: set(),
        -600: {"mechelen"},
        59: {"mechelen"},
        60: {"mechelen", None},
        299: {"mechelen", None},
        300: {"mechelen"},
        599: {"mechelen"},
        600: set(),
    }


def test_snapshot_without_suspensions_has_no_suspensions_section() -> None:
    assert Part.SUSPENSIONS not in read_file(Kind.RULES, compile_policy(GHENT, NOW).rules.data)


@pytest.mark.parametrize("record", [(NOW, NOW, b"ghent"), (NOW + 1, NOW, b""), (NOW, NOW + 1, b"g\xc3\xa9nt")])
def test_invalid_suspension_record_is_rejected(record: tuple[int, int, bytes]) -> None:
    section = Section("section suspensions", memoryview(SUSPENSION.pack(*record)))
    with pytest.raises(SnapshotError, match="the suspension from"):
        read_suspensions(section)


@pytest.mark.parametrize("cut", [0, 10, 200])
def test_a_broken_file_is_refused(cut: int) -> None:
    rules = compile_policy(GHENT, NOW).rules.data[:cut]
    with pytest.raises(SnapshotError):
        overlay_rules(rules, [Suspension(None, NOW, NOW + HOUR)], NOW)
