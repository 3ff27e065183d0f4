"""When suspensions without a break began, for many suspensions at once."""

import random
from collections.abc import Sequence

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from api.db.models import SuspensionRow
from api.http.pagination import Paging
from api.suspensions.repository import page, unbroken_since
from api.suspensions.state import finish
from tests.unit.api.conftest import START, on_both_databases

AUTHORITIES = (None, "town", "zone")


def _row(authority: str | None, start: int, end: int, ended: int | None = None) -> SuspensionRow:
    return SuspensionRow(
        authority=authority,
        start_s=start,
        end_s=end,
        reason="for a test",
        recorded_by=1,
        ended_s=ended,
        ended_by=None,
        ended_reason="",
        revision=1,
    )


def _kept(session: Session, rows: Sequence[SuspensionRow]) -> Sequence[SuspensionRow]:
    session.add_all(rows)
    session.flush()
    return page(session, START, None, None, Paging(200, None))[0]


def _plainly(row: SuspensionRow, rows: Sequence[SuspensionRow]) -> int:
    """Return the start by the definition: go back step by step to what lasted until here."""
    since = row.start_s
    while earlier := [
        other.start_s
        for other in rows
        if other.authority in (None, row.authority) and other.start_s < since <= finish(other)
    ]:
        since = min(earlier)
    return since


@pytest.mark.parametrize("seed", range(8))
def test_unbroken_since_matches_the_step_by_step_definition(unlinked: Engine, seed: int) -> None:
    chance = random.Random(seed)
    rows = []
    for _ in range(60):
        start = START - chance.choice((1, 24, 24 * 30)) * chance.randrange(3600)
        end = start + chance.randrange(60, 4 * 3600)
        ended = chance.choice((None, None, start - chance.choice((0, 1, 900)), chance.randrange(start, end)))
        rows.append(_row(chance.choice(AUTHORITIES), start, end, ended))
    with Session(unlinked) as session:
        listed = _kept(session, rows)
        assert unbroken_since(session, listed) == {row.number: _plainly(row, rows) for row in listed}
        for row in listed[:5]:
            assert unbroken_since(session, [row]) == {row.number: _plainly(row, rows)}


@on_both_databases
def test_a_stretch_of_days_of_short_ones_takes_few_queries(unlinked: Engine) -> None:
    queries: list[str] = []
    event.listen(unlinked, "before_cursor_execute", lambda *arguments: queries.append(arguments[2]))
    with Session(unlinked) as session:
        listed = _kept(
            session, [_row("town", START - 120 * at, START - 120 * at + 120) for at in reversed(range(3000))]
        )
        queries.clear()
        since = unbroken_since(session, listed)
    assert set(since.values()) == {START - 120 * 2999}
    assert len(queries) <= 4


def test_nothing_is_asked_for_an_empty_page(unlinked: Engine) -> None:
    with Session(unlinked) as session:
        assert unbroken_since(session, []) == {}
