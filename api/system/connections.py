"""Connections that send nothing: closed after a time, and never in the way of those that do."""

import asyncio
import json
import logging
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.problems import BAD_REQUEST, MEDIA_TYPE, content
from api.system.request import HEADER, HEADERS, new_id
from dnsfilter.telemetry.logs import emit

MAX_CONNECTIONS = 2048
"""Each node has one, on which it waits. Half of `DESCRIPTORS`: files and the database need some."""
DESCRIPTORS = 2 * MAX_CONNECTIONS
MAX_THREADS = 2 * MAX_CONNECTIONS
"""A request takes one again and again, never two. Were they fewer than requests, those that wait for the turn to write
could hold all of them, and whoever has the turn would wait for one for ever."""
HEAD_TIMEOUT_S = 10.0

log = logging.getLogger("dnsfilter.api.access")


def raise_limit() -> None:
    """Let this process open as many descriptors as connections need, or as many as it may; 1,024 are usual else."""
    soft, hard = getrlimit(RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != RLIM_INFINITY and soft < wanted:
        setrlimit(RLIMIT_NOFILE, (wanted, hard))
    if wanted < DESCRIPTORS:
        emit(log, logging.WARNING, "few descriptors, which many nodes would need", may=wanted, need=DESCRIPTORS)


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, with a time for a request's head, and with room made for who comes when all is taken.

    uvicorn bounds only the time between an answer and the next request's first octet.
    """

    head_timeout_s = HEAD_TIMEOUT_S
    max_connections = MAX_CONNECTIONS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._late: asyncio.TimerHandle | None = None
        self._waiting_since_s = self.loop.time()

    @property
    def waiting_since_s(self) -> float | None:
        """Since when the connection waits for a whole head, in the loop's time; None while it has a request."""
        answered = self.cycle is None or self.cycle.response_complete
        return self._waiting_since_s if answered and self.conn.their_state is h11.IDLE else None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head; beyond the bound, whoever is most dispensable has to go."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) <= self.max_connections:
            return
        others = [other for other in self.connections if isinstance(other, GuardedProtocol) and other is not self]
        ranked = [(rank, id(other), other) for other in others if (rank := other._dispensable()) is not None]
        (min(ranked)[2] if ranked else self)._drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Begin to wait for the next head."""
        self._wait()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, as a problem, and close; uvicorn says the same as plain text."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        known = new_id()
        emit(log, logging.INFO, "not http", request=known)
        body = json.dumps(content(BAD_REQUEST, msg.lower().rstrip("."), known)).encode()
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            (HEADER, known.encode()),
            *HEADERS,
        ]
        response = h11.Response(status_code=BAD_REQUEST.status, headers=headers, reason=b"Bad Request")
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _dispensable(self) -> tuple[int, float] | None:
        """How readily the connection makes room, least first: idle ones, then those that owe a body; else None."""
        if self.waiting_since_s is not None:
            return 0, self.waiting_since_s
        return (1, self._waiting_since_s) if self.conn.their_state is h11.SEND_BODY else None

    def _wait(self) -> None:
        self._wait_no_longer()
        self._waiting_since_s = self.loop.time()
        self._late = self.loop.call_later(self.head_timeout_s, self._end_waiting)

    def _wait_no_longer(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end_waiting(self) -> None:
        if self.waiting_since_s is not None:
            self._drop()

    def _drop(self) -> None:
        self.connections.discard(self)
        self.transport.close()
