"""Connections that are to be ciphered: as with those that send no head, the many that send nothing stop nobody."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress

from dnsfilter.telemetry.logs import emit

MAX_HANDSHAKES = 128
HANDSHAKE_S = 10.0
"""As long as a request's head may take."""
PAUSE_S = 0.1
"""Before the next try, where the system gave no connection: for want of descriptors, as a rule."""

log = logging.getLogger("dnsfilter.api.access")


class Handshakes:
    """Accepts connections of listening sockets, and gives a protocol of `make` to each whose handshake is done.

    Of more than `most` unfinished handshakes the oldest is ended. asyncio's own server would keep any number of them.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        context: ssl.SSLContext,
        make: Callable[[], asyncio.Protocol],
        most: int = MAX_HANDSHAKES,
    ) -> None:
        self._listeners = listeners
        self._context = context
        self._make = make
        self._most = most
        # In the order of their beginning.
        self._unfinished: dict[asyncio.Task[None], socket.socket] = {}

    async def run(self) -> None:
        """Accept until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for listener in self._listeners:
                    group.create_task(self._accept(listener))
        finally:
            for connection in self._unfinished.values():
                _end(connection)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:
                emit(log, logging.WARNING, "a connection was not accepted", reason=error.strerror)
                await asyncio.sleep(PAUSE_S)
                continue
            task = loop.create_task(self._shake(connection))
            self._unfinished[task] = connection
            task.add_done_callback(self._unfinished.pop)
            if len(self._unfinished) > self._most:
                _end(next(iter(self._unfinished.values())))

    async def _shake(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                self._make, connection, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_S
            )
        except OSError:
            # Whoever speaks no TLS, or knows another authority: a port that is open is tried by many.
            connection.close()


def _end(connection: socket.socket) -> None:
    """End a handshake: its other end seems to have left. A task that is cancelled would leave its connection open."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
