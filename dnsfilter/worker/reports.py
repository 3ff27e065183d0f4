"""What a worker reports to the supervisor of the queries that it answered."""

import socket
from contextlib import suppress

from dnsfilter.engine.interface import Engine
from dnsfilter.worker.channel import (
    PendingQueries,
    RangeQueries,
    Recorded,
    RefusedQueries,
    UnregisteredNetworks,
    send,
)

LAST_ROUNDS = 64
"""Reports of ranges and of pending names before the end: enough for 16,000 of each."""


class Reports:
    """Takes an engine's notes and sends them. Of a channel that does not take them, it raises `OSError`."""

    def __init__(self, engine: Engine, channel: socket.socket) -> None:
        self._engine, self._channel = engine, channel

    def send_captured(self) -> None:
        """Send what a capture wants, if the channel takes it."""
        captured = self._engine.take_captured()
        if captured.queries or captured.dropped:
            # The beat logs a supervisor that does not read, or notes its end.
            with suppress(OSError):
                send(self._channel, Recorded(captured))

    def send_counted(self) -> None:
        """Send one message each of ranges, refused clients and pending names."""
        self._send_ranges()
        self._send_refused()
        self._send_pending()

    def send_unregistered(self) -> None:
        noted = self._engine.take_unregistered()
        if noted:
            send(self._channel, UnregisteredNetworks(noted))

    def send_last(self) -> None:
        """Send what is left before the end, unless the supervisor has ended."""
        self.send_captured()
        with suppress(OSError):
            self._send_refused()
            for _ in range(LAST_ROUNDS):
                self._send_ranges()
                self._send_pending()

    def _send_ranges(self) -> None:
        if queries := self._engine.take_ranges():
            send(self._channel, RangeQueries(queries))

    def _send_refused(self) -> None:
        noted = self._engine.take_refused_clients()
        if noted:
            send(self._channel, RefusedQueries(noted))

    def _send_pending(self) -> None:
        noted, lost = self._engine.take_pending_names()
        if noted or lost:
            send(self._channel, PendingQueries(noted, lost))
