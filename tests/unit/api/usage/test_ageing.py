"""Old usage is deleted in small transactions, and a failed deletion is tried again soon."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from api.db.models import UsageDayRow
from api.db.session import Database
from api.usage import ageing, intake
from tests.unit.api.conftest import START, Plane, on_both_databases
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.usage.conftest import batch, count

YEAR_S = 366 * 86_400


def _days(plane: Plane) -> int:
    with plane.database.reading() as session:
        return session.scalar(select(func.count()).select_from(UsageDayRow)) or 0


@on_both_databases
def test_one_transaction_deletes_few_rows_and_lets_acts_go_first(
    node: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ageing, "ROWS", 2)
    kinds = [
        {"service": service, "result": result} for service in ("alpha", "beta") for result in ("refused", "monitored")
    ]
    node.use(batch([count(5, **kind) for kind in kinds] + [count(5, ban_authority="zone")]))
    asked: list[bool] = []
    left: list[int] = []
    writing = Database.writing

    @contextmanager
    def watched(self: Database, **options: Any) -> Iterator[Session]:
        with writing(self, **options) as session:
            yield session
        asked.append(options.get("is_background", False))
        left.append(_days(node.plane))

    monkeypatch.setattr(Database, "writing", watched)
    assert ageing.age(node.plane.database, START + 4 * YEAR_S) == 5
    assert left == [3, 1, 0]
    assert all(asked)


def test_nothing_is_written_if_nothing_is_old(node: Machine) -> None:
    node.use(batch([count()]))
    with node.plane.database.writing():
        assert ageing.age(node.plane.database, START) == 0


def test_failed_deletion_is_tried_again_in_minutes(node: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = node.plane.app.state.fleet.usage
    calls: list[int] = []

    def age(_database: Database, now_s: int) -> int:
        calls.append(now_s)
        if len(calls) == 1:
            raise OperationalError("DELETE", {}, Exception("disk full"))
        return 7

    monkeypatch.setattr(intake, "age", age)
    with pytest.raises(OperationalError):
        usage.sweep()
    results = []
    for seconds in (intake.RETRY_S - 1, 1, ageing.SWEEP_S - 1, 1):
        node.plane.clock.now += seconds
        results.append(usage.sweep())
    assert results == [0, 7, 0, 7]
    assert intake.RETRY_S <= 600
