"""Serve the page: one request for each connection, all of them bounded in number, size and time. Log no request."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address

from dnsfilter.errors import DnsfilterError
from dnsfilter.policy.model import Address
from dnsfilter.refusal_page.answers import Deciding, answer, error_answer
from dnsfilter.supervisor.snapshot_watch import PolicyFeed
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.notify import notify, watchdog_s

POLL_S = 0.1
MAX_HEAD = 8_192
"""Bytes of a request up to the empty line."""
MAX_S = 5.0
"""Seconds for one connection: request and answer."""
MAX_OPEN, MAX_OPEN_EACH = 256, 16
"""Connections: of all clients, and of one."""
BACKLOG = 64
FIRST_FD = 3
"""The first descriptor that a service manager hands over (sd_listen_fds(3))."""
_LOG = logging.getLogger("dnsfilter.refusal_page")


class RefusalServer:
    """The server on given sockets, deciding by what a feed has."""

    def __init__(self, feed: PolicyFeed, *, max_s: float = MAX_S) -> None:
        self._feed = feed
        self._max_s = max_s
        self._open = Counter[Address]()

    async def run(self, sockets: Sequence[socket.socket]) -> None:
        """Serve until SIGTERM or SIGINT."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        try:
            self._feed.load()
        except DnsfilterError as error:
            logs.emit(_LOG, logging.WARNING, "no usable snapshot yet", reason=error)
        servers = [
            await asyncio.start_server(self._serve, sock=each, limit=MAX_HEAD, backlog=BACKLOG) for each in sockets
        ]
        notify("READY=1")
        await self._follow(stopping)
        notify("STOPPING=1")
        for each in servers:
            each.close()

    async def _follow(self, stopping: asyncio.Event) -> None:
        """Take new snapshots until stopped."""
        loop, pause_s = asyncio.get_running_loop(), watchdog_s()
        watchdog_at = loop.time()
        while not stopping.is_set():
            self._feed.look_at_clock()
            self._feed.poll()
            if pause_s is not None and loop.time() >= watchdog_at:
                notify("WATCHDOG=1")
                watchdog_at += pause_s
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), POLL_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection. Close it at once if there are too many."""
        client = _client_of(writer)
        if client is None or self._open.total() >= MAX_OPEN or self._open[client] >= MAX_OPEN_EACH:
            writer.transport.abort()
            return
        self._open[client] += 1
        try:
            async with asyncio.timeout(self._max_s):
                writer.write(await self._answer(reader, client))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, EOFError):
            writer.transport.abort()
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]

    async def _answer(self, reader: asyncio.StreamReader, client: Address) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return error_answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, self._feed.now().instant)
        return answer(head, client, Deciding(self._feed.snapshot, self._feed.now().instant))


def _client_of(writer: asyncio.StreamWriter) -> Address | None:
    """Return the address of a client, IPv4 also if an IPv6 socket took it; None if it has gone already."""
    peer = writer.get_extra_info("peername")
    if peer is None:
        return None
    address = ip_address(peer[0].partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def handed_over() -> list[socket.socket]:
    """Return the sockets that a service manager has handed to this process."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    number = int(os.environ.get("LISTEN_FDS", "0"))
    return [socket.socket(fileno=descriptor) for descriptor in range(FIRST_FD, FIRST_FD + number)]


def bound(host: Address, port: int) -> socket.socket:
    """Return a socket that listens at an address. Raise OSError."""
    family = socket.AF_INET if host.version == 4 else socket.AF_INET6
    return socket.create_server((str(host), port), family=family, backlog=BACKLOG)
