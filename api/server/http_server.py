"""The HTTP server of the API: it serves on bound sockets until a signal."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Sequence
from types import FrameType

import uvicorn
from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

from api.server.connections import MAX_CONNECTIONS, Connection
from api.server.listeners import Listener
from api.server.request_limits import THREADS
from api.tls.certificates import Certificate
from dnsfilter.telemetry.logs import emit
from dnsfilter.telemetry.notify import notify

MAX_HEADER_BYTES = 16 * 1024
SHUTDOWN_S = 5
BACKLOG = 2048
HANDSHAKE_S = 10.0
"""Seconds for a TLS handshake, as for a request's head."""

log = logging.getLogger("dnsfilter.api")


class Server(uvicorn.Server):
    """uvicorn that prints one line when it is ready, and that a signal stops with success."""

    def __init__(
        self,
        app: FastAPI,
        ready: str,
        listeners: Sequence[Listener],
        certificate: Certificate | None,
        ending: Callable[[], None],
    ) -> None:
        super().__init__(_config(app))
        self._listeners = listeners
        self._ending = ending
        self._ready = ready
        self._certificate = certificate
        self.servers: list[asyncio.Server] = []
        self._ended_by: str | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections on every listener, then print that it is ready."""
        current_default_thread_limiter().total_tokens = THREADS
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            context = self._certificate.context if listener.tls and self._certificate is not None else None
            patience_s = None if context is None else HANDSHAKE_S
            made = await loop.create_server(
                self._protocol, sock=listener.socket, backlog=BACKLOG, ssl=context, ssl_handshake_timeout=patience_s
            )
            self.servers.append(made)
        self.started = True
        print(self._ready, flush=True)
        notify("READY=1", f"STATUS=listening on {' and '.join(listener.url for listener in self._listeners)}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the signal that ends it."""
        self._ended_by = signal.Signals(sig).name
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and finish current requests."""
        emit(log, logging.INFO, "stopping", signal=self._ended_by or "none")
        notify("STOPPING=1", "STATUS=stopping")
        # End the requests of nodes that wait for a snapshot: they would delay stopping.
        self._ending()
        await super().shutdown(sockets)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Run until a signal. uvicorn raises the signal again afterwards, which must not end the process too early."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGHUP, self._hung_up)
        super().run(sockets)

    def _protocol(self) -> Connection:
        return Connection(self.config, self.server_state, {})

    def _hung_up(self, *_: object) -> None:
        """Reload the certificate if there is one. SIGHUP must not end the process."""
        if self._certificate is not None:
            self._certificate.check_soon()


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
