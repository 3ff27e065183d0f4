"""Work in the background goes on after any error, which is logged once, and ends when it is asked to."""

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from api.checkpoints import checkpoint_job
from api.db.exclusive import Turn
from api.db.models import PublicationRow
from api.delivery.destinations import FilePlace
from api.jobs import Job
from api.nodes.last_reports import LastReports
from api.publish import in_force_log
from api.tls.certificates import Certificate
from dnsfilter.errors import UnavailableError
from tests.support.audit_records import KEY
from tests.support.certificates import Authority
from tests.support.nodes import eventually
from tests.unit.api.conftest import Plane


def _raises(*errors: type[Exception]) -> Callable[[], None]:
    left = list(errors)

    def work() -> None:
        raise left.pop(0)("unforeseen")

    return work


def test_what_is_done_is_given_back_and_an_error_is_not() -> None:
    checkpoint_job = Job("one", lambda: None)
    assert checkpoint_job.attempt(lambda: 3) == 3
    assert checkpoint_job.attempt(_raises(KeyError)) is None


def test_each_kind_is_told_once_with_where_it_was_raised(caplog: pytest.LogCaptureFixture) -> None:
    checkpoint_job = Job("one", lambda: None)
    for work in (_raises(KeyError, KeyError, ValueError), lambda: [][1]):
        for _ in range(3):
            checkpoint_job.attempt(work)
    told = [record.exc_info[0].__name__ for record in caplog.records if record.exc_info and record.exc_info[0]]
    assert told == ["KeyError", "ValueError", "IndexError"]


def test_what_ends_the_process_is_not_held_up() -> None:
    def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Job("one", work).attempt(work)


def test_work_is_done_every_so_often_until_the_job_stops() -> None:
    done: list[int] = []
    checkpoint_job = Job("one", lambda: done.append(1), every_s=0.001)
    checkpoint_job.start()
    assert eventually(lambda: len(done) > 2)
    assert checkpoint_job.stop()
    count = len(done)
    assert checkpoint_job.pause(0.05)
    assert len(done) == count


def test_without_an_interval_only_who_wakes_it_has_it_done() -> None:
    done: queue.Queue[int] = queue.Queue()
    checkpoint_job = Job("one", lambda: done.put(1))
    checkpoint_job.start()
    checkpoint_job.wake()
    assert done.get(timeout=30) == 1
    assert checkpoint_job.stop()
    assert done.empty()


def test_what_is_left_is_done_at_the_end() -> None:
    done: list[int] = []
    checkpoint_job = Job("one", lambda: done.append(1), is_done_at_end=True)
    checkpoint_job.start()
    assert checkpoint_job.stop()
    assert done == [1]


def test_a_job_that_was_never_started_can_be_stopped() -> None:
    assert Job("one", lambda: None).stop()


@pytest.mark.parametrize("fails", [lambda: False, _raises(*[KeyError] * 5)], ids=["says so", "raises"])
def test_what_fails_is_done_again_after_pauses_that_double_up_to_the_longest(
    fails: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("api.jobs.sleep_using_event", lambda _event: pauses.append)
    done = threading.Event()

    def work() -> object:
        if len(pauses) < 5:
            return fails()
        done.set()
        return True

    checkpoint_job = Job("one", work, retry_s=(1.0, 6.0))
    checkpoint_job.wake()
    checkpoint_job.start()
    assert done.wait(timeout=30)
    assert checkpoint_job.stop()
    for pause_s, least_s in zip(pauses, (1.0, 2.0, 4.0, 6.0, 6.0), strict=True):
        assert least_s <= pause_s <= least_s + 0.1


def test_who_waits_to_try_again_ends_at_once_and_tries_no_more() -> None:
    tried = threading.Event()
    tries: list[int] = []

    def work() -> bool:
        tries.append(1)
        tried.set()
        return False

    checkpoint_job = Job("one", work, retry_s=(3600.0, 3600.0))
    checkpoint_job.wake()
    checkpoint_job.start()
    assert tried.wait(timeout=30)
    assert checkpoint_job.stop(within_s=30)
    assert tries == [1]


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
    for name in (
        "api.nodes.last_reports.LOOK_S",
        "api.tls.certificates.LOOK_S",
        "api.db.exclusive.LOOK_S",
        "api.checkpoints.checkpoint_job.LOOK_S",
    ):
        monkeypatch.setattr(name, 0.01)
    for name in ("api.publish.service.FIRST_RETRY_S", "api.publish.in_force_log.FIRST_RETRY_S"):
        monkeypatch.setattr(name, 0.01)
    monkeypatch.setattr("api.checkpoints.checkpoint_job.INTERVAL_S", 0)
    return monkeypatch


def _told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.exc_info]


ONCE = ["unexpected error, going on"]


def test_what_nodes_report_is_written_on(
    plane: Plane, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reports = LastReports(plane.database, plane.clock)
    broken = _Broken(patch, reports, "settle")
    reports.start()
    assert broken.goes_on()
    reports.stop()
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
    broken = _Broken(patch, in_force_log, "_last")
    town.publisher.start()
    revision = town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})["revision"]
    assert broken.goes_on()
    town.publisher.stop()
    with town.database.reading() as session:
        assert session.scalar(select(func.max(PublicationRow.revision))) == revision
    assert _told(caplog) == ONCE


def test_checkpoints_are_made_on(plane: Plane, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    broken = _Broken(patch, checkpoint_job, "make_checkpoint")
    made = checkpoint_job.CheckpointJob(plane.database, KEY, (), plane.clock)
    made.start()
    assert broken.goes_on()
    made.stop()
    assert _told(caplog) == ONCE


def test_checkpoints_are_delivered_on(
    plane: Plane, tmp_path: Path, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _Broken(patch, checkpoint_job, "deliver")
    made = checkpoint_job.CheckpointJob(plane.database, KEY, (FilePlace(tmp_path / "held"),), plane.clock)
    made.make()
    assert [made.settle(), made.settle()] == [False, True]
    assert [(place.failures, place.undelivered) for place in made.status()] == [(1, 0)]
    assert _told(caplog) == ONCE
