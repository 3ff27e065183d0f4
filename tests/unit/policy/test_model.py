"""The period in which an act has effect."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.policy.intervals import FOREVER, span
from dnsfilter.policy.model import Ground, Instant, Period, bound_since


@pytest.mark.parametrize(
    ("period", "begins"),
    [
        (Period(5, 9, 0), 5),
        (Period(5, None, 7), 7),
        (Period(5, 9, 9), None),
        (Period(5, 9, None), None),
        (Period(5, None, None), None),
        (Period(5, 5, 0), None),
        (Period(5, 3, 0), None),
    ],
)
def test_effect_begins_at_the_start_but_not_before_recording(period: Period, begins: Instant | None) -> None:
    assert period.begins == begins
    held = [at for at in range(12) if period.holds(at)]
    assert held == ([] if begins is None else list(range(begins, 12 if period.end is None else period.end)))


_instants = st.integers(0, 8)
_maybe = st.none() | _instants


@given(period=st.builds(Period, _instants, _maybe, _maybe), at=_instants)
def test_period_holds_is_ahead_or_has_ended(period: Period, at: Instant) -> None:
    spans = span(period)
    assert period.holds(at) == any(start <= at < end for start, end in spans)
    assert period.is_ahead(at) == any(at < start for start, _ in spans)
    assert not (period.has_ended(at) and (period.holds(at) or period.is_ahead(at)))
    assert not period.is_void or period.has_ended(at)
    assert all(end == (FOREVER if period.end is None else period.end) for _, end in spans)


@given(period=st.builds(Period, _instants, _maybe, _maybe), start=_instants, end=_maybe)
def test_period_overlaps_an_interval_with_a_common_instant(period: Period, start: Instant, end: Instant | None) -> None:
    own = {at for at in range(20) if period.start <= at < (20 if period.end is None else period.end)}
    other = {at for at in range(20) if start <= at < (20 if end is None else end)}
    if own and other:
        assert period.overlaps(start, end) == bool(own & other)


@pytest.mark.parametrize(
    ("at", "now", "end"),
    [(5, 5, 6), (9, 5, 9), (4, 4, 5), (7, 6, 7), (5, 4, 5)],
    ids=["begun in this second", "later", "before its start: as it starts", "begun", "at its start, which is ahead"],
)
def test_period_that_has_begun_lasts_at_least_a_second(at: Instant, now: Instant, end: Instant) -> None:
    assert Period(5, 20, 0).end_by_act(at, now) == end


@pytest.mark.parametrize(
    ("ground", "recorded", "accepted", "since"),
    [
        (Ground.LAW, 3, None, 3),
        (Ground.LAW, 3, 7, 3),
        (Ground.AGREEMENT, 3, None, None),
        (Ground.AGREEMENT, 3, 7, 7),
        (Ground.AGREEMENT, 7, 3, 7),
    ],
)
def test_an_agreement_binds_once_it_is_accepted(
    ground: Ground, recorded: Instant, accepted: Instant | None, since: Instant | None
) -> None:
    assert bound_since(ground, recorded, accepted) == since
