"""Sweeping old notices: in batches, and without making them again."""

import pytest

from api.db.models import NodeRow, NoticeRow
from api.notices import notice_job as module
from api.notices import repository
from api.notices.notice_job import SWEEP_S
from api.notices.repository import KEPT_S
from tests.unit.api.conftest import Plane, on_both_databases
from tests.unit.api.notices.support import DAY_S, notifier, rows

FACTS = {"nodes": ["a"], "site": "b", "all": True}


def _add(plane: Plane, key: str, made_s: int, *, sent: bool = False, waiting: bool = False) -> None:
    row = NoticeRow(key=key, kind="node_back", authority=None, facts=FACTS, made_s=made_s, tries=1)
    row.sent_s = made_s if sent else None
    row.next_try_s = made_s + DAY_S if waiting else None
    with plane.database.writing() as session:
        session.add(row)


def _keys(plane: Plane) -> list[str]:
    return [row.key for row in rows(plane)]


@on_both_databases
def test_notices_sent_or_given_up_are_deleted_after_90_days(plane: Plane) -> None:
    job = notifier(plane)
    job.look()
    now_s = int(plane.clock.now)
    old_s = now_s - KEPT_S + int(SWEEP_S)
    _add(plane, "sent", old_s, sent=True)
    _add(plane, "failed", old_s)
    _add(plane, "waiting", old_s, waiting=True)
    _add(plane, "younger", old_s + 1, sent=True)
    plane.clock.now += SWEEP_S - 1
    job.look()
    assert _keys(plane) == ["sent", "failed", "waiting", "younger"], (
        "this process does not know yet which notices are due"
    )
    plane.clock.now += 1
    job.look()
    assert _keys(plane) == ["waiting", "younger"]
    plane.clock.now += SWEEP_S - 1
    job.look()
    assert _keys(plane) == ["waiting", "younger"], "once an hour"
    plane.clock.now += 1
    job.look()
    assert _keys(plane) == ["waiting"]
    with plane.database.reading() as session:
        assert repository.beginning(session) == now_s


def test_notices_still_due_are_neither_deleted_nor_made_again(plane: Plane) -> None:
    job = notifier(plane, to=("installation@example.org",))
    job.look()
    with plane.database.writing() as session:
        now_s = int(plane.clock.now)
        session.add(NodeRow(name="a", site="default", registered_s=now_s, enrolled_s=now_s, seen_s=now_s, revision=1))
    plane.clock.now += 601
    assert job.look() == 1
    (silent,) = rows(plane)
    with plane.database.writing() as session:
        session.get_one(NoticeRow, silent.number).next_try_s = None
    for _ in range(2):
        plane.clock.now += KEPT_S
        assert job.look() == 0
    assert _keys(plane) == [silent.key]
    with plane.database.writing() as session:
        session.get_one(NodeRow, 1).removed_s = int(plane.clock.now)
    plane.clock.now += SWEEP_S
    job.look()
    assert rows(plane) == []


def test_sweep_deletes_at_most_its_limit_and_does_not_count_needed_notices(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SWEPT", 2)
    monkeypatch.setattr(module, "ROWS", 1)
    for number in range(5):
        _add(plane, f"{number}", 0, sent=True)
    with plane.database.reading() as session:
        assert repository.expired(session, 0, {"0", "1", "3"}, 2) == [3, 5]
    job = notifier(plane)
    job.look()
    for left in (["2", "3", "4"], ["4"], []):
        plane.clock.now += SWEEP_S
        job.look()
        assert _keys(plane) == left
