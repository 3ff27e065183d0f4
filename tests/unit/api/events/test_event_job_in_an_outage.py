"""A receiver that is away for an hour gets every event once, in order and signed. The hour is the test's own."""

import json
from base64 import b64decode, b64encode
from hashlib import sha256
from hmac import digest
from threading import Event

import pytest

from api.auth.tokens import load_key
from api.events import webhook_sending
from api.events.event_job import LAST_PAUSE_S, EventJob
from tests.support.ports import free_port
from tests.support.webhook_receiver import webhook_receiver
from tests.unit.api.conftest import Plane

STEP_S = 30
STEPS = 120
"""An hour."""


class _Played:
    """A control plane that acts and sends at each step of the clock."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.start()

    def start(self) -> None:
        """Start the control plane."""
        key = load_key(self.plane.settings.token_key_path)
        clock = self.plane.clock
        self.job = EventJob(self.plane.database, key, dict, (), clock, clock)

    def steps(self, count: int) -> None:
        """Let time pass. Every fifth step has an act."""
        for number in range(count):
            if number % 5 == 0:
                mode = "monitor" if number % 2 else "enforce"
                self.plane.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": mode})
            self.send()
            self.plane.clock.now += STEP_S

    def send(self) -> None:
        """Serve the receivers that are due."""
        self.job.round()
        self.job.finish_round()

    def restart(self) -> None:
        """Stop the control plane and start it again."""
        self.job.stop()
        self.start()


@pytest.mark.heavy
def test_receiver_that_is_down_for_an_hour_gets_every_event_once_in_order_and_signed(
    town: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_sending, "TIMEOUT_S", 0.2)
    port, released = free_port(), Event()
    added = town.done("POST", "/v1/webhooks", {"url": f"http://127.0.0.1:{port}/events"})
    played = _Played(town)
    # Nobody listens.
    played.steps(STEPS // 3)
    assert played.job.status("webhook/1").failure == "Connection refused"  # type: ignore[union-attr]
    with webhook_receiver(port) as receiver:
        receiver.status = 503
        played.steps(STEPS // 6)
        assert played.job.status("webhook/1").failure == "answered 503"  # type: ignore[union-attr]
        played.restart()
        receiver.meanwhile = released.wait
        played.steps(STEPS // 2)
        (figures,) = played.job.figures()
        assert (figures.name, figures.is_failing) == ("webhook/1", True)
        assert figures.waiting_s >= STEPS * STEP_S - STEP_S
        released.set()
        assert receiver.deliveries == []
        receiver.status, receiver.meanwhile = 204, lambda: None
        town.clock.now += LAST_PAUSE_S
        played.send()
        played.restart()
        played.steps(1)
        (figures,) = played.job.figures()
        assert (figures.is_failing, figures.waiting_s) == (False, 0)
        played.job.stop()
    got = [json.loads(one.body) for one in receiver.deliveries]
    entries = town.done("GET", "/v1/audit?limit=200")["items"][::-1]
    expected = [entry for entry in entries if entry["seq"] >= got[0]["data"]["seq"]]
    assert (got[0]["type"], len(got)) == ("webhook.add", len(expected))
    assert [event["data"] for event in got] == expected
    assert len({one.headers["webhook-id"] for one in receiver.deliveries}) == len(got)
    secret = b64decode(added["secret"].removeprefix("whsec_"))
    for one in receiver.deliveries:
        signed = f"{one.headers['webhook-id']}.{one.headers['webhook-timestamp']}.".encode() + one.body
        assert one.headers["webhook-signature"] == f"v1,{b64encode(digest(secret, signed, sha256)).decode()}"
