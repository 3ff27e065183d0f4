"""Connections that send or take nothing: closed after a time, and never in the way of those that do."""

import asyncio
import heapq
import json
import logging
import socket
import struct
import sys
from contextlib import suppress
from fcntl import ioctl
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit
from termios import TIOCOUTQ
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
STALLED_S = 30.0
LEAST = 30 * 1024
"""A connection that takes fewer bytes of an answer than this in `STALLED_S` is dropped: 1 kB a second.

On a Unix socket one byte suffices: the system does not report how much was taken, and the proxy drops slow clients.
"""
LOOKS = 6
"""How often in that time it is looked at."""
NEW_S = 1.0
"""So long a connection is new: its head may be on its way."""
_BYTES_ACKED = struct.Struct("120xQ")
"""`tcpi_bytes_acked` of Linux's `struct tcp_info`."""
_GONE = (OSError, ValueError)
"""What asking about a closed socket raises: its descriptor is -1, which Python refuses without the system."""

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
    """uvicorn's HTTP/1.1, with a time for a request's head and a least rate at which an answer is taken.

    Where all connections are taken it makes room for who comes. uvicorn bounds only the time between an answer and the
    next request's first octet, and begins it before the answer is taken.
    """

    head_timeout_s = HEAD_TIMEOUT_S
    stalled_s = STALLED_S
    least = LEAST
    max_connections = MAX_CONNECTIONS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._late: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._waiting_since_s = self._taking_since_s = self.loop.time()
        self._taken = 0

    @property
    def waiting_since_s(self) -> float | None:
        """Since when the connection waits for a whole head, in the loop's time; None while it has a request."""
        answered = self.cycle is None or self.cycle.response_complete
        return self._waiting_since_s if answered and self.conn.their_state is h11.IDLE else None

    @property
    def _worked_on(self) -> bool:
        """Whether a whole request has no answer yet, other than because an earlier one is not taken."""
        asked = self.cycle is not None and not self.cycle.more_body and not self.cycle.response_started
        return asked and not self.flow.write_paused

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head; beyond the bound, whoever is most dispensable has to go."""
        super().connection_made(transport)
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._wait()
        self._look()
        if len(self.connections) > self.max_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_no_longer()
        if self._looking is not None:
            self._looking.cancel()
        # uvicorn leaves this one running where the connection broke.
        self._unset_keepalive_if_required()
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

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, unless the answer is still being taken."""
        if self._untaken():
            again = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
            self.timeout_keep_alive_task = again
        else:
            super().timeout_keep_alive_handler()

    def _make_room(self) -> None:
        others = [other for other in self.connections if isinstance(other, GuardedProtocol) and other is not self]
        ranked = ((rank, id(other), other) for other in others if (rank := other._dispensable()) is not None)
        # To rank all takes milliseconds: of those that nobody will miss, some go at once.
        leaving = heapq.nsmallest(max(1, self.max_connections // 100), ranked)
        for (missed, _), _, other in leaving[1:]:
            if missed == 0:
                other._drop()
        (leaving[0][2] if leaving else self)._drop()

    def _dispensable(self) -> tuple[int, float] | None:
        """How readily the connection makes room, least first; None while it has a request that is worked on.

        First go those that wait for a head or that take nothing, then those that owe a body or take an answer, and
        those that have just come last.
        """
        if self._worked_on:
            return None
        now_s = self.loop.time()
        if self._untaken() or self.transport.is_closing():
            since_s = max(self._taking_since_s, self._waiting_since_s)
            return (0 if now_s - since_s > self.stalled_s / LOOKS else 1), since_s
        if self.waiting_since_s is not None:
            return (0 if now_s - self.waiting_since_s > NEW_S else 2), self.waiting_since_s
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
        if self.waiting_since_s is None:
            return
        if self._untaken():
            self._wait()
        else:
            self._drop()

    def _look(self) -> None:
        """Drop the connection if it takes an answer too slowly; look again later."""
        now_s, taken = self.loop.time(), self._acknowledged()
        least = 1 if self._socket.family == socket.AF_UNIX else self.least
        if abs(taken - self._taken) >= least or not self._untaken():
            self._taken, self._taking_since_s = taken, now_s
        elif now_s - self._taking_since_s >= self.stalled_s:
            self._drop()
            return
        self._looking = self.loop.call_later(self.stalled_s / LOOKS, self._look)

    def _untaken(self) -> int:
        """How many octets of answers the other end has not acknowledged; encrypted or not, wherever they lie."""
        queued = bytearray(4)
        with suppress(*_GONE):
            ioctl(self._socket, TIOCOUTQ, queued)
        return self.transport.get_write_buffer_size() + int.from_bytes(queued, sys.byteorder)

    def _acknowledged(self) -> int:
        """What changes whenever the other end takes an octet."""
        if self._socket.family == socket.AF_UNIX:
            return self._untaken()
        with suppress(*_GONE):
            (found,) = _BYTES_ACKED.unpack_from(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128))
            return int(found)
        return self._taken

    def _drop(self) -> None:
        self.connections.discard(self)
        # To close it would wait until the other end has taken what is left, and over TLS for its farewell.
        self.transport.abort()
