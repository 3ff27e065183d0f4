"""One worker process as its supervisor sees it: start it, send orders, read reports, know if it is able to serve."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from secrets import token_bytes
from typing import assert_never

from dnsfilter.config.node_config import Config
from dnsfilter.engine.choice import EngineKind
from dnsfilter.engine.clock import Reference
from dnsfilter.engine.interface import Captured
from dnsfilter.engine.refused_clients import RefusedClient
from dnsfilter.engine.server_cookies import SECRET_BYTES
from dnsfilter.engine.unregistered_counts import SLOTS, Noted
from dnsfilter.supervisor.sockets import Listening
from dnsfilter.supervisor.stalls import MISSED_S, Silence, Stall
from dnsfilter.supervisor.worker_starts import ChildProcess, WorkerStarts
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.worker import channel
from dnsfilter.worker.channel import (
    Alive,
    CacheCopied,
    Flushed,
    InForce,
    Listen,
    Order,
    PendingQueries,
    Policy,
    RangeQueries,
    Recorded,
    RefusedQueries,
    Rejected,
    Setup,
    Sockets,
    UnregisteredNetworks,
)
from dnsfilter.worker.sealed import seal
from dnsfilter.worker.start_config import SetOfSockets, pack_config

_MOST_NOTED = 8 * SLOTS
"""Unregistered networks, and refused clients, kept of one worker at a time. Reports beyond this are dropped."""
_MOST_CAPTURED = 8
"""Reports of recorded queries kept of one worker at a time. Reports beyond this are dropped."""
_MOST_PENDING = 32
"""Reports of pending names kept of one worker at a time: more than an engine keeps for them. Others are dropped."""
_LOG = logging.getLogger("dnsfilter.node")


@dataclass(frozen=True, slots=True)
class Orders:
    """The settings that workers are started with. Workers of an older `version` are replaced.

    All workers of a supervisor share the secret of server cookies: any of them may get a client's next query.
    """

    version: int
    config: Config
    listening: Listening
    engine: EngineKind
    upstreams: tuple[str, ...]
    cookie_secret: bytes = field(default_factory=partial(token_bytes, SECRET_BYTES), repr=False)


@dataclass(frozen=True, slots=True)
class Sealed:
    """The snapshot to decide by: its revision, the boot time that its making time counts from, its sealed files.

    `node` is the name with which this node has enrolled, or empty. A wall clock ahead of `reference` is not believed.
    """

    revision: int
    since_ms: int
    descriptors: Sequence[int]
    node: str = ""
    reference: Reference | None = None


class WorkerProcess:
    """A started worker; made by `start`. Times are seconds of the supervisor's monotonic clock."""

    def __init__(
        self,
        process: ChildProcess,
        sock: socket.socket,
        block: CounterBlock,
        orders: Orders,
        position: int,
        now: float,
        clock: Callable[[], float],
    ) -> None:
        self.process = process
        self.block = block
        self.position = position
        self.version = orders.version
        self.sets = len(orders.listening.sets)
        self.upstreams = orders.upstreams
        self.demands_certificate = orders.config.encrypted.client_ca is not None
        self.started = self.heard = now
        self.revision: int | None = None
        """The revision that it has reported in force. None until it is ready to listen."""
        self.clock_doubted = False
        self.cache_copied = False
        """It has completed the copy of its cache that it was asked for."""
        self.gone = False
        self.leaving_since: float | None = None
        self.reading: frozenset[int] = frozenset()
        self.stall, self.silence = Stall(), Silence()
        self.unregistered: list[Noted] = []
        """Reported networks in no range that the crew has not taken yet."""
        self.captured: list[Captured] = []
        """What it has recorded for captures, until the crew takes it."""
        self.range_queries: dict[str, int] = {}
        """Reported queries by range that the crew has not taken yet."""
        self.pending: list[PendingQueries] = []
        """Reported queries for pending names that the crew has not taken yet."""
        self.refused: list[RefusedClient] = []
        """Reported clients of refused queries that the crew has not taken yet."""
        self._sock = sock
        self._clock = clock

    @classmethod
    def start(
        cls,
        orders: Orders,
        position: int,
        block: CounterBlock,
        snapshot: Sealed,
        clock: Callable[[], float],
        starts: WorkerStarts,
    ) -> "WorkerProcess":
        """Start a process and send it the orders. Raise OSError if that fails."""
        process, sock = starts.start(orders.engine)
        try:
            _send_orders(sock, orders, block, snapshot)
        except OSError:
            sock.close()
            process.kill()
            process.wait()
            raise
        sock.setblocking(False)
        return cls(process, sock, block, orders, position, clock(), clock)

    def watch(self, wake: Callable[[], None]) -> None:
        """Read its reports on the running loop. Call `wake` when something has changed."""
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self._hear, wake)

    def is_able(self, now: float) -> bool:
        """Return whether it serves and has reported recently, so that clients can rely on it."""
        return self.is_ready and now - self.heard <= MISSED_S

    @property
    def is_ready(self) -> bool:
        """Return whether it can be sent the sets to read: it has a snapshot in force, runs, and is not leaving."""
        return self.revision is not None and not self.gone and self.leaving_since is None

    def send(self, message: Order, descriptors: Sequence[int] = ()) -> bool:
        """Send an order. Return whether it was sent. Kill a worker that does not read."""
        try:
            channel.send(self._sock, message, descriptors)
        except OSError as error:
            if not self.gone:
                logs.emit(_LOG, logging.ERROR, "worker does not read messages", pid=self.process.pid, reason=error)
                self.process.kill()
            return False
        return True

    def send_policy(self, snapshot: Sealed) -> None:
        """Have it decide by another snapshot."""
        policy = Policy(snapshot.revision, snapshot.since_ms, snapshot.node, snapshot.reference)
        self.send(policy, snapshot.descriptors)

    def order_to_read(self, sets: frozenset[int]) -> None:
        """Have it read exactly these sets, as far as it has inherited them."""
        sets = frozenset(number for number in sets if number < self.sets)
        if sets != self.reading and self.send(Listen(sets)):
            self.reading = sets

    def hear_out(self) -> None:
        """Read the last messages of a process that has ended."""
        while not self.gone:
            self._hear(lambda: None)

    def close(self) -> None:
        """Close the channel. The worker then ends."""
        if not self.gone:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
        self._sock.close()

    def hand_over(self) -> tuple[int, int]:
        """Return process id and channel for the program that replaces this one by exec. Stop reading its reports."""
        if not self.gone:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
        return self.process.pid, self._sock.fileno()

    def _hear(self, wake: Callable[[], None]) -> None:
        try:
            report = channel.receive_report(self._sock)
        except channel.UnknownMessage as error:
            logs.emit(_LOG, logging.ERROR, "unknown message from worker", pid=self.process.pid, reason=error)
            self.process.kill()
            report = None
        except OSError:
            report = None
        if report is None:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
            self.gone = True
            wake()
            return
        self.heard = self._clock()
        match report:
            case InForce(revision):
                self.revision = revision
                logs.emit(_LOG, logging.INFO, "snapshot in force", pid=self.process.pid, revision=revision)
                wake()
            case Rejected(revision, reason):
                logs.emit(_LOG, logging.ERROR, "worker rejected snapshot", revision=revision, reason=reason)
            case Alive(doubted):
                self.clock_doubted = doubted
            case Flushed(answers):
                logs.emit(_LOG, logging.INFO, "cache flushed", pid=self.process.pid, answers=answers)
            case CacheCopied():
                self.cache_copied = True
                wake()
            case UnregisteredNetworks(noted):
                if len(self.unregistered) <= _MOST_NOTED:
                    self.unregistered += noted
            case Recorded(captured):
                if len(self.captured) < _MOST_CAPTURED:
                    self.captured.append(captured)
            case RangeQueries(queries):
                for prefix, number in queries.items():
                    self.range_queries[prefix] = self.range_queries.get(prefix, 0) + number
            case PendingQueries():
                if len(self.pending) < _MOST_PENDING:
                    self.pending.append(report)
            case RefusedQueries(noted):
                if len(self.refused) <= _MOST_NOTED:
                    self.refused += noted
            case _:
                assert_never(report)


def block_path(directory: Path, number: int) -> Path:
    """Return the path of a worker's counters. `number` grows with each worker that is started."""
    return directory / f"worker-{number}"


def _send_orders(sock: socket.socket, orders: Orders, block: CounterBlock, snapshot: Sealed) -> None:
    """Send a worker all listening sockets of the node and what it needs to serve."""
    sockets = [each.fileno() for _, each in orders.listening.bound()]
    for start in range(0, len(sockets), channel.MOST_DESCRIPTORS):
        channel.send(sock, Sockets(), sockets[start : start + channel.MOST_DESCRIPTORS])
    packed = seal("dnsfilter-config", pack_config(orders.config, _numbered(orders.listening)))
    try:
        setup = Setup(str(block.path), snapshot.since_ms, orders.cookie_secret, snapshot.node, snapshot.reference)
        channel.send(sock, setup, [packed, *snapshot.descriptors])
    finally:
        os.close(packed)


def _numbered(listening: Listening) -> tuple[SetOfSockets, ...]:
    """Return the sets with their sockets as numbers in the order of `Listening.bound`."""
    numbers = count()
    return tuple(
        SetOfSockets(*(tuple(next(numbers) for _ in sockets) for sockets in (each.udp, each.tcp, each.dot, each.doh)))
        for each in listening.sets
    )
