"""Rows and classes: the effects of bans on classes of ranges over time."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.policy.calendar import weekly_windows
from dnsfilter.policy.decide import Standing, consider, held_term
from dnsfilter.policy.extended_error import quoted_reference
from dnsfilter.policy.intervals import FOREVER
from dnsfilter.policy.model import (
    Audience,
    Binding,
    FormalDecision,
    Funding,
    Ground,
    Mode,
    Policy,
    Suspension,
    Term,
    Usage,
    WeeklyHours,
)
from dnsfilter.policy.rows import (
    Effect,
    RangeClass,
    RowMaker,
    classify,
    exempted_ranges,
    range_classes,
    without_ended_exemptions,
)
from tests.fuzz.examples import examples
from tests.support.policies import (
    DAY,
    HOUR,
    NOW,
    Thing,
    authority,
    ban,
    exemption,
    instants,
    names_of,
    network,
    policies,
    policy,
    service,
)

GHENT = network("192.0.2.0/24", "ghent")
STAFF = RangeClass("ghent", Funding.PUBLIC, Audience.STAFF)
EXEMPTED = replace(STAFF, exempted=("default", "192.0.2.0/24"))
TERM = (Term(NOW, NOW + 100),)


def bound(number: int, ground: Ground, start: int, end: int | None = None, accepted: int | None = 0) -> Binding:
    """Return a binding of Ghent to the first ban."""
    return Binding(number, 1, "ghent", ground, start, end, accepted)


LAW, AGREEMENT = Ground.LAW, Ground.AGREEMENT


@pytest.mark.parametrize(
    ("things", "since", "counted"),
    [
        pytest.param((ban(1, "ghent", "tiktok", terms=TERM),), NOW, [(1, None)], id="own"),
        pytest.param((ban(1, "ghent", "tiktok", Mode.OFF, TERM),), NOW, [(1, None)], id="off"),
        pytest.param(
            (ban(1, "ghent", "tiktok", terms=TERM, off_until=NOW + 100),), NOW, [(1, None)], id="off until its end"
        ),
        pytest.param((ban(1, "ghent", "tiktok", Mode.OFF, TERM),), NOW + 100, [], id="off and ended"),
        pytest.param((ban(1, "ghent", "tiktok", terms=()),), NOW, [], id="without a term"),
        pytest.param((ban(1, "diest", "tiktok", terms=TERM),), NOW, [], id="another's"),
        pytest.param((ban(1, "diest", "tiktok"), bound(1, LAW, 0)), NOW, [(1, LAW)], id="law"),
        pytest.param(
            (ban(1, "diest", "tiktok", Mode.OFF), bound(1, AGREEMENT, 0)), NOW, [(1, AGREEMENT)], id="bound, off"
        ),
        pytest.param((ban(1, "diest", "tiktok"), bound(1, AGREEMENT, 0, accepted=None)), NOW, [], id="not accepted"),
        pytest.param(
            (ban(1, "diest", "tiktok"), bound(1, AGREEMENT, 0), bound(2, LAW, NOW + 5)),
            NOW,
            [(1, LAW), (1, AGREEMENT)],
            id="agreement before law",
        ),
        pytest.param(
            (ban(1, "diest", "tiktok"), bound(1, AGREEMENT, 0), bound(2, LAW, 0, NOW)),
            NOW,
            [(1, AGREEMENT)],
            id="no longer law",
        ),
        pytest.param(
            (ban(1, "diest", "tiktok"), bound(1, AGREEMENT, 5), bound(2, LAW, 0)), NOW, [(1, LAW)], id="both at once"
        ),
        pytest.param((ban(1, "diest", "tiktok"), bound(1, LAW, 0, NOW)), NOW, [], id="no longer bound"),
        pytest.param((ban(1, "ghent", "tiktok", funding=frozenset({Funding.PRIVATE})),), NOW, [], id="not covered"),
    ],
)
def test_bans_are_counted_also_while_they_are_off(
    things: tuple[Thing, ...], since: int, counted: list[tuple[int, Ground | None]]
) -> None:
    made = RowMaker(policy(GHENT, service("tiktok", ["tiktok.example"]), *things))
    assert list(made.class_rows(STAFF, since).counted) == counted


@pytest.mark.parametrize(
    ("things", "expected"),
    [
        pytest.param((ban(1, "ghent", "tiktok", terms=TERM),), [(1, Effect.ENFORCE, False, 0, 100)], id="enforce"),
        pytest.param(
            (ban(1, "ghent", "tiktok", Mode.MONITOR, TERM),), [(1, Effect.MONITOR, False, 0, 100)], id="monitor"
        ),
        pytest.param((ban(1, "ghent", "tiktok", Mode.OFF, TERM),), [], id="off"),
        pytest.param(
            (ban(1, "ghent", "tiktok", terms=TERM, off_until=NOW + 10),),
            [(1, Effect.ENFORCE, False, 10, 100)],
            id="off for a time",
        ),
        pytest.param((ban(1, "ghent", "tiktok", terms=TERM, off_until=NOW + 100),), [], id="off as long as it holds"),
        pytest.param(
            (
                ban(1, "mechelen", "tiktok", Mode.MONITOR, TERM, off_until=NOW + 30),
                Binding(1, 1, "ghent", Ground.LAW, NOW + 10, NOW + 90),
                Suspension(None, NOW + 20, NOW + 40),
            ),
            [(1, Effect.EXEMPT, True, 30, 40), (1, Effect.MONITOR, True, 40, 90)],
            id="off for a time, bound and suspended",
        ),
        pytest.param((ban(1, "mechelen", "tiktok", terms=TERM),), [], id="another's"),
        pytest.param((ban(1, "ghent", "tiktok", audience=frozenset({Audience.PUPILS})),), [], id="not covered"),
        pytest.param(
            (
                ban(1, "mechelen", "tiktok", terms=TERM),
                Binding(1, 1, "ghent", Ground.AGREEMENT, NOW + 10, NOW + 90, accepted=NOW + 20),
                Binding(2, 1, "ghent", Ground.LAW, NOW + 80, recorded=NOW + 95),
            ),
            [(1, Effect.ENFORCE, True, 20, 90), (1, Effect.ENFORCE, True, 95, 100)],
            id="bound",
        ),
        pytest.param(
            (ban(1, "mechelen", "tiktok"), Binding(1, 1, "ghent", Ground.AGREEMENT, NOW)), [], id="not accepted"
        ),
        pytest.param(
            (ban(1, "ghent", "tiktok", terms=TERM), Suspension(None, NOW + 10, NOW + 20)),
            [
                (1, Effect.ENFORCE, False, 0, 10),
                (1, Effect.EXEMPT, False, 10, 20),
                (1, Effect.ENFORCE, False, 20, 100),
            ],
            id="suspended",
        ),
        pytest.param(
            (ban(1, "ghent", "tiktok", terms=TERM), Suspension("mechelen", NOW + 10, NOW + 20)),
            [(1, Effect.ENFORCE, False, 0, 100)],
            id="another suspended",
        ),
        pytest.param(
            (ban(9, "ghent", "tiktok", terms=TERM), ban(2, "ghent", "tiktok", Mode.MONITOR, TERM)),
            [(2, Effect.MONITOR, False, 0, 100), (9, Effect.ENFORCE, False, 0, 100)],
            id="by number",
        ),
    ],
)
def test_rows_of_a_class(things: tuple[Thing, ...], expected: list[tuple[int, Effect, bool, int, int]]) -> None:
    rows = RowMaker(policy(GHENT, service("tiktok", ["tiktok.example"]), *things)).rows(STAFF)
    assert [(row.ban, row.effect, row.bound, row.start - NOW, row.end - NOW) for row in rows] == expected


def _term(start: int, end: int | None, reference: str = "", recorded: int = 0) -> Term:
    until = None if end is None else NOW + end
    return Term(NOW + start, until, recorded=NOW + recorded, decision=FormalDecision(reference=reference))


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        pytest.param((_term(0, 10),), [("first", 0, 10)], id="the ban's own"),
        pytest.param((_term(0, 10), _term(10, 20)), [("first", 0, 20)], id="the ban's own, without a seam"),
        pytest.param((_term(0, 10), _term(20, 30, "second")), [("first", 0, 10), ("second", 20, 30)], id="later"),
        pytest.param((_term(0, 10), _term(10, 30, "second")), [("first", 0, 10), ("second", 10, 30)], id="touching"),
        pytest.param((_term(0, 20), _term(10, 30, "second")), [("first", 0, 10), ("second", 10, 30)], id="overlapping"),
        pytest.param(
            (_term(0, None), _term(10, 20, "second")),
            [("first", 0, 10), ("second", 10, 20), ("first", 20, None)],
            id="within one without an end",
        ),
        pytest.param(
            (_term(0, 20, "late", recorded=10), _term(5, 20, "early")),
            [("early", 5, 10), ("late", 10, 20)],
            id="in effect last, though decided to begin first",
        ),
        pytest.param((_term(0, 9, "a"), _term(0, 9, "b")), [("b", 0, 9)], id="of equals the last"),
        pytest.param(
            (_term(-2, 9, "b"), _term(0, 9, "a", recorded=-1)), [("b", 0, 9)], id="of equals the one recorded last"
        ),
    ],
)
def test_row_quotes_the_formal_decision_of_the_term_that_began_last(
    terms: tuple[Term, ...], expected: list[tuple[str, int, int | None]]
) -> None:
    renewed = ban(1, "ghent", "tiktok", terms=terms, reference="first")
    rows = RowMaker(policy(GHENT, service("tiktok", ["tiktok.example"]), renewed)).rows(STAFF)
    found = [(row.reference, row.start - NOW, None if row.end == FOREVER else row.end - NOW) for row in rows]
    assert found == expected
    for reference, start, end in expected:
        for at in {NOW + start, NOW + (start if end is None else end - 1)}:
            assert quoted_reference(renewed, held_term(renewed.terms, at)) == reference


@pytest.mark.parametrize(("since", "same"), [(NOW + 19, False), (NOW + 20, True), (NOW + 50, True)])
def test_ended_suspension_does_not_split_a_row(since: int, same: bool) -> None:
    things = (GHENT, service("tiktok", ["tiktok.example"]), ban(1, "ghent", "tiktok", terms=TERM))
    suspended = RowMaker(policy(*things, Suspension(None, NOW + 10, NOW + 20))).rows(STAFF, since)
    assert (suspended == RowMaker(policy(*things)).rows(STAFF, since)) is same


def test_open_term_never_ends() -> None:
    (row,) = RowMaker(policy(GHENT, ban(1, "ghent", "tiktok"))).rows(STAFF)
    assert (row.start, row.end) == (0, FOREVER)


def test_exemption_has_rows_only_in_its_ranges() -> None:
    maker = RowMaker(policy(GHENT, ban(1, "ghent", "tiktok"), exemption(1, 1, ["192.0.2.0/24"], NOW, NOW + DAY)))
    assert [row.effect for row in maker.rows(STAFF)] == [Effect.ENFORCE]
    effects = {row.start: row.effect for row in maker.rows(EXEMPTED)}
    assert effects == {0: Effect.ENFORCE, NOW: Effect.EXEMPT, NOW + DAY: Effect.ENFORCE}


def test_hours_are_expanded_over_the_complete_exemption() -> None:
    mornings = (WeeklyHours(frozenset(range(7)), 9 * 60, 12 * 60, "Europe/Brussels"),)
    year = exemption(1, 1, ["192.0.2.0/24"], NOW, NOW + 365 * DAY, mornings)
    rows = RowMaker(policy(GHENT, ban(1, "ghent", "tiktok"), year)).rows(EXEMPTED)
    aside = [row for row in rows if row.effect is Effect.EXEMPT]
    assert len(aside) == 365
    assert {row.end - row.start for row in aside} == {3 * HOUR}


@pytest.fixture
def laid_out(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the ends of the exemptions whose hours are computed."""
    ends: list[int] = []

    def windows(hours: WeeklyHours, start: int, end: int) -> Iterator[tuple[int, int]]:
        ends.append(end - NOW)
        return weekly_windows(hours, start, end)

    monkeypatch.setattr("dnsfilter.policy.exempted_times.weekly_windows", windows)
    return ends


def test_rows_with_the_same_input_are_reused(laid_out: list[int]) -> None:
    mornings = (WeeklyHours(frozenset(range(7)), 9 * 60, 12 * 60, "Europe/Brussels"),)
    first, second = (exemption(n, 1, ["192.0.2.0/24"], NOW, NOW + n * DAY, mornings) for n in (1, 2))
    monitored = ban(1, "ghent", "tiktok", Mode.MONITOR)
    before = RowMaker(policy(GHENT, monitored, first, second))
    rows = before.rows(EXEMPTED)
    assert laid_out == [DAY, 2 * DAY]
    again = RowMaker(policy(GHENT, monitored, first, second), before.made)
    assert all(held is made for held, made in zip(again.rows(EXEMPTED), rows, strict=True))
    off = RowMaker(policy(GHENT, replace(monitored, mode=Mode.OFF), first, second), again.made)
    assert off.rows(EXEMPTED) == ()
    enforced = RowMaker(policy(GHENT, replace(monitored, mode=Mode.ENFORCE), first, second), off.made)
    assert [row.end for row in enforced.rows(EXEMPTED)] == [row.end for row in rows]
    assert enforced.rows(EXEMPTED) != rows
    assert laid_out == [DAY, 2 * DAY], "hours do not depend on the mode"
    made = policy(GHENT, monitored, first, replace(second, end=NOW + 3 * DAY))
    revoked = RowMaker(made, enforced.made)
    assert revoked.rows(EXEMPTED) == RowMaker(made).rows(EXEMPTED)
    assert laid_out == [DAY, 2 * DAY, 3 * DAY, DAY, 3 * DAY], "one alone, and then both with nothing from before"
    assert set(RowMaker(policy(GHENT, monitored, first), revoked.made).made.laid_out) == {1}


def test_remembered_exemptions_have_not_ended() -> None:
    over, left = (exemption(n, 1, ["192.0.2.0/24"], 0, NOW + n) for n in (1, 2))
    made = policy(GHENT, ban(1, "ghent", "tiktok"), over, left)
    assert without_ended_exemptions(made, NOW) is made
    assert without_ended_exemptions(made, NOW + 1) == replace(made, exemptions=(left,))
    assert exempted_ranges(without_ended_exemptions(made, NOW + 2)) == frozenset()


def test_rows_that_ended_are_left_out_from_their_end_on() -> None:
    maker = RowMaker(policy(GHENT, ban(1, "ghent", "tiktok", terms=TERM)))
    assert len(maker.rows(STAFF, since=NOW + 99)) == 1
    assert maker.rows(STAFF, since=NOW + 100) == ()


def test_ranges_whose_bans_cannot_differ_share_a_class() -> None:
    made = policy(
        GHENT,
        network("198.51.100.0/24", "ghent"),
        network("203.0.113.0/24", "ghent", Funding.PRIVATE),
        network("198.51.100.0/24", "ghent", site="annex"),
        ban(1, "ghent", "tiktok"),
        exemption(1, 1, ["198.51.100.0/24"], site="annex"),
    )
    classes = classify(made)
    by_range = {(site, str(prefix)): found for (site, prefix), found in classes.items()}
    assert by_range == {
        ("default", "192.0.2.0/24"): STAFF,
        ("default", "198.51.100.0/24"): STAFF,
        ("default", "203.0.113.0/24"): replace(STAFF, funding=Funding.PRIVATE),
        ("annex", "198.51.100.0/24"): replace(STAFF, exempted=("annex", "198.51.100.0/24")),
    }
    assert len(range_classes(classes)) == 3
    assert range_classes(dict(reversed(classes.items()))) == range_classes(classes)


@pytest.mark.heavy
@examples(50)
@given(policies())
def test_a_toggle_changes_no_class(made: Policy) -> None:
    for mode in Mode:
        toggled = replace(made, bans=tuple(replace(each, mode=mode) for each in made.bans))
        assert classify(toggled) == classify(made)


@pytest.mark.heavy
@examples(100)
@given(policies(), st.data())
def test_rows_hold_exactly_when_the_oracle_decides_so(made: Policy, data: st.DataObject) -> None:
    registered = data.draw(st.sampled_from(made.ranges))
    name, at = data.draw(names_of(made)), data.draw(instants(made))
    rows = RowMaker(made).rows(classify(made)[(registered.site, registered.prefix)])
    holding = {
        row.ban: (row.effect is Effect.EXEMPT, row.bound, row.reference) for row in rows if row.start <= at < row.end
    }
    aside = {Standing.EXEMPTED, Standing.SUSPENDED}
    for item in consider(made, registered, name, at):
        # Rows do not depend on names.
        if item.standing in aside or item.applies or item.standing is Standing.ALLOWED:
            quoted = quoted_reference(item.ban, item.term)
            assert holding[item.ban.number] == (item.standing in aside, item.bound, quoted)
        elif item.standing is not Standing.OTHER_TIER:
            assert item.ban.number not in holding


def test_ranges_of_at_least_sixteen_addresses_have_a_class_each_if_their_authority_counts_them() -> None:
    prefixes = ("192.0.2.0/28", "192.0.2.16/28", "192.0.2.32/29", "2001:db8::/64", "2001:db8:1::/125")
    for usage, own in ((Usage.RANGE, prefixes[:2] + prefixes[3:4]), (Usage.AUTHORITY, ()), (Usage.NONE, ())):
        made = policy(*(network(each, "ghent") for each in prefixes), authority("ghent", usage=usage))
        counted = {str(prefix): each.counted for (_, prefix), each in classify(made).items()}
        assert counted == {each: ("default", each) if each in own else None for each in prefixes}
        assert len(range_classes(classify(made))) == len(own) + 1
