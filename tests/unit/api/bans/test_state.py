"""The state of a row and the state that a query selects agree at every instant."""

from dataclasses import dataclass
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from api.bans.schemas import State
from api.bans.state import due, in_state, mode_setting_at, quoted_term, reference_in, sql_mode_at, state_of
from api.db.models import BanRow, SuspensionRow, TermRow
from api.publish.policy_rows import ban_value
from api.suspensions.repository import suspended
from api.suspensions.state import is_suspended
from dnsfilter.policy.decide import held_term
from dnsfilter.policy.extended_error import quoted_reference
from dnsfilter.policy.model import Mode
from tests.fuzz.examples import examples
from tests.unit.api.conftest import START, Plane, on_both_databases

DAY = 86_400
OFFSETS = (-40 * DAY, -1, 0, 1, DAY, 10 * DAY, 29 * DAY, 30 * DAY, 30 * DAY + 1, 31 * DAY, 90 * DAY)
"""Offsets from now around changes of state, so that drawn terms often touch and overlap."""


@dataclass(frozen=True)
class Drawn:
    """A term, as offsets from now."""

    start: int
    end: int | None
    review: int | None
    ended: int | None
    recorded: int = -DAY


_Mode: TypeAlias = tuple[str, int | None, str | None]
"""A mode, the end of being off as an offset from now, and the mode that returns."""
_modes: st.SearchStrategy[_Mode] = st.sampled_from(
    [("enforce", None, None), ("off", None, None), ("off", None, "enforce")]
    + [("off", end, returns) for end in (-1, 0, 1) for returns in ("enforce", "monitor")]
)
_offsets = st.sampled_from(OFFSETS)
_maybe = st.none() | _offsets
_recorded = st.sampled_from((-DAY, -1, 0, 1, 10 * DAY))
"""Later than now if the clock was ahead and then set back."""
_terms = st.lists(st.builds(Drawn, _offsets, _maybe, _maybe, _maybe, _recorded), max_size=4)
_suspensions = st.lists(st.tuples(st.sampled_from([None, "town", "zone"]), _offsets, _offsets, _maybe), max_size=2)


def _term(drawn: Drawn) -> TermRow:
    at = {name: None if offset is None else START + offset for name, offset in vars(drawn).items()}
    return TermRow(
        start_s=at["start"],
        end_s=at["end"],
        review_by_s=at["review"],
        recorded_s=START + drawn.recorded,
        decision={},
        ended_s=at["ended"],
        ended_reason="",
        ended_decision={},
    )


def _ban(authority: str, number: int, terms: list[Drawn], mode: _Mode) -> BanRow:
    row = BanRow(authority=authority, service=f"service{number}", mode=mode[0], reply="refused", addresses=[])
    row.off_until_s, row.returns_to = None if mode[1] is None else START + mode[1], mode[2]
    row.mode_set_s = START - number
    row.tiers, row.funding, row.audience, row.provisional = [1], ["public"], ["staff"], False
    row.decision, row.revision, row.terms, row.mode_reason = {}, 1, [_term(term) for term in terms], ""
    return row


def _state(row: BanRow, suspended: bool, mode: Mode) -> State:
    return state_of(row.terms, START, suspended=suspended, off=mode is Mode.OFF)


def _suspension(authority: str | None, start: int, length: int, ended: int | None) -> SuspensionRow:
    row = SuspensionRow(authority=authority, start_s=START + start, reason="a test", recorded_by=0, ended_reason="")
    row.end_s = row.start_s + 1 + abs(length)
    row.ended_s = None if ended is None else max(START + ended, row.start_s)
    row.revision = 1
    return row


# Made once: each takes longer to make than to ask.
_AMONG = BanRow.number.in_(bindparam("numbers", expanding=True))
OF_MODE = {mode: select(BanRow.number).where(_AMONG, sql_mode_at(START) == mode) for mode in Mode}
OF_STATE = {state: select(BanRow.number).where(_AMONG, in_state(state, START)) for state in State}


@on_both_databases
@examples(60)
@given(drawn=st.lists(st.tuples(_terms, _modes), min_size=1, max_size=6), suspensions=_suspensions)
def test_a_list_by_state_has_the_bans_that_are_in_it(
    town: Plane, drawn: list[tuple[list[Drawn], _Mode]], suspensions: list[tuple[str | None, int, int, int | None]]
) -> None:
    with Session(town.database.engine) as session:
        rows = [_ban(("town", "zone")[number % 2], number, *what) for number, what in enumerate(drawn)]
        session.add_all([*rows, *(_suspension(*suspension) for suspension in suspensions)])
        session.flush()
        now = suspended(session, START)
        modes = {row.number: mode_setting_at(row, START).mode for row in rows}
        states = {row.number: _state(row, is_suspended(row.authority, now), modes[row.number]) for row in rows}
        those = {"numbers": list(modes)}
        for mode in Mode:
            listed = set(session.scalars(OF_MODE[mode], those))
            assert listed == {number for number in modes if modes[number] is mode}, mode
        for state in State:
            wanted = {State.IN_FORCE, State.ENDING} if state is State.IN_FORCE else {state}
            listed = set(session.scalars(OF_STATE[state], those))
            assert listed == {number for number in states if states[number] in wanted}, state


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (Drawn(-DAY, 30 * DAY, None, None, 1), State.PLANNED),
        (Drawn(-DAY, None, 30 * DAY, None, 1), State.PLANNED),
        (Drawn(-DAY, 30 * DAY, None, 1, 1), State.LAPSED),
        (Drawn(-DAY, 30 * DAY, None, 2, 1), State.PLANNED),
        (Drawn(-DAY, 90 * DAY, None, None, 0), State.IN_FORCE),
    ],
)
def test_a_term_that_was_recorded_by_a_clock_that_was_ahead_waits(term: Drawn, expected: State) -> None:
    assert state_of([_term(term)], START, suspended=False, off=False) is expected


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ([Drawn(-DAY, 30 * DAY, None, None)], (30 * DAY, "end", 30)),
        ([Drawn(-DAY, 30 * DAY + 1, None, None)], None),
        ([Drawn(-DAY, 7 * DAY + 1, None, None)], (7 * DAY + 1, "end", 30)),
        ([Drawn(-DAY, 7 * DAY, None, None)], (7 * DAY, "end", 7)),
        ([Drawn(-DAY, DAY, None, None)], (DAY, "end", 1)),
        ([Drawn(-DAY, 90 * DAY, None, 2 * DAY)], (2 * DAY, "end", 7)),
        ([Drawn(-DAY, DAY, None, None), Drawn(DAY, 90 * DAY, None, None)], None),
        ([Drawn(-DAY, 2 * DAY, None, None), Drawn(DAY, 90 * DAY, None, None)], None),
        ([Drawn(-DAY, DAY, None, None), Drawn(DAY + 1, 90 * DAY, None, None)], (DAY, "end", 1)),
        ([Drawn(-DAY, DAY, None, None), Drawn(DAY, 9 * DAY, None, None)], (9 * DAY, "end", 30)),
        ([Drawn(-DAY, DAY, None, None), Drawn(DAY, None, 9 * DAY, None)], (9 * DAY, "review", 30)),
        ([Drawn(-DAY, DAY, None, None), Drawn(2 * DAY, None, 9 * DAY, None)], (DAY, "end", 1)),
        ([Drawn(-DAY, None, 9 * DAY, None)], (9 * DAY, "review", 30)),
        ([Drawn(-DAY, None, -1, None)], (-1, "review", 1)),
        ([Drawn(-DAY, None, 9 * DAY, None), Drawn(5 * DAY, None, 90 * DAY, None)], None),
        ([Drawn(-DAY, None, 9 * DAY, None), Drawn(0, 90 * DAY, None, None)], (9 * DAY, "review", 30)),
        ([Drawn(-DAY, None, 9 * DAY, None), Drawn(31 * DAY, None, 90 * DAY, None)], None),
        ([Drawn(-DAY, 90 * DAY, 9 * DAY, None)], (9 * DAY, "review", 30)),
        ([Drawn(-DAY, 9 * DAY, DAY, None)], (DAY, "review", 1)),
        ([Drawn(-DAY, 90 * DAY, -1, None)], None),
        ([Drawn(-DAY, 9 * DAY, -1, None)], (9 * DAY, "end", 30)),
        ([Drawn(-DAY, DAY, 9 * DAY, None)], (DAY, "end", 1)),
        ([Drawn(-DAY, None, 9 * DAY, DAY)], (DAY, "end", 1)),
        ([Drawn(DAY, 2 * DAY, None, None)], None),
        ([Drawn(-2 * DAY, 0, None, None)], None),
    ],
)
def test_a_ban_in_force_nears_its_end_or_its_review(terms: list[Drawn], expected: tuple[int, str, int] | None) -> None:
    found = due([_term(term) for term in terms], START)
    assert (None if found is None else (found.at - START, str(found.what), found.days)) == expected


@examples(200)
@given(_terms, st.permutations(range(4)))
def test_a_ban_in_force_quotes_the_term_that_its_policy_quotes(terms: list[Drawn], order: list[int]) -> None:
    row = _ban("town", 1, terms, ("enforce", None, None))
    for term, number in zip(row.terms, order, strict=False):
        term.id, term.decision = number, {"reference": f"decision {number}"}
    row.number, row.decision = 1, {"reference": "adoption"}
    value = ban_value(row)
    held = None if value is None else held_term(value.terms, START)
    if value is not None and held is not None:
        assert reference_in(row, quoted_term(row.terms, START)) == quoted_reference(value, held)


@pytest.mark.parametrize(
    ("terms", "quoted"),
    [
        ([Drawn(1, 9, None, None)], None),
        ([Drawn(-9, -5, None, None), Drawn(-4, -1, None, None)], 1),
        ([Drawn(-4, -1, None, None), Drawn(-9, -5, None, None)], 0),
        ([Drawn(-4, 9, None, None, recorded=-1), Drawn(-2, -1, None, None, recorded=-3)], 0),
        ([Drawn(-4, -1, None, -4), Drawn(1, 9, None, None)], None),
        ([Drawn(-4, 9, None, None, recorded=-1), Drawn(-9, 9, None, None, recorded=-1)], 0),
    ],
    ids=["ahead", "the last that was in force", "in any order", "in force", "never in force", "recorded together"],
)
def test_a_ban_quotes_the_latest_term_that_was_in_force(terms: list[Drawn], quoted: int | None) -> None:
    rows = [_term(term) for term in terms]
    for number, row in enumerate(rows):
        row.id = number
    found = quoted_term(rows, START)
    assert (None if found is None else found.id) == quoted
