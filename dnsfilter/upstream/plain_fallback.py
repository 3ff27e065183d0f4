"""Ask encrypted servers in clear text while all those of a group fail, where the configuration says so."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import DNS_PORT, Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.slots import upstream_slots
from dnsfilter.upstream.stream_connection import BusyError
from dnsfilter.upstream.stream_pool import StreamPool

_LOG: Final = logging.getLogger("dnsfilter.upstream")


def clear_text_counter(counters: CounterBlock, servers: Sequence[Endpoint]) -> Callable[[Endpoint], None]:
    """Return a function that counts a query sent to one of these upstreams in clear text."""
    slots = dict(zip(servers, upstream_slots(len(servers)), strict=True))
    return lambda server: counters.add(slots[server].clear_text)


class PlainFallback:
    """Asks over the streams of a pool. `note` is called with each server that is asked in clear text.

    A server is asked over TCP at its address and port 53. TLS is tried meanwhile, each time that its rest is over.
    """

    def __init__(self, streams: StreamPool, note: Callable[[Endpoint], None], port: int = DNS_PORT) -> None:
        self._streams = streams
        self._note = note
        self._port = port
        self._in_clear: set[Endpoint] = set()
        self._trials: dict[Endpoint, asyncio.Task[None]] = {}

    async def ask(
        self, server: Endpoint, group: Sequence[Endpoint], message: bytes, timeout_s: float, client: bytes
    ) -> bytes:
        """Ask as `StreamPool.ask` does, in clear text only if all encrypted servers of `group` fail."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        if server.tls is None:
            return await self._streams.ask(server, message, timeout_s, client)
        if not self._all_fail(group):
            try:
                return await self._encrypted(server, message, timeout_s, client)
            except BusyError:
                raise
            except UnavailableError:
                if not self._all_fail(group):
                    raise
        elif server not in self._trials and not self._streams.rests(server):
            self._try(server, message, timeout_s, client)
        self._log(server)
        self._note(server)
        plain = Endpoint(server.address, self._port)
        return await self._streams.ask(plain, message, max(deadline_s - loop.time(), 0.0), client)

    def close(self) -> None:
        """Cancel what is tried in the background."""
        for task in self._trials.values():
            task.cancel()

    def _all_fail(self, group: Sequence[Endpoint]) -> bool:
        return all(self._streams.fails(server) for server in group if server.tls is not None)

    async def _encrypted(self, server: Endpoint, message: bytes, timeout_s: float, client: bytes) -> bytes:
        answer = await self._streams.ask(server, message, timeout_s, client)
        if server in self._in_clear:
            self._in_clear.remove(server)
            logs.emit(_LOG, logging.INFO, "upstream asked encrypted again", upstream=endpoint_text(server))
        return answer

    def _try(self, server: Endpoint, message: bytes, timeout_s: float, client: bytes) -> None:
        """Ask over TLS in the background, to find out whether the server can be reached again."""

        async def ask() -> None:
            try:
                await self._encrypted(server, message, timeout_s, client)
            except UnavailableError:
                return

        task = asyncio.get_running_loop().create_task(ask())
        self._trials[server] = task
        task.add_done_callback(lambda _done: self._trials.pop(server))

    def _log(self, server: Endpoint) -> None:
        if server not in self._in_clear:
            self._in_clear.add(server)
            logs.emit(_LOG, logging.WARNING, "upstream asked in clear text", upstream=endpoint_text(server))
