"""No thread in the background ends by an error: it is told once, and the work goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from api.audit import witness
from api.db.models import PublicationRow
from api.db.turn import Turn
from api.nodes.board import Board
from api.places import FilePlace
from api.publish import recorder
from api.steady import Steady
from api.tls import Certificate
from dnsfilter.errors import UnavailableError
from tests.support.certificates import Authority
from tests.support.nodes import eventually
from tests.support.records import KEY
from tests.unit.api.conftest import Plane


def _raises(*errors: type[Exception]) -> Callable[[], None]:
    left = list(errors)

    def work() -> None:
        raise left.pop(0)("unforeseen")

    return work


def test_what_is_done_is_given_back_and_an_error_is_not() -> None:
    assert Steady("one").attempt(lambda: 3) == 3
    assert Steady("one").attempt(_raises(KeyError)) is None


def test_each_kind_is_told_once_with_where_it_was_raised(caplog: pytest.LogCaptureFixture) -> None:
    steady = Steady("one")
    for work in (_raises(KeyError, KeyError, ValueError), lambda: [][1]):
        for _ in range(3):
            steady.attempt(work)
    told = [record.exc_info[0].__name__ for record in caplog.records if record.exc_info and record.exc_info[0]]
    assert told == ["KeyError", "ValueError", "IndexError"]


def test_what_ends_the_process_is_not_held_up() -> None:
    def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Steady("one").attempt(work)


class _Broken:
    """Stands for a method: its first call raises what nobody foresaw."""

    def __init__(self, patch: pytest.MonkeyPatch, where: object, name: str) -> None:
        self._real = getattr(where, name)
        self.calls = 0
        patch.setattr(where, name, self)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls == 1:
            raise KeyError("unforeseen")
        return self._real(*arguments, **options)

    def goes_on(self) -> bool:
        """Whether the thread has come back to it."""
        return eventually(lambda: self.calls > 1)


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No thread waits for long before it tries again."""
    for name in ("api.nodes.board.LOOK_S", "api.tls.LOOK_S", "api.db.turn.LOOK_S", "api.audit.witness.LOOK_S"):
        monkeypatch.setattr(name, 0.01)
    for name in ("api.publish.service.FIRST_RETRY_S", "api.publish.recorder.FIRST_RETRY_S"):
        monkeypatch.setattr(name, 0.01)
    monkeypatch.setattr("api.audit.witness.INTERVAL_S", 0)
    return monkeypatch


def _told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.exc_info]


ONCE = ["unexpected error, going on"]


def test_what_nodes_report_is_written_on(
    plane: Plane, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    board = Board(plane.database, plane.clock)
    broken = _Broken(patch, board, "settle")
    board.start()
    assert broken.goes_on()
    board.stop()
    assert _told(caplog) == ONCE


def test_a_certificate_is_looked_at_on(
    tmp_path: Path, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    Authority(tmp_path / "ca").issue(*files)
    used = Certificate(*files)
    broken = _Broken(patch, used, "renew")
    used.start()
    assert broken.goes_on()
    used.stop()
    assert _told(caplog) == ONCE


def test_whose_turn_it_is_is_looked_at_on(patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    turn = Turn("postgresql+psycopg://127.0.0.1:1/nobody")
    broken = _Broken(patch, turn, "take")
    turn.watch(lambda: None)
    assert broken.goes_on()
    turn.close()
    assert _told(caplog) == ONCE


def test_publishing_is_tried_on(town: Plane, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def full(_compiled: object) -> bool:
        raise UnavailableError("publish: no space left on device")

    with patch.context() as now:
        now.setattr(town.store, "publish", full)
        assert town.call("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"}).status_code == 503
    broken = _Broken(patch, town.publisher, "publish_current")
    town.publisher.start()
    assert broken.goes_on()
    assert eventually(lambda: town.publisher.status.revision == town.revision())
    town.publisher.stop()
    assert _told(caplog) == ONCE


def test_what_came_into_force_is_recorded_on(
    town: Plane, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = _Broken(patch, recorder, "_last")
    town.publisher.start()
    revision = town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})["revision"]
    assert broken.goes_on()
    town.publisher.stop()
    with town.database.reading() as session:
        assert session.scalar(select(func.max(PublicationRow.revision))) == revision
    assert _told(caplog) == ONCE


def test_checkpoints_are_made_on(plane: Plane, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    broken = _Broken(patch, witness, "make_checkpoint")
    made = witness.Witness(plane.database, KEY, (), plane.clock)
    made.start()
    assert broken.goes_on()
    made.stop()
    assert _told(caplog) == ONCE


def test_checkpoints_are_delivered_on(
    plane: Plane, tmp_path: Path, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _Broken(patch, witness, "deliver")
    made = witness.Witness(plane.database, KEY, (FilePlace(tmp_path / "held"),), plane.clock)
    made.make()
    assert [made.settle(), made.settle()] == [False, True]
    assert [(place.failures, place.undelivered) for place in made.status()] == [(1, 0)]
    assert _told(caplog) == ONCE
