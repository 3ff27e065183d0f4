"""HTTP/1.1 connections of the API: uvicorn's, limited in number, with a timeout for a request's head."""

import asyncio
import json
import logging
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.http.problems import BAD_REQUEST, MEDIA_TYPE, content
from api.server.request_ids import HEADER, HEADERS, new_id
from dnsfilter.telemetry.logs import emit

MAX_CONNECTIONS = 2048
"""The most connections. Each waiting node needs one. Files and the database need the other descriptors."""
DESCRIPTORS = 2 * MAX_CONNECTIONS
HEAD_TIMEOUT_S = 10.0

log = logging.getLogger("dnsfilter.api.access")


def raise_limit() -> None:
    """Raise this process's limit of descriptors, usually 1,024, to what connections need, or to the hard limit."""
    soft, hard = getrlimit(RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != RLIM_INFINITY and soft < wanted:
        setrlimit(RLIMIT_NOFILE, (wanted, hard))
    if wanted < DESCRIPTORS:
        emit(log, logging.WARNING, "too few descriptors for many nodes", may=wanted, need=DESCRIPTORS)


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1. Close a connection beyond the limit, or if a request's head does not arrive in time.

    Beyond the limit, uvicorn refuses requests but keeps connections. It limits only the time between an answer and the
    first byte of the next request, and starts that time before the client has read the answer.
    """

    head_timeout_s = HEAD_TIMEOUT_S

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout for the first head."""
        super().connection_made(transport)
        self._expect_head()
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeouts."""
        if self._late is not None:
            self._late.cancel()
        # uvicorn does not cancel this one if the connection broke.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Start the timeout for the next head."""
        self._expect_head()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer invalid HTTP with a problem, and close. uvicorn would answer with plain text."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        known = new_id()
        emit(log, logging.INFO, "request is not valid HTTP", request=known)
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

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, unless its client is still reading the last answer."""
        if self.transport.get_write_buffer_size():
            again = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
            self.timeout_keep_alive_task = again
        else:
            super().timeout_keep_alive_handler()

    def _expect_head(self) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late = self.loop.call_later(self.head_timeout_s, self._end_waiting)

    def _end_waiting(self) -> None:
        if self.transport.get_write_buffer_size():
            self._expect_head()
        elif (self.cycle is None or self.cycle.response_complete) and self.conn.their_state is h11.IDLE:
            self.transport.close()
