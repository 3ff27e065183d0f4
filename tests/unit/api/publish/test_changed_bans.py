"""Which bans an act changes for ranges: as the decision of both policies says."""

from dataclasses import replace

import pytest

from api.publish.changed_bans import AppliedBan, changed_bans
from dnsfilter.policy.model import Audience, Binding, Funding, Ground, Mode, Range, Suspension
from tests.support.policies import NOW, ban, exemption, network, policy, service

TOWN, INNER = network("192.0.2.0/24", "town"), network("192.0.2.64/26", "town")
BANS = (
    ban(1, "town", "alpha"),
    ban(2, "zone", "alpha", Mode.MONITOR),
    ban(3, "zone", "beta", Mode.OFF),
    ban(4, "federal", "beta"),
    ban(5, "town", "beta", audience=frozenset({Audience.PUPILS})),
)
BEFORE = policy(
    TOWN,
    *BANS,
    Binding(1, 4, "zone", Ground.LAW, 0),
    service("alpha", ["alpha.example.org"]),
    service("beta", ["beta.example.org"]),
)
A, Z, B, P = (
    AppliedBan("town", "alpha", Mode.ENFORCE, False),
    AppliedBan("zone", "alpha", Mode.MONITOR, False),
    AppliedBan("federal", "beta", Mode.ENFORCE, True),
    AppliedBan("town", "beta", Mode.ENFORCE, False),
)


def _of(authority: str, held: Range = TOWN) -> Range:
    return replace(held, authority=authority)


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ((TOWN,), []),
        ((_of("zone"),), [("town", "zone", {Z, B}, {A})]),
        ((TOWN, _of("zone", INNER)), [("town", "zone", {Z, B}, {A})]),
        ((TOWN, INNER), []),
        ((), [("town", None, set(), {A})]),
        ((replace(TOWN, audience=Audience.PUPILS),), [("town", "town", {P}, {A})]),
        ((replace(TOWN, label="hall"),), []),
        ((_of("zone"), _of("zone", INNER)), [("town", "zone", {Z, B}, {A})]),
        ((replace(TOWN, funding=Funding.PRIVATE),), [("town", "town", set(), {A})]),
    ],
)
def test_the_bans_that_begin_and_end_to_apply(
    ranges: tuple[Range, ...], expected: list[tuple[str, str | None, set[AppliedBan], set[AppliedBan]]]
) -> None:
    found = changed_bans(BEFORE, replace(BEFORE, ranges=ranges), NOW)
    assert [(one.before, one.after, set(one.begin), set(one.end)) for one in found] == expected


def test_a_range_around_the_block_of_fleets_goes_on_with_no_ban_of_a_fleet() -> None:
    around, fleet = network("100::/48", "town"), network("100::1:0:0/96", "town")
    served = policy(around, fleet, service("alpha", ("alpha.example",)), ban(1, "town", "alpha"))
    (found,) = changed_bans(served, replace(served, ranges=(around,)), NOW)
    assert (found.after, [each.service for each in found.end]) == (None, ["alpha"])


def test_ranges_with_the_same_change_are_one_group() -> None:
    moved = _of("zone"), _of("zone", INNER)
    (found,) = changed_bans(replace(BEFORE, ranges=(TOWN, INNER)), replace(BEFORE, ranges=moved), NOW)
    assert [str(prefix) for _, prefix in found.ranges] == ["192.0.2.0/24", "192.0.2.64/26"]


def test_an_exempted_range_loses_no_ban_that_did_not_apply() -> None:
    exempted = replace(BEFORE, exemptions=(exemption(1, 1, ["192.0.2.0/24"]),))
    (found,) = changed_bans(exempted, replace(BEFORE, ranges=(_of("zone"),)), NOW)
    assert (found.begin, found.end) == (frozenset({Z, B}), frozenset())


def test_a_suspension_hides_no_change() -> None:
    suspended = replace(BEFORE, suspensions=(Suspension(None, NOW - 60, NOW + 60),))
    (found,) = changed_bans(suspended, replace(suspended, ranges=(_of("zone"),)), NOW)
    assert (found.begin, found.end) == (frozenset({Z, B}), frozenset({A}))
