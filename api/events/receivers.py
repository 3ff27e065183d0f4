"""Receivers of events: a file or a syslog server, which gets lines, and a webhook, which gets requests."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from api.delivery.destinations import FileDestination, SyslogDestination, destination_name
from api.delivery.sending import deliver, longest_line
from api.events.event_types import Event
from api.events.webhook_sending import WebhookClient
from api.events.webhook_signature import signed_headers
from dnsfilter.telemetry.logs import emit

log = logging.getLogger("dnsfilter.api")


class Receiver(Protocol):
    """Something that takes events. `send` raises NotTaken, or one of `FAILURES`."""

    @property
    def name(self) -> str: ...
    @property
    def authority(self) -> str | None: ...
    @property
    def types(self) -> Sequence[str]: ...
    def send(self, events: Sequence[Event], installation: str) -> int:
        """Send the first events, one at least, and return their number. Their position is stored before the next."""


@dataclass(frozen=True, slots=True)
class LineReceiver:
    """A file or a syslog server, which gets every event as a line."""

    destination: FileDestination | SyslogDestination
    authority: None = None
    types: Sequence[str] = ()

    @property
    def name(self) -> str:
        return destination_name(self.destination)

    def send(self, events: Sequence[Event], installation: str) -> int:
        limit = longest_line(self.destination)
        lines = [event.body(installation, limit) for event in events]
        deliver(self.destination, installation, lines, "event")
        for event, line in zip(events, lines, strict=True):
            if limit is not None and line != (complete := event.body(installation)):
                size = len(complete.encode())
                emit(log, logging.WARNING, "event sent without its data", receiver=self.name, id=event.id, bytes=size)
        return len(events)


@dataclass(frozen=True, slots=True)
class WebhookReceiver:
    """A webhook. Every event is one request."""

    name: str
    authority: str | None
    types: Sequence[str]
    url: str
    secret: bytes = field(repr=False)
    client: WebhookClient = field(repr=False)
    clock: Callable[[], float] = field(repr=False)

    def send(self, events: Sequence[Event], installation: str) -> int:
        event = events[0]
        body = event.body(installation).encode()
        # Receivers drop what they have had by this identity, and entries after a restored backup repeat numbers.
        message = f"{installation}-{event.id}-{event.origin}"
        headers = signed_headers(self.secret, message, int(self.clock()), body)
        self.client.post(self.url, body, headers)
        return 1
