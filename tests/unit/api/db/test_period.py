"""The period of a row and its SQL form agree at every instant."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from api.db.models import BindingRow, ExemptionRow, SuspensionRow, TermRow
from dnsfilter.policy.intervals import FOREVER
from tests.fuzz.examples import examples
from tests.unit.api.conftest import on_both_databases

pytestmark = pytest.mark.heavy

AT = 10
_instants = st.integers(AT - 2, AT + 2)
_maybe = st.none() | _instants


def _term(start: int, end: int | None, ended: int | None, recorded: int, **_: Any) -> TermRow:
    return TermRow(ban=1, start_s=start, end_s=end, ended_s=ended, recorded_s=recorded, decision={})


def _binding(
    start: int, end: int | None, ended: int | None, recorded: int, given_s: int | None, ground: str
) -> BindingRow:
    row = BindingRow(ban=1, authority="town", ground=ground, instrument="", date="", revision=1)
    row.start_s, row.end_s, row.ended_s, row.recorded_s, row.accepted_s = start, end, ended, recorded, given_s
    return row


def _exemption(start: int, end: int | None, ended: int | None, given_s: int | None, **_: Any) -> ExemptionRow:
    row = ExemptionRow(ban=1, site="default", ranges=[], hours=[], time_zone="UTC", reason="", requested_by=0)
    row.start_s, row.end_s, row.revoked_s = start, start + 1 if end is None else end, ended
    row.requested_s, row.approved_s, row.revision = 0, given_s, 1
    return row


def _suspension(start: int, end: int | None, ended: int | None, **_: Any) -> SuspensionRow:
    row = SuspensionRow(authority=None, start_s=start, reason="", recorded_by=0, revision=1)
    row.end_s, row.ended_s = max(start + 1, start if end is None else end), ended
    return row


_drawn = st.fixed_dictionaries(
    {
        "start": _instants,
        "end": _maybe,
        "ended": _maybe,
        "recorded": _instants,
        "given_s": _maybe,
        "ground": st.sampled_from(["law", "agreement"]),
    }
)


@on_both_databases
@pytest.mark.parametrize("make", [_term, _binding, _exemption, _suspension])
@examples(60)
@given(drawn=st.lists(_drawn, min_size=1, max_size=8))
def test_sql_periods_agree_with_periods(unlinked: Engine, make: Any, drawn: Sequence[dict[str, Any]]) -> None:
    with Session(unlinked) as session:
        rows = [make(**one) for one in drawn]
        session.add_all(rows)
        session.flush()
        kind, key = type(rows[0]), type(rows[0]).__mapper__.primary_key[0]
        sql = kind.sql_period()

        def selected(condition: Any) -> set[int]:
            return set(session.scalars(select(key).where(condition)))

        def expected(name: str) -> set[int]:
            return {getattr(row, key.key) for row in rows if getattr(row.period, name)(AT)}

        assert selected(sql.holds(AT)) == expected("holds")
        assert selected(sql.covers(AT)) == expected("covers")
        assert selected(sql.is_ahead(AT)) == expected("is_ahead")
        assert selected(sql.has_ended(AT)) == expected("has_ended")
        assert selected(~sql.has_ended(AT)) == {getattr(row, key.key) for row in rows} - expected("has_ended")
        assert selected(sql.is_void) == {getattr(row, key.key) for row in rows if row.period.is_void}
        ends: dict[int, int] = dict(session.execute(select(key, sql.end)).all())
        assert ends == {getattr(row, key.key): FOREVER if row.period.end is None else row.period.end for row in rows}
