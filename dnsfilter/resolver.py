"""An engine on an event loop, with queries over streams to upstreams and replies to stream clients."""

import asyncio
from collections.abc import Callable, Sequence
from typing import assert_never

from dnsfilter.config.node_config import Endpoint
from dnsfilter.engine.clock import Clock
from dnsfilter.engine.interface import Answered, AskStream, Drop, Engine, Event, Miss, ProbeStream, Reply, Update
from dnsfilter.engine.limits import client_block
from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.metrics import Failure, Transport
from dnsfilter.upstream.plain_fallback import PlainFallback
from dnsfilter.upstream.stream_connection import BusyError
from dnsfilter.upstream.stream_pool import StreamPool
from dnsfilter.upstream.tls_channel import TlsError
from dnsfilter.upstream.updates import Updates
from dnsfilter.wire.reply import header_rcode

POLL_BUDGET = 8
"""Batches per wake-up: enough to drain a burst, but few enough that streams and commands get their turn."""


class Resolver:
    """Run one engine on the current event loop. Call `close` before the loop ends."""

    def __init__(
        self,
        engine: Engine,
        endpoints: Sequence[Endpoint],
        streams: StreamPool,
        clock: Clock,
        keep_up: Callable[[], None] | None = None,
        fallback: PlainFallback | None = None,
    ) -> None:
        """Initialize. `keep_up` is called before queries are read, to put a new policy in force for them.

        With a fallback, encrypted servers are asked by it.
        """
        self._engine = engine
        self._endpoints = endpoints
        self._streams = streams
        self._fallback = fallback
        self._clock = clock
        self._keep_up = keep_up or (lambda: None)
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, Callable[[bytes], None]] = {}
        self._last_ticket = 0
        self._tasks: dict[asyncio.Task[None], int] = {}
        """Tasks of questions sent over streams, with the numbers of their exchanges."""
        self._probes: set[asyncio.Task[None]] = set()
        self._updates = Updates()
        self._update_tasks: set[asyncio.Task[None]] = set()
        self._loop.add_reader(engine.fileno(), self._poll)

    def ask(
        self, message: bytes, client: bytes, reply: Callable[[bytes], None], transport: Transport = Transport.TCP
    ) -> int | None:
        """Answer one query of a stream client through `reply`, at once or later. Return None if there is no answer.

        Else return a ticket for `forget`. It is 0 if the reply was given at once.
        """
        self._keep_up()
        wall_s, boot_ms = self._clock.wall_s(), self._clock.boot_ns() // 1_000_000
        outcome = self._engine.answer(message, client, transport, wall_s, boot_ms)
        match outcome:
            case Reply(answer):
                reply(answer)
                return 0
            case Drop():
                return None
            case Miss():
                self._last_ticket += 1
                ticket = self._last_ticket
                self._waiting[ticket] = reply
                self._handle_events(self._engine.forward(outcome, ticket))
                return ticket if ticket in self._waiting else 0
            case Update():
                self._last_ticket += 1
                ticket = self._last_ticket
                self._waiting[ticket] = reply
                self._pass_on(outcome, lambda answer: self._handle_events((Answered(ticket, answer),)))
                return ticket
            case _:
                assert_never(outcome)

    def forget(self, ticket: int) -> None:
        """Drop the reply for a ticket, because its client is gone."""
        self._waiting.pop(ticket, None)

    @property
    def is_busy(self) -> bool:
        """Return whether any update waits for its server."""
        return bool(self._update_tasks)

    async def close(self) -> None:
        """Stop polling and cancel questions over streams."""
        self._loop.remove_reader(self._engine.fileno())
        tasks = [*self._tasks, *self._probes, *self._update_tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._fallback is not None:
            self._fallback.close()
        self._streams.close()

    def _poll(self) -> None:
        self._keep_up()
        self._handle_events(self._engine.poll(POLL_BUDGET))

    def _handle_events(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case Answered(ticket, message):
                    reply = self._waiting.pop(ticket, None)
                    if reply is not None:
                        reply(message)
                case AskStream():
                    task = self._loop.create_task(self._by_stream(event))
                    self._tasks[task] = event.exchange
                    task.add_done_callback(lambda done: self._tasks.pop(done, None))
                    if len(self._tasks) > self._engine.pending_count():
                        self._cancel_needless()
                case ProbeStream():
                    probe = self._loop.create_task(self._probe(event))
                    self._probes.add(probe)
                    probe.add_done_callback(self._probes.discard)
                case Update(reply=reply):
                    if reply is not None:
                        self._pass_on(event, reply)
                case _:
                    assert_never(event)

    def _pass_on(self, update: Update, reply: Callable[[bytes], object]) -> None:
        """Pass an update to a server of its zone that is asked in clear text, and its answer to `reply`."""
        servers = [server for number in update.servers if (server := self._endpoints[number]).tls is None]

        async def pass_on() -> None:
            outcome, answer = await self._updates.ask(servers, update.message, client_block(update.client))
            update.count(outcome, header_rcode(answer))
            reply(answer)

        task = self._loop.create_task(pass_on())
        self._update_tasks.add(task)
        task.add_done_callback(self._update_tasks.discard)

    def _cancel_needless(self) -> None:
        """Cancel questions whose exchanges were replaced by others."""
        for task in [task for task, exchange in self._tasks.items() if not self._engine.is_open(exchange)]:
            del self._tasks[task]
            task.cancel()

    async def _by_stream(self, event: AskStream) -> None:
        message: bytes | None = None
        failure: Failure | None = None
        group = [self._endpoints[number] for number in event.group]
        client = client_block(event.client)
        try:
            message = await self._ask(event.server, group, event.message, event.wait_until_ms, client)
        except UnavailableError as error:
            failure = _reason(error)
        finally:
            self._handle_events(self._engine.complete(event.exchange, message, failure=failure))

    async def _probe(self, event: ProbeStream) -> None:
        message: bytes | None = None
        failure: Failure | None = None
        group = [server for server in self._endpoints if server.tls is not None]  # no probe is worth clear text
        try:
            message = await self._ask(event.server, group, event.message, event.wait_until_ms, b"")
        except UnavailableError as error:
            failure = _reason(error)
        finally:
            self._handle_events(self._engine.complete_probe(event.server, message, failure=failure))

    async def _ask(
        self, server: int, group: Sequence[Endpoint], message: bytes, wait_until_ms: int, client: bytes
    ) -> bytes:
        # Timers round. Add one millisecond, so that `wait_until_ms` has passed when they fire.
        left_s = (wait_until_ms + 1) / 1000 - self._clock.boot_ns() / 1_000_000_000
        if self._fallback is not None:
            return await self._fallback.ask(self._endpoints[server], group, message, left_s, client)
        return await self._streams.ask(self._endpoints[server], message, left_s, client)


def _reason(error: UnavailableError) -> Failure | None:
    """Return why a server gave no answer by stream. None: this node had no room."""
    if isinstance(error, BusyError):
        return None
    return Failure.TLS if isinstance(error, TlsError) else Failure.UNREACHABLE
