"""The state of an exemption and the state that a query selects agree at every instant."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, Engine, create_engine, select
from sqlalchemy.orm import Session

from api.db.base import Base
from api.db.models import ExemptionRow
from api.exemptions.schemas import ExemptionState
from api.exemptions.state import APPROVED, LIVE, exemption_end, exemption_state, in_state, is_approved, is_live
from tests.fuzz.examples import examples

AT = 10


@dataclass(frozen=True)
class Drawn:
    """The instants of an exemption."""

    start: int
    lasts: int
    approved: int | None = None
    rejected: int | None = None
    revoked: int | None = None


def _row(drawn: Drawn) -> ExemptionRow:
    row = ExemptionRow(ban=1, site="default", ranges=[], hours=[], time_zone="UTC", reason="", requested_by=0)
    row.start_s, row.end_s, row.requested_s, row.revision = drawn.start, drawn.start + drawn.lasts, 0, 1
    row.approved_s, row.rejected_s, row.revoked_s = drawn.approved, drawn.rejected, drawn.revoked
    return row


@pytest.fixture(scope="module")
def engine() -> Engine:
    made = create_engine("sqlite://")
    Base.metadata.create_all(made)
    return made


_instants = st.integers(AT - 2, AT + 2)
_decided = st.none() | _instants
_drawn = st.builds(Drawn, _instants, st.integers(1, 3), _decided, st.none(), _decided) | st.builds(
    Drawn, _instants, st.integers(1, 3), st.none(), _instants
)


@examples(100)
@given(drawn=st.lists(_drawn, min_size=1, max_size=8))
def test_a_list_by_state_has_the_exemptions_that_are_in_it(engine: Engine, drawn: list[Drawn]) -> None:
    with Session(engine) as session:
        rows = [_row(one) for one in drawn]
        session.add_all(rows)
        session.flush()
        states = {row.number: exemption_state(row, AT) for row in rows}
        conditions: list[tuple[tuple[ExemptionState, ...], ColumnElement[bool]]] = [
            *(((state,), in_state(state, AT)) for state in ExemptionState),
            (LIVE, is_live(AT)),
            (APPROVED, is_approved(AT)),
        ]
        for wanted, condition in conditions:
            listed = set(session.scalars(select(ExemptionRow.number).where(condition)))
            assert listed == {number for number in states if states[number] in wanted}, wanted


@pytest.mark.parametrize(
    ("drawn", "state", "end"),
    [
        (Drawn(8, 4), ExemptionState.REQUESTED, 12),
        (Drawn(8, 4, approved=9), ExemptionState.IN_FORCE, 12),
        (Drawn(11, 4, approved=9), ExemptionState.PLANNED, 15),
        (Drawn(8, 4, approved=9, revoked=11), ExemptionState.IN_FORCE, 11),
        (Drawn(8, 4, approved=9, revoked=10), ExemptionState.REVOKED, 10),
        (Drawn(8, 4, revoked=10), ExemptionState.REVOKED, 10),
        (Drawn(8, 4, rejected=9), ExemptionState.REJECTED, 12),
        (Drawn(8, 2, approved=9), ExemptionState.LAPSED, 10),
        (Drawn(8, 2), ExemptionState.LAPSED, 10),
        # Approved by a clock that was ahead and then set back: it has no effect yet, as for nodes.
        (Drawn(8, 4, approved=11), ExemptionState.PLANNED, 12),
    ],
)
def test_its_state_and_its_end_follow_from_what_was_decided(drawn: Drawn, state: ExemptionState, end: int) -> None:
    assert (exemption_state(_row(drawn), AT), exemption_end(_row(drawn))) == (state, end)
