"""Events reach their receivers: every one, in order, signed; also after a receiver or the control plane was away."""

import json
import socket
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha256
from hmac import digest
from pathlib import Path
from threading import Event
from typing import Any
from unittest.mock import Mock

import httpx
import pytest

from api.auth.tokens import load_key
from api.db.models import EventCursorRow, NoticeRow
from api.delivery import sending
from api.delivery.destinations import FileDestination, SyslogDestination, Transport
from api.events import event_job, repository
from api.events.event_job import LAST_PAUSE_S, MOST_REJECTIONS, EventJob
from api.events.schemas import ActEventRead, NoticeEventRead
from api.events.webhook_sending import NOT_NOW, WebhookClient
from dnsfilter.telemetry.logs import KeyValueFormatter
from tests.support.mail_and_syslog import datagrams
from tests.support.ports import free_port
from tests.support.webhook_receiver import WebhookReceiver, webhook_receiver
from tests.unit.api.conftest import START, Plane


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """Return a receiver that is there."""
    with webhook_receiver() as found:
        yield found


def _add(plane: Plane, url: str, **fields: Any) -> dict[str, Any]:
    added: dict[str, Any] = plane.done("POST", "/v1/webhooks", {"url": url, **fields})
    return added


def _job(plane: Plane, *destinations: FileDestination | SyslogDestination) -> EventJob:
    key = load_key(plane.settings.token_key_path)
    return EventJob(plane.database, key, lambda: {"alpha": "Alpha"}, destinations, plane.clock, plane.clock)


def _send(plane: Plane, job: EventJob | None = None) -> None:
    """Serve every receiver once, and wait for it. A new job is like a control plane that has just started."""
    used = job or _job(plane)
    used.round()
    used.finish_round()
    if job is None:
        used.stop()


def _toggle(plane: Plane, mode: str) -> None:
    plane.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": mode})


def _types(receiver: WebhookReceiver) -> list[str]:
    return [json.loads(one.body)["type"] for one in receiver.deliveries]


def _seqs(receiver: WebhookReceiver) -> list[int]:
    return [json.loads(one.body)["data"]["seq"] for one in receiver.deliveries]


def test_every_later_act_arrives_once_signed_and_in_order(town: Plane, receiver: WebhookReceiver) -> None:
    secret = b64decode(_add(town, receiver.url)["secret"].removeprefix("whsec_"))
    for mode in ("monitor", "enforce", "monitor"):
        _toggle(town, mode)
    _send(town)
    _send(town)
    for one in receiver.deliveries:
        ActEventRead.model_validate_json(one.body)
    assert _types(receiver) == ["webhook.add", "ban.set_monitor", "ban.set_enforce", "ban.set_monitor"]
    assert _seqs(receiver) == sorted(set(_seqs(receiver)))
    entry = town.done("GET", "/v1/audit?limit=1")["items"][0]
    assert json.loads(receiver.deliveries[-1].body) == {
        "id": f"act-{entry['seq']}",
        "type": "ban.set_monitor",
        "time": entry["time"],
        "installation": town.done("GET", "/v1/snapshot-key")["installation"],
        "authorities": ["town"],
        "data": entry,
    }
    # A backup that is restored repeats numbers, so the identity of a message also depends on the entry's hash.
    assert receiver.deliveries[-1].headers["webhook-id"].endswith(f"-act-{entry['seq']}-{entry['hash'][:16]}")
    for one in receiver.deliveries:
        signed = f"{one.headers['webhook-id']}.{one.headers['webhook-timestamp']}.".encode() + one.body
        assert one.headers["webhook-signature"] == f"v1,{b64encode(digest(secret, signed, sha256)).decode()}"
        assert one.headers["webhook-timestamp"] == str(int(town.clock.now))
    assert len({one.headers["webhook-id"] for one in receiver.deliveries}) == 4


@pytest.mark.parametrize("status", [301, 400, 410, 500])
def test_nothing_is_lost_while_a_receiver_answers_with_an_error(
    town: Plane, receiver: WebhookReceiver, status: int
) -> None:
    added = _add(town, receiver.url)
    receiver.status = status
    job = _job(town)
    _send(town, job)
    _toggle(town, "monitor")
    _send(town, job)
    assert receiver.deliveries == []
    shown = job.status(f"webhook/{added['number']}")
    assert shown is not None
    assert (shown.failures, shown.failure) == (1, f"answered {status}")
    receiver.status = 200
    _send(town, job)
    assert receiver.deliveries == [], "a receiver that failed must not be asked again at once"
    job.stop()
    _send(town)
    assert _types(receiver) == ["webhook.add", "ban.set_monitor"]


def _try(plane: Plane, job: EventJob, times: int) -> None:
    """Serve every receiver that often, each time after its longest pause."""
    for _ in range(times):
        _send(plane, job)
        plane.clock.now += LAST_PAUSE_S


@pytest.mark.parametrize("status", [301, 400, 401, 413, 500])
def test_rejected_event_is_parked_and_the_later_ones_arrive(
    town: Plane, receiver: WebhookReceiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    number = _add(town, receiver.url)["number"]
    _toggle(town, "monitor")
    _toggle(town, "enforce")
    receiver.rejected["ban.set_monitor"] = status
    job = _job(town)
    _try(town, job, MOST_REJECTIONS - 1)
    assert _types(receiver) == ["webhook.add"]
    assert town.done("GET", f"/v1/webhooks/{number}")["parked"] == 0
    assert [one.parked for one in job.figures()] == [0]
    _try(town, job, 1)
    assert _types(receiver) == ["webhook.add", "ban.set_enforce"]
    parked = town.done("GET", "/v1/audit?act=ban.set_monitor")["items"][0]["seq"]
    shown = town.done("GET", f"/v1/webhooks/{number}")
    assert (shown["parked"], shown["parked_event"], shown["parked_reason"]) == (
        1,
        f"act-{parked}",
        f"answered {status}",
    )
    assert [(one.parked, one.is_failing) for one in job.figures()] == [(1, False)]
    said = [record.__dict__["dnsfilter_fields"] for record in caplog.records if record.message == "event parked"]
    assert [fields["id"] for fields in said] == [f"act-{parked}"]
    job.stop()
    again = _job(town)
    _send(town, again)
    assert [one.parked for one in again.figures()] == [1], "the number is kept over a restart"
    again.stop()
    assert _types(receiver) == ["webhook.add", "ban.set_enforce"], "a parked event is not sent again"


@pytest.mark.heavy
@pytest.mark.parametrize("status", sorted(NOT_NOW))
def test_receiver_that_says_not_now_loses_nothing_however_long(
    town: Plane, receiver: WebhookReceiver, status: int
) -> None:
    number = _add(town, receiver.url)["number"]
    receiver.status = status
    job = _job(town)
    _try(town, job, MOST_REJECTIONS + 1)
    assert town.done("GET", f"/v1/webhooks/{number}")["parked"] == 0
    receiver.status = 204
    _try(town, job, 1)
    job.stop()
    assert _types(receiver) == ["webhook.add"]


def test_each_event_has_its_own_tries(town: Plane, receiver: WebhookReceiver) -> None:
    number = _add(town, receiver.url)["number"]
    _toggle(town, "monitor")
    receiver.status = 400
    job = _job(town)
    _try(town, job, MOST_REJECTIONS)
    assert town.done("GET", f"/v1/webhooks/{number}")["parked"] == 1
    # The try that parked the first event was the first one of the second.
    _try(town, job, MOST_REJECTIONS - 2)
    receiver.status = 204
    _try(town, job, 1)
    job.stop()
    assert _types(receiver) == ["ban.set_monitor"]


def test_webhook_that_is_removed_while_its_event_is_parked_stays_removed(
    town: Plane, receiver: WebhookReceiver
) -> None:
    number = _add(town, receiver.url)["number"]
    receiver.status = 400
    job = _job(town)
    _try(town, job, MOST_REJECTIONS - 1)
    receiver.meanwhile = lambda: town.done("DELETE", f"/v1/webhooks/{number}")
    _try(town, job, 1)
    job.stop()
    with town.database.reading() as session:
        assert session.get(EventCursorRow, f"webhook/{number}") is None


def test_failing_receiver_does_not_delay_another(town: Plane, receiver: WebhookReceiver) -> None:
    _add(town, f"http://127.0.0.1:{free_port()}/events")
    _add(town, receiver.url)
    _send(town)
    assert _types(receiver) == ["webhook.add"]


def test_error_that_nothing_expects_is_shown_and_followed_by_a_pause(
    town: Plane, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(town, receiver.url)
    job = _job(town)
    with monkeypatch.context() as patched:
        patched.setattr(WebhookClient, "post", Mock(side_effect=httpx.InvalidURL("not a URL")))
        _send(town, job)
    assert job.status("webhook/1").failures == 1  # type: ignore[union-attr]
    _send(town, job)
    job.stop()
    assert receiver.deliveries == [], "a receiver that failed must not be asked again at once"


def test_receiver_that_waits_for_its_turn_is_asked_once(
    town: Plane, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_job, "MOST_AT_ONCE", 1)
    arrived, released = Event(), Event()

    def wait_for_release() -> None:
        arrived.set()
        released.wait(30)

    receiver.meanwhile = wait_for_release
    _add(town, receiver.url)
    _add(town, f"http://127.0.0.1:{free_port()}/events")
    job = _job(town)
    try:
        job.round()
        assert arrived.wait(30)
        job.round()
        job.round()
    finally:
        released.set()
    job.finish_round()
    job.stop()
    assert job.status("webhook/2").failures == 1  # type: ignore[union-attr]


def test_webhook_of_a_merged_authority_gets_the_merger_and_nothing_of_the_successor(
    town: Plane, receiver: WebhookReceiver
) -> None:
    _add(town, receiver.url, authority="zone", types=["authority", "ban"])
    decision = {"legal_basis": "decree 9", "reference": "D-9"}
    town.done("POST", "/v1/authorities/zone/merge", {"into": "town", "decision": decision, "reason": "merger"})
    _toggle(town, "monitor")
    _send(town)
    assert _types(receiver) == ["authority.close"]
    assert json.loads(receiver.deliveries[0].body)["data"]["after"]["successor"] == "town"


def test_position_past_many_unwanted_acts_is_stored(
    town: Plane, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_job, "STORED_AFTER", 4)
    _add(town, receiver.url, types=["suspension"])
    for mode in ("monitor", "enforce", "monitor"):
        _toggle(town, mode)
    with town.database.reading() as session:
        added = repository.position(session, "webhook/1")
    _send(town)
    with town.database.reading() as session:
        stored = repository.position(session, "webhook/1")
    assert added is not None
    assert stored is not None
    assert stored.seq == added.seq + 4
    suspension = {"authority": "town", "for": "10 minutes", "reason": "a fault"}
    town.done("POST", "/v1/suspensions", suspension)
    _send(town)
    _send(town)
    assert _types(receiver) == ["suspension.start"]


def test_event_that_no_datagram_holds_is_sent_without_its_data(
    town: Plane, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sending, "MAX_DATAGRAM", 600)
    with datagrams(socket.AF_INET, ("127.0.0.1", 0)) as listener:
        job = _job(town, SyslogDestination(Transport.UDP, *listener.getsockname()))
        _send(town, job)
        _toggle(town, "monitor")
        _send(town, job)
        job.stop()
        event = json.loads(listener.recv(4096).partition(b" event - ")[2])
    assert (event["type"], event["authorities"]) == ("ban.set_monitor", ["town"])
    assert event["data"] == {"left_out": "too large for this transport"}
    (line,) = [KeyValueFormatter().format(record) for record in caplog.records if record.name == "dnsfilter.api"]
    assert f"id={event['id']}" in line


def test_webhook_that_is_removed_while_it_is_served_gets_no_further_event(
    town: Plane, receiver: WebhookReceiver
) -> None:
    _add(town, receiver.url)
    for mode in ("monitor", "enforce"):
        _toggle(town, mode)
    tag = town.call("GET", "/v1/webhooks/1").headers["ETag"]
    headers = {"If-Match": tag, "Authorization": f"Bearer {town.token}"}
    receiver.meanwhile = lambda: town.done("DELETE", "/v1/webhooks/1", headers=headers)
    _send(town)
    assert _types(receiver) == ["webhook.add"]
    with town.database.reading() as session:
        assert session.get(EventCursorRow, "webhook/1") is None


def test_acts_and_notices_stay_in_order_if_there_are_many(
    town: Plane, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "BATCH", 2)
    _add(town, receiver.url, types=["ban", "notice"])
    for number in range(1, 5):
        town.clock.now += 60
        _toggle(town, "monitor" if number % 2 else "enforce")
        with town.database.writing() as session:
            facts: dict[str, Any] = {"nodes": ["office-1"], "site": "default", "at_s": START}
            made_s = int(town.clock.now) + 1
            session.add(
                NoticeRow(
                    key=str(number),
                    kind="node_silent",
                    authority=None,
                    facts=facts,
                    made_s=made_s,
                    next_try_s=None,
                    tries=0,
                )
            )
    _send(town)
    assert (
        _types(receiver)
        == [
            "ban.set_monitor",
            "notice.node_silent",
            "ban.set_enforce",
            "notice.node_silent",
        ]
        * 2
    )


def test_receiver_gets_only_its_authority_and_types(town: Plane) -> None:
    village = {"kind": "municipality", "names": {"en": "Village"}, "languages": ["en"], "contact": "dns@example.org"}
    town.done("PUT", "/v1/authorities/village", village)
    with webhook_receiver() as all_of_village, webhook_receiver() as bans, webhook_receiver() as one_type:
        _add(town, all_of_village.url, authority="village")
        _add(town, bans.url, types=["ban"])
        _add(town, one_type.url, types=["ban.set_enforce", "suspension"])
        _toggle(town, "monitor")
        _toggle(town, "enforce")
        town.done("PATCH", "/v1/authorities/village", {"contact": "it@example.org"})
        _send(town)
        assert _types(all_of_village) == ["webhook.add", "authority.change"]
        assert _types(bans) == ["ban.set_monitor", "ban.set_enforce"]
        assert _types(one_type) == ["ban.set_enforce"]


def test_notices_are_events_with_the_text_of_their_mail(town: Plane, receiver: WebhookReceiver) -> None:
    _add(town, receiver.url, types=["notice"])
    with town.database.writing() as session:
        for key, kind, facts in (
            ("a", "node_silent", {"nodes": ["office-1"], "site": "default", "at_s": START}),
            ("b", "kind_of_a_later_version", {}),
        ):
            session.add(
                NoticeRow(key=key, kind=kind, authority=None, facts=facts, made_s=START, next_try_s=None, tries=0)
            )
    _send(town)
    for one in receiver.deliveries:
        NoticeEventRead.model_validate_json(one.body)
    first, second = (json.loads(one.body) for one in receiver.deliveries)
    assert (first["type"], first["id"], first["authorities"]) == ("notice.node_silent", "notice-1", [])
    assert "office-1" in first["data"]["text"]
    assert second["data"] == {"subject": "kind_of_a_later_version", "text": ""}


def test_file_gets_a_line_for_every_act_from_its_first_start_on(town: Plane, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    job = _job(town, FileDestination(path))
    _send(town, job)
    assert not path.exists()
    _toggle(town, "monitor")
    _send(town, job)
    job.stop()
    _toggle(town, "enforce")
    later = _job(town, FileDestination(path))
    _send(town, later)
    later.stop()
    assert [json.loads(line)["type"] for line in path.read_text().splitlines()] == [
        "ban.set_monitor",
        "ban.set_enforce",
    ]
