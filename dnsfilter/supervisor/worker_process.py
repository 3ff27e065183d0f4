"""One worker process as its supervisor sees it: started, told, heard, and when it counts as able to serve."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from dnsfilter.config.node_config import Config
from dnsfilter.engine.choice import VARIABLE, EngineKind
from dnsfilter.engine.unregistered import PLACES, Noted
from dnsfilter.supervisor.sockets import Listening
from dnsfilter.supervisor.stalls import Stall
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.worker import channel
from dnsfilter.worker.channel import Alive, InForce, Listen, Order, Policy, Rejected, Setup, UnregisteredNetworks
from dnsfilter.worker.sealed import seal
from dnsfilter.worker.start_config import Inherited, pack_config

MISSED_S = 1.0
"""A worker that has said nothing for so long, four heartbeats, is stood in for."""
_MOST_NOTED = 8 * PLACES
"""Unregistered networks kept of one worker at a time. With more than these, its reports wait in the socket."""
_NOT_A_CHILDS = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID")
_LOG = logging.getLogger("dnsfilter.node")


@dataclass(frozen=True, slots=True)
class Orders:
    """What workers are started with. Those of an older `version` are to be replaced."""

    version: int
    config: Config
    listening: Listening
    engine: EngineKind
    upstreams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """The snapshot to decide by: its revision, the boot time its making counts from, its sealed files."""

    revision: int
    since_ms: int
    descriptors: Sequence[int]


@dataclass(frozen=True, slots=True)
class Standby:
    """A process that starts as a worker and waits for its orders; it ends when its channel closes."""

    process: subprocess.Popen[bytes]
    sock: socket.socket

    @classmethod
    def start(cls, listening: Listening, engine: EngineKind) -> "Standby":
        """A new process that inherits every listening socket. OSError when there is no room for it."""
        ours, theirs = channel.pair()
        numbers = [sock.fileno() for _, sock in listening.placed()]
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "dnsfilter.worker.process", str(theirs.fileno())],
                pass_fds=(theirs.fileno(), *numbers),
                stdin=subprocess.DEVNULL,
                env={**child_environment(), VARIABLE: engine.value},
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(process, ours)

    def order(self, orders: Orders, block: CounterBlock, snapshot: Sealed) -> None:
        """Have it begin; it has inherited these orders' sockets. OSError when it cannot be told, and then it ends."""
        sets = tuple(_inherited(each.udp, each.tcp) for each in orders.listening.sets)
        try:
            packed = seal("dnsfilter-config", pack_config(orders.config, sets))
            try:
                setup = Setup(str(block.path), snapshot.since_ms)
                channel.send(self.sock, setup, [packed, *snapshot.descriptors])
            finally:
                os.close(packed)
        except OSError:
            self.sock.close()
            self.process.kill()
            self.process.wait()
            raise
        self.sock.setblocking(False)


class WorkerProcess:
    """Made by `start`. Times are the supervisor's: seconds of a clock that only grows."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        sock: socket.socket,
        block: CounterBlock,
        orders: Orders,
        seat: int,
        now: float,
        clock: Callable[[], float],
    ) -> None:
        self.process = process
        self.block = block
        self.seat = seat
        self.version = orders.version
        self.sets = len(orders.listening.sets)
        self.started = self.heard = now
        self.revision: int | None = None
        """What it says is in force; None until it is ready to listen."""
        self.clock_doubted = False
        self.gone = False
        self.leaving_since: float | None = None
        self.reading: frozenset[int] = frozenset()
        self.stall = Stall()
        self.unregistered: list[Noted] = []
        """What it has told of networks in no range and nobody has taken in yet."""
        self._sock = sock
        self._clock = clock

    @classmethod
    def start(
        cls,
        orders: Orders,
        seat: int,
        block: CounterBlock,
        snapshot: Sealed,
        clock: Callable[[], float],
        standby: Standby | None = None,
    ) -> "WorkerProcess":
        """The standby with its orders, or a new process. OSError when there is no room for it."""
        standby = standby or Standby.start(orders.listening, orders.engine)
        standby.order(orders, block, snapshot)
        return cls(standby.process, standby.sock, block, orders, seat, clock(), clock)

    def watch(self, stirred: Callable[[], None]) -> None:
        """Listen to it on the running loop; `stirred` is called when something has changed."""
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self._hear, stirred)

    def is_able(self, now: float) -> bool:
        """Whether clients may be left to it: it serves, and has been heard of lately."""
        return self.is_ready and now - self.heard <= MISSED_S

    @property
    def is_ready(self) -> bool:
        """Whether it can be told what to read: it has a snapshot in force, is there, and is to stay."""
        return self.revision is not None and not self.gone and self.leaving_since is None

    def send(self, message: Order, descriptors: Sequence[int] = ()) -> bool:
        """Send an order; return whether it was sent. A worker that does not read is ended."""
        try:
            channel.send(self._sock, message, descriptors)
        except OSError as error:
            if not self.gone:
                logs.emit(_LOG, logging.ERROR, "worker takes no message", pid=self.process.pid, reason=error)
                self.process.kill()
            return False
        return True

    def send_policy(self, snapshot: Sealed) -> None:
        """Have it decide by another snapshot."""
        self.send(Policy(snapshot.revision, snapshot.since_ms), snapshot.descriptors)

    def order_to_read(self, sets: frozenset[int]) -> None:
        """Have it read exactly these sets, as far as it has inherited them."""
        sets = frozenset(number for number in sets if number < self.sets)
        if sets != self.reading and self.send(Listen(sets)):
            self.reading = sets

    def close(self) -> None:
        """Listen no more; to the worker this means that it is to end."""
        if not self.gone:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
        self._sock.close()

    def hand_over(self) -> tuple[int, int]:
        """Process id and channel, for a successor of this very process over exec; not to be listened to any more."""
        if not self.gone:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
        return self.process.pid, self._sock.fileno()

    def _hear(self, stirred: Callable[[], None]) -> None:
        try:
            report = channel.receive_report(self._sock)
        except channel.UnknownMessage as error:
            logs.emit(_LOG, logging.ERROR, "worker is not understood", pid=self.process.pid, reason=error)
            self.process.kill()
            report = None
        except OSError:
            report = None
        if report is None:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
            self.gone = True
            stirred()
            return
        self.heard = self._clock()
        match report:
            case InForce(revision):
                self.revision = revision
                logs.emit(_LOG, logging.INFO, "snapshot in force", pid=self.process.pid, revision=revision)
                stirred()
            case Rejected(revision, reason):
                logs.emit(_LOG, logging.ERROR, "worker rejected snapshot", revision=revision, reason=reason)
            case Alive(doubted):
                if doubted and not self.clock_doubted:
                    logs.emit(_LOG, logging.ERROR, "clock is earlier than the policy and not believed")
                self.clock_doubted = doubted
            case UnregisteredNetworks(noted):
                if len(self.unregistered) <= _MOST_NOTED:
                    self.unregistered += noted
            case _:
                assert_never(report)


def block_path(directory: Path, number: int) -> Path:
    """Where a worker's counters are; `number` grows with each worker that was ever started."""
    return directory / f"worker-{number}"


def _inherited(udp: Sequence[socket.socket], tcp: Sequence[socket.socket]) -> Inherited:
    return Inherited(tuple(sock.fileno() for sock in udp), tuple(sock.fileno() for sock in tcp))


def child_environment() -> dict[str, str]:
    """The supervisor's own, less what the service manager meant for it alone."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_A_CHILDS}
