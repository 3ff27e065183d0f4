"""A process with an engine. It gets every descriptor from the supervisor, and holds no privilege.

It is a fork of the zygote (`dnsfilter/worker/zygote.py`).
"""

import asyncio
import gc
import logging
import os
import select
import signal
import socket
import ssl
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from dnsfilter.cache.answer_cache import Cache
from dnsfilter.config.node_config import Config
from dnsfilter.engine.choice import chosen_kind, engine_class
from dnsfilter.engine.clock import Anchor, Reference, SystemClock
from dnsfilter.engine.interface import Engine, NodeLabel
from dnsfilter.errors import DnsfilterError, SnapshotError, UnavailableError
from dnsfilter.policy.model import Instant
from dnsfilter.resolver import Resolver
from dnsfilter.server.client_names import ClientNames
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.recent_names import boot_minute, refresh
from dnsfilter.upstream.discovery import node_zones
from dnsfilter.upstream.plain_fallback import PlainFallback, clear_text_counter
from dnsfilter.upstream.rebinding import mark_for
from dnsfilter.upstream.stream_pool import StreamPool
from dnsfilter.upstream.zones import Zones
from dnsfilter.worker.cache_copy import read_copy, write_copy
from dnsfilter.worker.channel import (
    MOST_REASON,
    Alive,
    CacheCopied,
    Certificate,
    CopyCache,
    Flush,
    Flushed,
    InForce,
    Listen,
    Policy,
    Record,
    Rejected,
    Setup,
    Sockets,
    Stop,
    TakeCache,
    UnknownMessage,
    receive_order,
    send,
)
from dnsfilter.worker.egress import AnswerReports
from dnsfilter.worker.engine_loop import EngineLoop, Serving
from dnsfilter.worker.listening import Listening
from dnsfilter.worker.reports import Reports
from dnsfilter.worker.sealed import map_sealed
from dnsfilter.worker.start_config import SetOfSockets, routes_of, unpack_config

HEARTBEAT_S = 0.25
REPORT_UNREGISTERED_S = 5.0
"""Seconds between two reports of networks in no range."""
DRAIN_S = 4.5
"""Seconds that pending queries may take after a worker is asked to stop."""
PAUSE_S = 0.02
ORDERED_S = 0.1
"""Seconds to wait for an announced policy. A supervisor sends it at once, unless it is delayed itself."""
_LOG = logging.getLogger("dnsfilter.worker")


class Worker:
    """One engine on the running event loop. It gets its orders over `channel`."""

    def __init__(
        self,
        loop: EngineLoop,
        channel: socket.socket,
        setup: Setup,
        descriptors: Sequence[int],
        sockets: Sequence[socket.socket],
    ) -> None:
        config, sets = _read_config(descriptors[0])
        descriptors = descriptors[1:]
        self._channel = channel
        self._site = config.control_plane.site
        self._keeps_names = config.recent_names
        self._clock = SystemClock()
        self._counters = CounterBlock.open(Path(setup.counters))
        snapshot = self._open(descriptors)
        self._adopt(snapshot, setup.since_ms, setup.reference)
        self._counters.received = self._waited_for = self._revision
        zones = node_zones(config)
        self._routes = routes_of(config)
        self._engine, self._cache = self._make_engine(config, zones, snapshot, setup)
        self._engine.introduce(NodeLabel(setup.node, self._site))
        demands_certificate = config.encrypted.client_ca is not None
        names = ClientNames(config.encrypted.name, self._in_force, demands_certificate=demands_certificate)
        self._engine.name_clients(names.client_of)
        self._answers = AnswerReports(config.egress, config.node_dir)
        if config.egress.networks:
            self._engine.report_answers(self._answers)
        if isinstance(self._engine, Serving):
            loop.wait_in(self._engine)
        pool = StreamPool(ca=config.upstream.ca)
        count = clear_text_counter(self._counters, zones.endpoints)
        fallback = PlainFallback(pool, count) if config.upstream.falls_back else None
        self._resolver = Resolver(self._engine, zones.endpoints, pool, self._clock, self._keep_up, fallback)
        self._listening = Listening(config, self._engine, self._resolver, self._counters, names, sets, sockets)
        self._reports = Reports(self._engine, channel)
        self._wanted: frozenset[int] = frozenset()
        self._wanted_changed = asyncio.Event()
        self._stopped = asyncio.Event()

    def _make_engine(self, config: Config, zones: Zones, snapshot: Snapshot, setup: Setup) -> tuple[Engine, Cache]:
        make = engine_class(chosen_kind())
        kept, mark = config.cache, mark_for(config.rebinding, zones)
        cache = make.make_cache(kept.max_bytes, kept.serve_stale_s, kept.prefetch, mark)
        engine = make(
            listeners=(),
            zones=zones,
            cache=cache,
            clients=config.clients,
            limits=config.limits,
            trust_ad=config.upstream.trust_ad,
            longest_wait_ms=config.upstream.timeout_ms,
            clock=self._clock,
            counters=self._counters,
            cookie_secret=setup.cookie_secret,
            snapshot=snapshot,
            since_ms=setup.since_ms,
            reference=setup.reference,
        )
        return engine, cache

    def _in_force(self) -> tuple[Snapshot, Instant]:
        """Return the snapshot in force, and the instant that it decides for."""
        boot_ms = self._clock.boot_ns() // 1_000_000
        return self._snapshot, self._anchor.instant(self._clock.wall_s(), boot_ms)

    async def run(self) -> None:
        """Serve until an order to stop, or until the supervisor ends. Then answer pending queries and return."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopped.set)
        # Ctrl-C in a terminal reaches the complete process group, but the supervisor decides what to do.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        loop.add_reader(self._channel.fileno(), self._take_order)
        send(self._channel, InForce(self._revision))
        tasks = [loop.create_task(self._beat()), loop.create_task(self._read_wanted())]
        stopped = loop.create_task(self._stopped.wait())
        done, _ = await asyncio.wait((stopped, *tasks), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # a failed task ends the process: a worker that does not read sockets is of no use
        await self._drain()
        for task in (stopped, *tasks):
            task.cancel()
        self._reports.send_last()
        loop.remove_reader(self._channel.fileno())
        self._listening.close()
        await self._resolver.close()
        self._engine.close()
        self._answers.close()

    async def _drain(self) -> None:
        """Stop reading, and wait at most `DRAIN_S` until all pending queries are answered."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DRAIN_S
        self._wanted = frozenset()
        self._wanted_changed.set()
        self._listening.drain()
        await asyncio.sleep(0)
        while self._is_busy() and loop.time() < deadline:
            await asyncio.sleep(PAUSE_S)

    def _is_busy(self) -> bool:
        return bool(self._engine.pending_count()) or self._listening.is_busy or self._resolver.is_busy

    def _keep_up(self) -> None:
        """Take the announced policy if it is not the last one, before more queries are decided.

        A worker that was delayed finds queries and the policy waiting at the same time, and others may have answered
        by that policy already. The supervisor announces a policy before it sends it, so wait for it, but only once.
        """
        while (ordered := self._counters.ordered) != self._counters.received and not self._stopped.is_set():
            if not self._take_order() and not self._arrives(ordered):
                return

    def _arrives(self, ordered: int) -> bool:
        """Return whether the supervisor's next message arrives within `ORDERED_S`. Wait once per announced revision."""
        if ordered == self._waited_for:
            return False
        self._waited_for = ordered
        return bool(select.select([self._channel], [], [], ORDERED_S)[0])

    def _take_order(self) -> bool:
        """Carry out the next order. Return whether there was one."""
        try:
            received = receive_order(self._channel)
        except BlockingIOError:
            return False
        except OSError:
            received = None
        match received:
            case None:
                # Stop reading the channel, or the loop would spin on it while pending queries are answered.
                asyncio.get_running_loop().remove_reader(self._channel.fileno())
                self._stopped.set()
            case (Policy() as policy, descriptors):
                self._engine.introduce(NodeLabel(policy.node, self._site))
                self._swap(policy, descriptors)
            case (Listen(sets), _):
                self._wanted = sets
                self._wanted_changed.set()
            case (Certificate(), (pair, *client_ca)):
                self._use_certificate(pair, *client_ca)
            case (Record(captures), _):
                self._engine.capture(captures)
            case (Flush(name, below), _):
                send(self._channel, Flushed(self._engine.flush(name, below=below)))
            case (CopyCache(most_bytes), (descriptor,)):
                self._copy_cache(descriptor, most_bytes)
            case (TakeCache(), (descriptor,)):
                self._take_cache(descriptor)
            case (Stop(), _):
                self._stopped.set()
            case (message, _):
                raise ValueError(f"unexpected message from supervisor: {type(message).__name__}")
        return True

    def _use_certificate(self, *descriptors: int) -> None:
        """Use another pair for new handshakes, and authorities of devices if any. The supervisor has tried it."""
        try:
            self._listening.contexts.use(*descriptors)
        except ssl.SSLError as error:
            logs.emit(_LOG, logging.ERROR, "certificate not used", reason=error)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _copy_cache(self, descriptor: int, most_bytes: int) -> None:
        """Copy the cache. Only the records are collected at once; a thread writes them while queries are answered."""
        records = self._cache.pack(most_bytes, self._clock.boot_ns() // 1_000_000)
        loop = asyncio.get_running_loop()
        written = loop.run_in_executor(None, write_copy, descriptor, records, self._routes)

        def report(done: asyncio.Future[None]) -> None:
            if done.exception() is None:
                with suppress(OSError):  # the beat logs a supervisor that does not read, or notes its end
                    send(self._channel, CacheCopied())

        written.add_done_callback(report)

    def _take_cache(self, descriptor: int) -> None:
        """Keep the answers of another worker's cache. A copy that cannot be used costs only the cache."""
        is_first = not len(self._cache)
        try:
            answers = read_copy(descriptor, self._cache, self._routes, self._clock.boot_ns() // 1_000_000)
        except (DnsfilterError, OSError) as error:
            logs.emit(_LOG, logging.ERROR, "cache not taken over", reason=error)
        else:
            if is_first and answers:
                logs.emit(_LOG, logging.INFO, "cache taken over", answers=answers)

    async def _read_wanted(self) -> None:
        """Read the wanted sets of sockets, and stop reading the others."""
        while True:
            await self._wanted_changed.wait()
            self._wanted_changed.clear()
            if self._stopped.is_set():
                self._wanted = frozenset()
            await self._listening.read(self._wanted)

    def _swap(self, policy: Policy, descriptors: Sequence[int]) -> None:
        self._counters.received = policy.revision
        try:
            snapshot = self._open(descriptors)
            self._engine.swap(snapshot, policy.since_ms, policy.reference)
        except (SnapshotError, ValueError) as error:
            send(self._channel, Rejected(policy.revision, str(error)[:MOST_REASON]))
            return
        self._adopt(snapshot, policy.since_ms, policy.reference)
        send(self._channel, InForce(policy.revision))

    def _open(self, descriptors: Sequence[int]) -> Snapshot:
        manifest, names, ranges, rules = [map_sealed(descriptor) for descriptor in descriptors]
        return Snapshot.open(bytes(manifest), names, ranges, rules, self._site)

    def _adopt(self, snapshot: Snapshot, since_ms: int, reference: Reference | None) -> None:
        self._snapshot, self._revision = snapshot, snapshot.revision
        self._anchor = Anchor(snapshot.made_s, since_ms, reference)

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        report_at = loop.time() + REPORT_UNREGISTERED_S
        while True:
            self._engine.record_upstreams()
            if self._keeps_names:
                refresh(self._counters.names, boot_minute(self._clock.boot_ns()))
            self._reports.send_captured()
            try:
                doubted = self._anchor.doubts(self._clock.wall_s(), self._clock.boot_ns() // 1_000_000)
                send(self._channel, Alive(doubted))
                self._reports.send_counted()
                if loop.time() >= report_at:
                    report_at = loop.time() + REPORT_UNREGISTERED_S
                    self._reports.send_unregistered()
            except BlockingIOError:
                logs.emit(_LOG, logging.WARNING, "supervisor does not read messages")
            except OSError:
                self._stopped.set()
                return
            await asyncio.sleep(HEARTBEAT_S)


def _read_config(descriptor: int) -> tuple[Config, Sequence[SetOfSockets]]:
    with map_sealed(descriptor) as packed:
        return unpack_config(bytes(packed))


def main(channel: socket.socket) -> None:
    """Run the worker process on its end of the channel."""
    logs.setup()
    engine_class(chosen_kind())  # load it before orders come
    sockets: list[socket.socket] = []
    try:
        while (received := receive_order(channel)) is not None and isinstance(received[0], Sockets):
            sockets += [socket.socket(fileno=descriptor) for descriptor in received[1]]
    except UnknownMessage as error:
        logs.emit(_LOG, logging.ERROR, "unknown message from supervisor", reason=error)
        sys.exit(1)
    match received:
        case (Setup() as setup, descriptors):
            channel.setblocking(False)
            try:
                with asyncio.Runner(loop_factory=EngineLoop) as runner:
                    loop = cast(EngineLoop, runner.get_loop())
                    runner.run(_serve(loop, channel, setup, descriptors, sockets))
            except (MemoryError, OSError, UnavailableError) as error:
                logs.emit(_LOG, logging.ERROR, "the system refuses what a worker needs", failure=error)
                sys.exit(os.EX_OSERR)  # other exceptions are evidence against the snapshot or the engine
        case _:
            sys.exit(1)


async def _serve(
    loop: EngineLoop,
    channel: socket.socket,
    setup: Setup,
    descriptors: Sequence[int],
    sockets: Sequence[socket.socket],
) -> None:
    worker = Worker(loop, channel, setup, descriptors, sockets)
    gc.collect()
    gc.freeze()
    await worker.run()
