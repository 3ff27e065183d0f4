"""Modes of a ban over time, from its acts."""

from typing import Any

import pytest

from api.db.models import AuditRow, TermRow
from api.report.timeline import ModeSpan, held, is_only_monitored, mode_spans, spans_in
from api.timestamps import timestamp_text
from dnsfilter.policy.model import Mode

WITHIN = (1_000, 9_000)


def act(seq: int, at: int, **after: Any) -> AuditRow:
    return AuditRow(seq=seq, time_s=at, account=7, before={}, after=after)


def term(start: int, end: int | None) -> TermRow:
    return TermRow(start_s=start, end_s=end, recorded_s=0, ended_s=None, ended_reason="")


def test_a_mode_lasts_until_the_next_act_that_sets_one() -> None:
    acts = [act(1, 500, mode="enforce"), act(2, 4_000, mode="monitor", mode_reason="a study"), act(3, 5_000, terms=[])]
    assert mode_spans(acts, WITHIN) == [
        ModeSpan(1_000, 4_000, Mode.ENFORCE, "", 1, 7),
        ModeSpan(4_000, 9_000, Mode.MONITOR, "a study", 2, 7),
    ]


def test_an_act_that_leaves_the_mode_as_it_was_begins_no_span() -> None:
    acts = [act(1, 500, mode="off", mode_reason="why"), act(2, 4_000, mode="off", mode_reason="why", tiers=[1])]
    assert mode_spans(acts, WITHIN) == [ModeSpan(1_000, 9_000, Mode.OFF, "why", 1, 7)]


def test_a_mode_that_is_off_for_a_time_returns_by_itself() -> None:
    off = {"mode": "off", "mode_reason": "a night", "off_until": timestamp_text(3_000), "returns_to": "enforce"}
    acts = [act(1, 500, mode="enforce"), act(2, 2_000, **off), act(3, 5_000, mode="enforce", reply="nxdomain")]
    assert mode_spans(acts, WITHIN) == [
        ModeSpan(1_000, 2_000, Mode.ENFORCE, "", 1, 7),
        ModeSpan(2_000, 3_000, Mode.OFF, "a night", 2, 7),
        ModeSpan(3_000, 9_000, Mode.ENFORCE, "", None, None),
    ]


def test_a_mode_that_an_act_sets_again_before_it_returns_does_not_return() -> None:
    off = {"mode": "off", "off_until": timestamp_text(3_000), "returns_to": "enforce"}
    acts = [act(1, 2_000, **off), act(2, 2_500, mode="monitor")]
    assert [(one.start, one.mode) for one in mode_spans(acts, WITHIN)] == [(2_000, Mode.OFF), (2_500, Mode.MONITOR)]


def test_modes_and_terms_outside_the_time_are_left_out() -> None:
    acts = [act(1, 100, mode="enforce"), act(2, 200, mode="off"), act(3, 9_000, mode="monitor")]
    assert [one.mode for one in mode_spans(acts, WITHIN)] == [Mode.OFF]
    assert held([term(0, 500), term(800, 2_000), term(2_000, 3_000), term(8_000, None)], WITHIN) == (
        (1_000, 3_000),
        (8_000, 9_000),
    )


def test_spans_of_a_mode_are_joined() -> None:
    spans = [
        ModeSpan(0, 10, Mode.OFF, "", 1, 7),
        ModeSpan(10, 20, Mode.MONITOR, "", 2, 7),
        ModeSpan(20, 30, Mode.OFF, "", 3, 7),
    ]
    assert spans_in(spans, Mode.OFF) == ((0, 10), (20, 30))
    assert spans_in(spans, Mode.OFF, Mode.MONITOR) == ((0, 30),)


@pytest.mark.parametrize(
    ("modes", "terms", "expected"),
    [
        (["monitor"], [term(0, None)], True),
        (["monitor", "off"], [term(0, None)], True),
        (["off"], [term(0, None)], False),
        (["monitor", "enforce"], [term(0, None)], False),
        (["monitor", "enforce"], [term(0, 2_000)], True),
        (["monitor"], [term(9_000, None)], False),
    ],
)
def test_a_ban_only_monitored_if_it_never_refused_while_a_term_was_in_force(
    modes: list[str], terms: list[TermRow], expected: bool
) -> None:
    spans = mode_spans([act(number, 2_000 * number, mode=mode) for number, mode in enumerate(modes)], WITHIN)
    assert is_only_monitored(terms, spans, WITHIN) == expected
