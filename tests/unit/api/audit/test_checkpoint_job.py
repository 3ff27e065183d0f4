"""Making checkpoints regularly, and sending them with retries."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from api.audit import checkpoint_job as module
from api.audit.checkpoint_job import INTERVAL_S, CheckpointJob, DestinationStatus
from api.chain.checkpoint import parse_checkpoint
from api.db.integrity import Integrity
from api.db.models import CheckpointRow
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.db.unusable import Unusable
from api.delivery.destinations import Destination, FileDestination, MailDestination
from api.delivery.sending import deliver
from api.server.metrics.collectors import Scraped, checkpoints
from dnsfilter.telemetry.logs import KeyValueFormatter
from tests.support.audit_records import KEY, OTHER_KEY
from tests.support.mail_and_syslog import mail_server
from tests.support.nodes import eventually
from tests.unit.api.conftest import START, Plane


def _made_job(plane: Plane, *destinations: Destination) -> CheckpointJob:
    return CheckpointJob(plane.database, KEY, destinations, plane.clock)


def _note(plane: Plane) -> None:
    with plane.database.writing() as session:
        UnitOfWork(session, LOCAL, int(plane.clock())).note("example", "thing", None, None)


def _numbers(lines: Sequence[bytes]) -> list[int]:
    return [parse_checkpoint(line).statement.number for line in lines]


def _file(path: Path) -> list[int]:
    return _numbers(path.read_bytes().splitlines()) if path.exists() else []


def _kept(plane: Plane) -> list[tuple[int, list[str]]]:
    with plane.database.reading() as session:
        rows = session.scalars(select(CheckpointRow).order_by(CheckpointRow.number))
        return [(row.number, row.delivered) for row in rows]


def _wait(path: Path, count: int) -> None:
    for _ in range(3000):
        if len(_file(path)) >= count:
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} has {len(_file(path))} checkpoints, not {count}")


@contextmanager
def _started(job: CheckpointJob) -> Iterator[None]:
    job.start()
    try:
        yield
    finally:
        job.stop()


def test_checkpoint_is_made_only_for_new_entries_and_after_an_hour(plane: Plane) -> None:
    job = _made_job(plane)
    job.make_if_new(after_s=INTERVAL_S)
    assert len(_kept(plane)) == 1, "the first is made immediately"
    plane.clock.now += 10 * INTERVAL_S
    job.make_if_new(after_s=INTERVAL_S)
    assert len(_kept(plane)) == 1, "no checkpoint without a new entry"
    _note(plane)
    job.make_if_new(after_s=INTERVAL_S)
    assert len(_kept(plane)) == 2
    _note(plane)
    plane.clock.now += INTERVAL_S - 1
    job.make_if_new(after_s=INTERVAL_S)
    assert len(_kept(plane)) == 2
    plane.clock.now += 1
    job.make_if_new(after_s=INTERVAL_S)
    assert len(_kept(plane)) == 3


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET object = 'altered' WHERE seq = 2",
        "DELETE FROM audit WHERE seq > 1",
        "UPDATE audit SET hash = previous WHERE seq = (SELECT seq FROM checkpoints)",
    ],
    ids=["an old entry is altered", "entries are missing", "the signed entry is another one"],
)
def test_no_checkpoint_is_signed_over_damage(plane: Plane, change: str, caplog: pytest.LogCaptureFixture) -> None:
    job, integrity = _made_job(plane), Integrity(plane.database, accepted=False)
    for _ in range(3):
        _note(plane)
    job.make()
    with plane.database.engine.begin() as connection:
        for trigger in ("audit_update", "audit_delete"):
            connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql(change)
    with pytest.raises(Unusable, match="the database is damaged: entry"):
        job.make()
    job.make_if_new()
    assert len(_kept(plane)) == 1
    assert integrity.damage is not None
    assert "no act is accepted" in caplog.text


def test_the_hourly_checkpoint_checks_entries_of_any_age(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUICK_ENTRIES", 1)
    job, integrity = _made_job(plane), Integrity(plane.database, accepted=False)
    for _ in range(5):
        _note(plane)
    job.make()
    with plane.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_update")
        connection.exec_driver_sql("UPDATE audit SET object = 'altered' WHERE seq = 2")
    _note(plane)
    assert not job.make_if_new(after_check=True)
    assert len(_kept(plane)) == 1
    assert (integrity.damage or "").startswith("entry 2 does not follow entry 1")


def test_clock_set_back_does_not_delay_a_checkpoint(plane: Plane) -> None:
    job = _made_job(plane)
    job.make()
    _note(plane)
    plane.clock.now -= 30 * 86_400
    job.make_if_new(after_s=INTERVAL_S)
    assert len(_kept(plane)) == 2


def test_another_key_signs_at_once(plane: Plane) -> None:
    _made_job(plane).make()
    CheckpointJob(plane.database, OTHER_KEY, (), plane.clock).make_if_new(after_s=INTERVAL_S)
    assert len(_kept(plane)) == 2


def test_each_destination_gets_each_checkpoint_once_and_in_order(plane: Plane, tmp_path: Path) -> None:
    path = tmp_path / "held"
    with mail_server() as mailbox:
        mail = MailDestination("127.0.0.1", mailbox.port, False, "dns@example.org", ("record@example.org",))
        job = _made_job(plane, FileDestination(path), mail)
        for _ in range(3):
            _note(plane)
            job.make()
            assert job.send_missing()
        assert job.send_missing()
        assert (_file(path), _numbers(mailbox.lines)) == ([1, 2, 3], [1, 2, 3])
    assert _kept(plane) == [(number, ["file", "mail"]) for number in (1, 2, 3)]


def test_failed_checkpoints_are_sent_later_together_with_newer_ones(plane: Plane, tmp_path: Path) -> None:
    path = tmp_path / "held"
    with mail_server() as mailbox:
        mail = MailDestination("127.0.0.1", mailbox.port, False, "dns@example.org", ("record@example.org",))
        job = _made_job(plane, FileDestination(path), mail)
        job.make()
        assert job.send_missing()
        mailbox.refusing = True
        for _ in range(2):
            _note(plane)
            job.make()
            assert not job.send_missing()
        assert _kept(plane) == [(1, ["file", "mail"]), (2, ["file"]), (3, ["file"])]
        plane.clock.now += 60
        assert job.status() == [DestinationStatus("file", 0, 0, 60), DestinationStatus("mail", 2, 2, 60)]
        mailbox.refusing = False
        # A new process reads from the database what is missing.
        assert _made_job(plane, FileDestination(path), mail).send_missing()
        assert len(mailbox.received) == 2
        assert (_file(path), _numbers(mailbox.lines)) == ([1, 2, 3], [1, 2, 3])


def test_pauses_grow_while_a_destination_fails(plane: Plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "away" / "held"
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            path.parent.mkdir()

    monkeypatch.setattr("api.jobs.sleep_using_event", lambda _event: sleep)
    job = _made_job(plane, FileDestination(path))
    with _started(job):
        _wait(path, 1)
        assert job.status()[0].failures == 4
    for pause_s, least_s in zip(pauses, (5, 10, 20, 40), strict=True):
        assert least_s <= pause_s <= least_s + 0.5
    assert _file(path) == [1]


def test_new_destination_gets_the_newest_checkpoint_and_later_ones(plane: Plane, tmp_path: Path) -> None:
    first = _made_job(plane)
    for _ in range(3):
        _note(plane)
        first.make()
    path = tmp_path / "held"
    job = _made_job(plane, FileDestination(path))
    assert [status.undelivered for status in job.status()] == [1]
    assert job.send_missing()
    assert _file(path) == [3]


def test_thread_makes_a_checkpoint_at_its_start_at_its_end_and_on_request(plane: Plane, tmp_path: Path) -> None:
    path = tmp_path / "held"
    job = _made_job(plane, FileDestination(path))
    with _started(job):
        _wait(path, 1)
        _note(plane)
        job.make()
        _wait(path, 2)
        _note(plane)
    assert _file(path) == [1, 2, 3]


def test_hanging_destination_delays_neither_the_others_nor_stopping(
    plane: Plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked, answers = threading.Event(), threading.Event()

    def hanging(destination: Destination, installation: str, lines: Sequence[str]) -> None:
        if isinstance(destination, FileDestination):
            # Like open(2) on a mount whose server is gone.
            asked.set()
            answers.wait()
        deliver(destination, installation, lines)

    monkeypatch.setattr(module, "deliver", hanging)
    monkeypatch.setattr(module, "STOP_S", 2.0)
    with mail_server() as mailbox:
        mail = MailDestination("127.0.0.1", mailbox.port, False, "dns@example.org", ("record@example.org",))
        job = _made_job(plane, FileDestination(tmp_path / "held"), mail)
        try:
            with _started(job):
                assert asked.wait(timeout=30)
                assert eventually(lambda: _kept(plane) == [(1, ["mail"])])
                _note(plane)
                job.make()
                assert eventually(lambda: _kept(plane) == [(1, ["mail"]), (2, ["mail"])])
                _note(plane)
            assert _kept(plane) == [(1, ["mail"]), (2, ["mail"]), (3, ["mail"])]
        finally:
            answers.set()
            for thread in threading.enumerate():
                if thread.name == "checkpoints":
                    thread.join(timeout=30)
        assert _file(tmp_path / "held") == [1, 2, 3], "the hanging destination continues"
    warnings = [record for record in caplog.records if "no answer while stopping" in record.getMessage()]
    assert len(warnings) == 1


def test_checkpoints_resume_after_a_database_failure(plane: Plane, tmp_path: Path) -> None:
    job = _made_job(plane, FileDestination(tmp_path / "held"))
    plane.database.close()
    state = tmp_path / "state" / "dnsfilter.sqlite3"
    away = state.rename(tmp_path / "away")
    state.mkdir()
    assert not job.make_if_new()
    assert not job.send_missing()
    found = Scraped(lambda: checkpoints(job)).collect()
    assert [family.name for family in found] == ["dnsfilter_api_checkpoint_destinations"]
    state.rmdir()
    away.rename(state)
    assert job.make_if_new()
    assert job.send_missing()


def test_start_without_a_destination_warns_and_a_metric_counts_destinations(
    plane: Plane, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for destinations in ((), (FileDestination(tmp_path / "held"),)):
        job = _made_job(plane, *destinations)
        caplog.clear()
        with _started(job):
            warned = [KeyValueFormatter().format(one) for one in caplog.records if one.levelno == logging.WARNING]
        assert len(warned) == (0 if destinations else 1)
        assert all(
            'event="checkpoints stay on this machine" set="DNSFILTER_API_CHECKPOINT_FILE, ' in line for line in warned
        )
        registry = CollectorRegistry()
        registry.register(Scraped(partial(checkpoints, job)))
        assert registry.get_sample_value("dnsfilter_api_checkpoint_destinations") == len(destinations)


def test_metrics_show_how_far_each_destination_is_behind(plane: Plane, tmp_path: Path) -> None:
    job = _made_job(plane, FileDestination(tmp_path / "held"))
    registry = CollectorRegistry()
    registry.register(Scraped(partial(checkpoints, job)))

    def value(name: str) -> float | None:
        return registry.get_sample_value(f"dnsfilter_api_checkpoint{name}", {"destination": "file"})

    assert (value("s_undelivered"), value("_age_seconds"), value("_failures_total")) == (0, None, 0)
    job.make()
    assert value("s_undelivered") == 1
    assert job.send_missing()
    plane.clock.now = START + 7200
    assert (value("s_undelivered"), value("_age_seconds")) == (0, 7200)
