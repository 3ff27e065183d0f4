"""Background jobs continue after any error, log it once, and end when asked to."""

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from api.audit import checkpoint_job
from api.db.exclusive import Turn
from api.db.models import PublicationRow
from api.delivery.destinations import FileDestination
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
        raise left.pop(0)("unexpected")

    return work


def test_attempt_returns_the_result_or_none_after_an_error() -> None:
    job = Job("one", lambda: None)
    assert job.attempt(lambda: 3) == 3
    assert job.attempt(_raises(KeyError)) is None


def test_each_type_and_line_of_an_error_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    job = Job("one", lambda: None)
    for work in (_raises(KeyError, KeyError, ValueError), lambda: [][1]):
        for _ in range(3):
            job.attempt(work)
    logged = [record.exc_info[0].__name__ for record in caplog.records if record.exc_info and record.exc_info[0]]
    assert logged == ["KeyError", "ValueError", "IndexError"]


def test_errors_that_end_the_process_are_passed_on() -> None:
    def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Job("one", work).attempt(work)


def test_work_is_repeated_at_the_interval_until_the_job_stops() -> None:
    done: list[int] = []
    job = Job("one", lambda: done.append(1), every_s=0.001)
    job.start()
    assert eventually(lambda: len(done) > 2)
    assert job.stop()
    count = len(done)
    assert job.pause(0.05)
    assert len(done) == count


def test_without_an_interval_only_wake_starts_the_work() -> None:
    done: queue.Queue[int] = queue.Queue()
    job = Job("one", lambda: done.put(1))
    job.start()
    job.wake()
    assert done.get(timeout=30) == 1
    assert job.stop()
    assert done.empty()


def test_the_work_is_done_once_more_at_the_end() -> None:
    done: list[int] = []
    job = Job("one", lambda: done.append(1), is_done_at_end=True)
    job.start()
    assert job.stop()
    assert done == [1]


def test_a_job_that_was_never_started_can_be_stopped() -> None:
    assert Job("one", lambda: None).stop()


@pytest.mark.parametrize("fails", [lambda: False, _raises(*[KeyError] * 5)], ids=["says so", "raises"])
def test_failed_work_is_retried_after_doubling_pauses(
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

    job = Job("one", work, retry_s=(1.0, 6.0))
    job.wake()
    job.start()
    assert done.wait(timeout=30)
    assert job.stop()
    for pause_s, least_s in zip(pauses, (1.0, 2.0, 4.0, 6.0, 6.0), strict=True):
        assert least_s <= pause_s <= least_s + 0.1


def test_stopping_ends_the_pause_before_a_retry() -> None:
    tried = threading.Event()
    attempts: list[int] = []

    def work() -> bool:
        attempts.append(1)
        tried.set()
        return False

    job = Job("one", work, retry_s=(3600.0, 3600.0))
    job.wake()
    job.start()
    assert tried.wait(timeout=30)
    assert job.stop(within_s=30)
    assert attempts == [1]


class _Broken:
    """Replaces a method: its first call raises an unexpected error."""

    def __init__(self, patch: pytest.MonkeyPatch, where: object, name: str) -> None:
        self._real = getattr(where, name)
        self.calls = 0
        patch.setattr(where, name, self)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls == 1:
            raise KeyError("unexpected")
        return self._real(*arguments, **options)

    def was_called_again(self) -> bool:
        """Return whether the thread called it again."""
        return eventually(lambda: self.calls > 1)


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Shorten the intervals and pauses of all threads."""
    for name in (
        "api.nodes.last_reports.LOOK_S",
        "api.tls.certificates.CHECK_INTERVAL_S",
        "api.db.exclusive.LOOK_S",
        "api.audit.checkpoint_job.LOOK_S",
    ):
        monkeypatch.setattr(name, 0.01)
    for name in ("api.publish.service.FIRST_RETRY_S", "api.publish.in_force_log.FIRST_RETRY_S"):
        monkeypatch.setattr(name, 0.01)
    monkeypatch.setattr("api.audit.checkpoint_job.INTERVAL_S", 0)
    return monkeypatch


def _logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.exc_info]


ONCE = ["unexpected error, continuing"]


def test_writing_node_reports_continues_after_an_error(
    plane: Plane, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reports = LastReports(plane.database, plane.clock)
    broken = _Broken(patch, reports, "store_due")
    reports.start()
    assert broken.was_called_again()
    reports.stop()
    assert _logged(caplog) == ONCE


def test_checking_a_certificate_continues_after_an_error(
    tmp_path: Path, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    Authority(tmp_path / "ca").issue(*files)
    used = Certificate(*files)
    broken = _Broken(patch, used, "reload")
    used.start()
    assert broken.was_called_again()
    used.stop()
    assert _logged(caplog) == ONCE


def test_checking_the_turn_continues_after_an_error(
    patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turn = Turn("postgresql+psycopg://127.0.0.1:1/nobody")
    broken = _Broken(patch, turn, "take")
    turn.watch(lambda: None)
    assert broken.was_called_again()
    turn.close()
    assert _logged(caplog) == ONCE


def test_publishing_continues_after_an_error(
    town: Plane, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_compiled: object) -> bool:
        raise UnavailableError("publish: no space left on device")

    with patch.context() as now:
        now.setattr(town.store, "publish", full)
        assert town.call("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"}).status_code == 503
    broken = _Broken(patch, town.publisher, "publish_current")
    town.publisher.start()
    assert broken.was_called_again()
    assert eventually(lambda: town.publisher.status.revision == town.revision())
    town.publisher.stop()
    assert _logged(caplog) == ONCE


def test_recording_publications_continues_after_an_error(
    town: Plane, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = _Broken(patch, in_force_log, "_last")
    town.publisher.start()
    revision = town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})["revision"]
    assert broken.was_called_again()
    town.publisher.stop()
    with town.database.reading() as session:
        assert session.scalar(select(func.max(PublicationRow.revision))) == revision
    assert _logged(caplog) == ONCE


def test_making_checkpoints_continues_after_an_error(
    plane: Plane, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = _Broken(patch, checkpoint_job, "make_checkpoint")
    made = checkpoint_job.CheckpointJob(plane.database, KEY, (), plane.clock)
    made.start()
    assert broken.was_called_again()
    made.stop()
    assert _logged(caplog) == ONCE


def test_delivering_checkpoints_continues_after_an_error(
    plane: Plane, tmp_path: Path, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _Broken(patch, checkpoint_job, "deliver")
    made = checkpoint_job.CheckpointJob(plane.database, KEY, (FileDestination(tmp_path / "held"),), plane.clock)
    made.make()
    assert [made.send_missing(), made.send_missing()] == [False, True]
    assert [(one.failures, one.undelivered) for one in made.status()] == [(1, 0)]
    assert _logged(caplog) == ONCE
