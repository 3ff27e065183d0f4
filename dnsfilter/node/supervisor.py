"""The supervisor: holds sockets and snapshot, keeps a worker alive, folds its counters, answers probes.

It answers no query itself. A worker that dies loses what was in its hands and nothing else: the sockets are the
supervisor's, and what arrives meanwhile waits in them.
"""

import asyncio
import logging
import os
import pickle
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from dnsfilter import __version__
from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.model import Config
from dnsfilter.engine.choice import EngineKind, why_not_compiled
from dnsfilter.errors import UnavailableError
from dnsfilter.node import channel
from dnsfilter.node.channel import Alive, InForce, Policy, Rejected, Setup, Stop
from dnsfilter.node.notify import notify
from dnsfilter.node.policyfeed import PolicyFeed
from dnsfilter.node.privileges import CAP_NET_BIND_SERVICE, keep_only
from dnsfilter.node.sealed import seal
from dnsfilter.node.sockets import Listening
from dnsfilter.node.status import StatusServer
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.block import DEFAULT_CAPACITY, MAX_CAPACITY, CounterBlock
from dnsfilter.telemetry.collector import NodeState, node_registry, render
from dnsfilter.telemetry.totals import Totals
from dnsfilter.upstream.zones import Zones

POLL_S = 0.02
"""How often the store is looked at: a fifth of the time in which a change must be in force."""
SILENCE_S = 10.0
"""A worker that has said nothing for so long hangs, and is ended."""
FIRST_BACK_OFF_S = 0.1
LONGEST_BACK_OFF_S = 5.0
STEADY_S = 30.0
"""A worker that lived so long starts the back-off anew when it dies."""
STOP_S = 5.0
_COUNTERS = "dnsfilter-counters-"
_LOG = logging.getLogger("dnsfilter.node")


@dataclass(slots=True, eq=False)
class _Running:
    """A worker process as its supervisor sees it; `revision` is what it says is in force."""

    process: subprocess.Popen[bytes]
    sock: socket.socket
    block: CounterBlock
    started: float
    heard: float
    revision: int | None = None
    clock_doubted: bool = False


class Supervisor:
    """One node. `run` serves until SIGTERM or SIGINT."""

    def __init__(
        self, config: Config, engine: EngineKind, listening: Listening, status: socket.socket, feed: PolicyFeed
    ) -> None:
        """Takes over the sockets; `feed` has a snapshot loaded, `engine` is what workers run."""
        self._config = config
        self._engine = engine
        self._listening = listening
        self._status_socket = status
        self._feed = feed
        self._upstreams = [endpoint_text(e) for e in Zones(config.upstream.servers, config.zones).endpoints]
        self._totals = Totals()
        self._counters_dir = _make_counters_dir()
        self._worker: _Running | None = None
        self._generation = 0
        self._restarts = 0
        self._back_off_s = FIRST_BACK_OFF_S
        self._start_at = 0.0
        self._stopping = asyncio.Event()
        self._ready_said = False

    async def run(self) -> None:
        """Keep a worker serving; afterwards everything that this object took over is closed."""
        self._say_engine()
        keep_only({CAP_NET_BIND_SERVICE})
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # 256 sockets an upstream, and the clients'
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, _refuse_reload)
        registry = node_registry(self._totals.snapshot, self._state)
        status = StatusServer(self._status_socket, lambda: render(registry), self.unready)
        self._learn(self._snapshot)
        try:
            while not self._stopping.is_set():
                self._look_after_worker()
                self._look_for_snapshot()
                await self._pause(POLL_S)
            notify("STOPPING=1")
            await self._stop_worker()
        finally:
            await status.close()
            self._listening.close()
            self._feed.close()
            shutil.rmtree(self._counters_dir, ignore_errors=True)

    def unready(self) -> str | None:
        """Why the node should get no clients; None when it is ready."""
        worker = self._worker
        if worker is None or worker.revision is None:
            return "no worker is serving"
        if worker.revision != self._snapshot.revision:
            return f"revision {worker.revision} is in force, {self._snapshot.revision} is not yet"
        return None

    @property
    def _snapshot(self) -> Snapshot:
        snapshot = self._feed.snapshot
        if snapshot is None:
            raise RuntimeError("the supervisor runs without a snapshot")
        return snapshot

    def _state(self) -> NodeState:
        worker = self._worker
        in_force = worker.revision if worker is not None else None
        age_s = self._feed.age_s() if in_force is not None else None
        doubted = worker is not None and worker.clock_doubted
        return NodeState(
            __version__, self._engine, 0 if worker is None else 1, self._restarts, in_force, age_s, doubted
        )

    def _say_engine(self) -> None:
        logs.emit(_LOG, logging.INFO, "node starts", version=__version__, engine=self._engine)
        if self._engine is EngineKind.REFERENCE and (reason := why_not_compiled()) is not None:
            logs.emit(_LOG, logging.WARNING, "compiled engine is not here", reason=reason)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    # Snapshots.

    def _look_for_snapshot(self) -> None:
        snapshot = self._feed.poll()
        if snapshot is None:
            return
        self._learn(snapshot)
        if self._worker is None:
            return
        self._totals.fold(self._worker.block)
        if len(snapshot.pairs) > self._worker.block.capacity:
            # Its counters have no room for so many authorities and services; a new worker's have.
            self._worker.process.terminate()
        else:
            self._send_policy(self._worker)

    def _learn(self, snapshot: Snapshot) -> None:
        self._totals.learn(snapshot.rules_digest, snapshot.pairs)

    def _send_policy(self, worker: _Running) -> None:
        try:
            message = Policy(self._snapshot.revision, self._feed.anchor.boot_ms)
            channel.send(worker.sock, message, self._feed.descriptors)
        except OSError as error:
            # A worker that does not read is as good as dead, and its successor starts with the newest snapshot.
            logs.emit(_LOG, logging.ERROR, "worker takes no snapshot", reason=error)
            worker.process.kill()

    # The worker.

    def _look_after_worker(self) -> None:
        now = time.monotonic()
        worker = self._worker
        if worker is None:
            if now >= self._start_at:
                self._try_to_start(now)
        elif worker.process.poll() is not None:
            self._bury(worker, now)
        elif now - worker.heard > SILENCE_S:
            logs.emit(_LOG, logging.ERROR, "worker is silent", seconds=int(now - worker.heard))
            worker.process.kill()

    def _try_to_start(self, now: float) -> None:
        try:
            self._worker = self._start()
        except (OSError, UnavailableError) as error:
            self._start_at = now + self._back_off_s
            logs.emit(_LOG, logging.ERROR, "worker not started", reason=error, again_in_s=self._back_off_s)
            self._back_off_s = min(2 * self._back_off_s, LONGEST_BACK_OFF_S)

    def _start(self) -> _Running:
        self._generation += 1
        self._counters_dir.mkdir(mode=0o700, exist_ok=True)
        block = CounterBlock.create(
            self._counters_dir / f"worker-{self._generation}", len(self._upstreams), _capacity(self._snapshot)
        )
        ours, theirs = channel.pair()
        listeners = [sock.fileno() for sock in (*self._listening.udp, *self._listening.tcp)]
        since_ms = self._feed.anchor.boot_ms
        setup = Setup(block.path, len(self._listening.udp), len(self._listening.tcp), since_ms)
        try:
            config = seal("dnsfilter-config", pickle.dumps(self._config))
            try:
                channel.send(ours, setup, [config, *listeners, *self._feed.descriptors])
            finally:
                os.close(config)
            process = subprocess.Popen(
                [sys.executable, "-m", "dnsfilter.node.worker", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        except OSError:
            ours.close()
            block.close()
            block.path.unlink(missing_ok=True)
            raise
        finally:
            theirs.close()
        self._totals.watch(block, self._upstreams)
        ours.setblocking(False)
        now = time.monotonic()
        worker = _Running(process, ours, block, now, now)
        asyncio.get_running_loop().add_reader(ours.fileno(), self._hear, worker)
        logs.emit(_LOG, logging.INFO, "worker started", pid=process.pid, revision=self._snapshot.revision)
        return worker

    def _hear(self, worker: _Running) -> None:
        try:
            received = channel.receive(worker.sock)
        except OSError:
            received = None
        if received is None:
            asyncio.get_running_loop().remove_reader(worker.sock.fileno())
            return
        worker.heard = time.monotonic()
        match received[0]:
            case InForce(revision):
                worker.revision = revision
                logs.emit(_LOG, logging.INFO, "snapshot in force", revision=revision)
                self._say_ready()
            case Rejected(revision, reason):
                logs.emit(_LOG, logging.ERROR, "worker rejected snapshot", revision=revision, reason=reason)
            case Alive(doubted):
                if doubted and not worker.clock_doubted:
                    logs.emit(_LOG, logging.ERROR, "clock is earlier than the policy and not believed")
                worker.clock_doubted = doubted
            case message:
                raise ValueError(f"unexpected message from worker: {type(message).__name__}")

    def _say_ready(self) -> None:
        if not self._ready_said:
            self._ready_said = True
            notify("READY=1")

    def _bury(self, worker: _Running, now: float) -> None:
        """Take what a dead worker has counted, and let its successor start after a while."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(worker.sock.fileno())
        worker.sock.close()
        self._totals.retire(worker.block)
        worker.block.close()
        worker.block.path.unlink(missing_ok=True)
        self._worker = None
        if self._stopping.is_set():
            return
        self._restarts += 1
        if now - worker.started >= STEADY_S:
            self._back_off_s = FIRST_BACK_OFF_S
        self._start_at = now + self._back_off_s
        logs.emit(
            _LOG, logging.ERROR, "worker died", pid=worker.process.pid, status=worker.process.returncode,
            again_in_s=self._back_off_s,
        )  # fmt: skip
        self._back_off_s = min(2 * self._back_off_s, LONGEST_BACK_OFF_S)

    async def _stop_worker(self) -> None:
        worker = self._worker
        if worker is None:
            return
        try:
            channel.send(worker.sock, Stop())
        except OSError:
            worker.process.terminate()
        deadline = time.monotonic() + STOP_S
        while worker.process.poll() is None:
            if time.monotonic() >= deadline:
                worker.process.kill()
            await asyncio.sleep(POLL_S)
        self._bury(worker, time.monotonic())


def _capacity(snapshot: Snapshot) -> int:
    """Room for the counters of twice as many pairs as there are, so that few changes need a new worker."""
    return min(max(DEFAULT_CAPACITY, 2 * len(snapshot.pairs)), MAX_CAPACITY)


def _refuse_reload() -> None:
    logs.emit(_LOG, logging.WARNING, "configuration is not reloaded", advice="check it, then restart")


def _make_counters_dir() -> Path:
    """A new directory for counters, on tmpfs where there is one; those of supervisors that were killed go."""
    candidates = (os.environ.get("RUNTIME_DIRECTORY", ""), "/dev/shm", tempfile.gettempdir())
    parent = Path(next(candidate for candidate in candidates if candidate and os.access(candidate, os.W_OK)))
    for left in parent.glob(f"{_COUNTERS}*"):
        owner = left.name.removeprefix(_COUNTERS).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_COUNTERS}{os.getpid()}-", dir=parent))
