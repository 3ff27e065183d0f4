"""The supervisor: holds sockets and snapshot, keeps its workers serving, answers probes, handles signals.

It answers no query itself. When a worker dies, only its pending queries are lost: the sockets belong to the
supervisor, and another worker reads what arrives meanwhile.
"""

import asyncio
import logging
import os
import shutil
import signal
import socket
import time
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dnsfilter import __version__
from dnsfilter.config.node_config import Config
from dnsfilter.control.report import Facts, Pace, queries_and_entries
from dnsfilter.control.unregistered_networks import UnregisteredNetwork
from dnsfilter.control.usage_batches import QUARTER_S
from dnsfilter.engine.choice import EngineKind
from dnsfilter.errors import DnsfilterError, UnavailableError
from dnsfilter.local.capture_files import CaptureFiles
from dnsfilter.local.drain_request import Drain
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.supervisor.cache_copies import copy_caches
from dnsfilter.supervisor.command_socket import answer_commands
from dnsfilter.supervisor.crew import Crew, Death
from dnsfilter.supervisor.deaths.recovery import Recovery
from dnsfilter.supervisor.look_timer import GLANCE_S, LookTimer
from dnsfilter.supervisor.reload_queue import Outcomes, ReloadQueue
from dnsfilter.supervisor.reload_steps import log_addresses, log_refusal, reload_files
from dnsfilter.supervisor.snapshot_watch import PolicyFeed
from dnsfilter.supervisor.sockets import Listening, log_buffer, receive_buffer
from dnsfilter.supervisor.start import Means, log_engine
from dnsfilter.supervisor.upgrade import Handover, Predecessors, hand_over, restore_totals, try_out
from dnsfilter.supervisor.vitals.node_vitals import NodeVitals
from dnsfilter.supervisor.worker_process import Orders, Sealed
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.kept_totals import write_totals
from dnsfilter.telemetry.metrics import SNAPSHOTS_QUARANTINED
from dnsfilter.telemetry.nodestate import NodeState
from dnsfilter.telemetry.notify import notify, notify_reloading, watchdog_s
from dnsfilter.telemetry.totals import Totals
from dnsfilter.upstream.zones import server_texts
from dnsfilter.worker.counters_directory import make_counters_dir
from dnsfilter.worker.privileges import CAP_NET_BIND_SERVICE, keep_only

if TYPE_CHECKING:
    from dnsfilter.control.link import Control
    from dnsfilter.supervisor.web import StatusServer

CONTROL_STOP_S = 0.5
"""Seconds that a stop waits for a running report to the control plane, or for a write to disk."""
TAKEOVER_S = 45.0
"""Seconds that a reload waits for its workers: one that does not start is replaced after 30. systemd waits for 90."""
UNSERVED_S = 1.0
"""Seconds after the start at which the status server opens, even if the node does not serve yet."""
_QUARANTINED = SNAPSHOTS_QUARANTINED.name
_LOG = logging.getLogger("dnsfilter.node")


class Supervisor:
    """One node. `run` serves until SIGTERM or SIGINT. SIGHUP reloads, SIGUSR2 upgrades."""

    def __init__(
        self,
        config: Config,
        engine: EngineKind,
        listening: Listening,
        status: socket.socket,
        feed: PolicyFeed,
        means: Means,
        handover: Handover,
    ) -> None:
        """Take over the sockets, and the zygote in `means`. `feed` must have a snapshot loaded.

        Handed-over sockets and workers are closed when this node serves.
        """
        self._feed = feed
        self._means = means
        self._status_socket = status
        self._status: StatusServer | None = None
        self._status_due = time.monotonic() + UNSERVED_S
        self._listening = listening
        self._superseded: list[Listening] = []
        self._handover = handover
        self._totals = Totals()
        self._predecessors = Predecessors(handover.workers, self._totals.retire_inherited)
        numbers = restore_totals(self._totals, handover.totals)  # before the old counters are removed
        self._counters_dir = make_counters_dir()
        self._look_timer = LookTimer(lambda now: self._crew.look_for_stalls(now), self._look)
        orders = Orders(1, config, listening, engine, server_texts(config))
        self._crew = Crew(orders, self._sealed, self._totals, self._counters_dir, self._look_timer.wake, means.starts)
        self._crew.go_on_from(numbers, handover.caches)
        self._vitals = NodeVitals(self._crew, handover.dropped, numbers)
        self._captures = CaptureFiles(config.node_dir)
        self._recovery = Recovery(feed, self._crew, self._put_in_force, numbers.get(_QUARANTINED, 0))
        self._drain, self._pace = Drain(), Pace()
        self._ready_sent = False
        self._reload_queue = ReloadQueue(self._reload, self._upgrade)
        self._outcomes = Outcomes(means.text)
        self._control: Control | None = None
        self._watchdog_s, self._watchdog_at = watchdog_s(), 0.0

    async def run(self) -> None:
        """Keep workers serving until `stop`, then close everything that this object took over."""
        keep_only({CAP_NET_BIND_SERVICE})
        log_engine(self._crew.orders.engine)
        log_buffer(self._listening)
        log_addresses(self._crew.orders.config, self._handover.endpoints)
        self._handle_signals()
        commands = self._answer_commands()
        self._totals.learn(self._snapshot.rules_digest, self._snapshot.words)
        try:
            await self._look_timer.run()
            notify("STOPPING=1")
            self._reload_queue.cancel()
            self._predecessors.dismiss()
            await self._crew.stop()
            self._captures.write(self._crew.take_captured())
            if self._control is not None:
                await asyncio.to_thread(self._control.finish, self._facts(), CONTROL_STOP_S)
        finally:
            if commands is not None:
                commands.cancel()
            if self._control is not None:
                self._control.close()
                self._control.join(CONTROL_STOP_S)
            await self._close_status()
            self._status_socket.close()
            self._listening.close()
            for listening in self._superseded:
                listening.close()
            self._means.starts.close()
            self._feed.close()
            self._captures.close()
            shutil.rmtree(self._counters_dir, ignore_errors=True)

    def unready(self) -> str | None:
        """Return the reason why the node should get no clients. None if it is ready."""
        serving = self._crew.serving()
        if not serving:
            return "no worker is serving"
        if all(worker.revision != self._snapshot.revision for worker in serving):
            return f"revision {serving[0].revision} is in force, {self._snapshot.revision} is not yet"
        return None

    def _unready_page(self, upstreams: bool) -> str | None:
        """Return the reason why `/readyz` answers 503.

        Include an unreadable store and lifted bans, for which a start does not wait.
        """
        if self._drain.began:
            return "draining"
        if self._predecessors.serving() and not self._crew.serving():
            return None  # after an upgrade the workers of the old program answer meanwhile
        reason = self.unready() or self._feed.unreadable or self._recovery.lifted
        return reason or (self._vitals.no_upstream() if upstreams else None)

    def unregistered(self) -> tuple[UnregisteredNetwork, ...]:
        """Return the networks in no range that sent queries within a day, those with the most queries first."""
        return self._crew.unregistered()

    @property
    def _snapshot(self) -> Snapshot:
        snapshot = self._feed.snapshot
        if snapshot is None:
            raise RuntimeError("the supervisor runs without a snapshot")
        return snapshot

    def _sealed(self) -> tuple[Sealed, int]:
        anchor, name = self._feed.anchor, self._vitals.node_name()
        sealed = Sealed(self._snapshot.revision, anchor.boot_ms, self._feed.descriptors, name, anchor.reference)
        return sealed, self._snapshot.words.size

    def _revision_in_force(self) -> int | None:
        """Return the oldest revision that a serving worker decides by. None if there is no such worker."""
        revisions = (worker.revision for worker in self._crew.serving() if worker.revision is not None)
        return min(revisions, default=None)

    def _report_cause(self) -> Hashable:
        """Return a value that changes with the decisions, and when counts begin to belong to another period.

        Decisions depend on the revision, the manifest, local acts and learning mode.
        """
        feed, quarter = self._feed, int(time.time()) // QUARTER_S
        return self._revision_in_force(), feed.manifest_digest, feed.acts, self._vitals.learning_until, quarter

    def _state(self) -> NodeState:
        serving, revision = self._crew.serving(), self._revision_in_force()
        return NodeState(
            __version__,
            self._crew.orders.engine,
            len(serving),
            self._crew.restarts,
            revision,
            None if revision is None else self._feed.age_s(),
            any(worker.clock_doubted for worker in serving),
            self._recovery.quarantined,
            self._recovery.fallen_back,
            receive_buffer(self._listening.sets[0].udp[0]),
            tuple(sorted(authority or "" for authority in self._feed.suspended())),
            self._vitals.read(self._udp_sockets()),
            self._recovery.lifted is not None,
            self._feed.remark is not None,
            Counter((each.authority, each.verdict.value) for each in self._feed.acts.names),
        )

    def _udp_sockets(self) -> Iterator[socket.socket]:
        """Yield every UDP socket that queries arrive at, also those of workers with older orders."""
        for listening in (self._listening, *self._superseded):
            for each in listening.sets:
                yield from each.udp
        yield from (sock for (kind, _), sock in self._handover.sockets if kind is socket.SOCK_DGRAM)

    def _open_status(self) -> None:
        """Open the status server on a duplicate of the socket, because the server closes the socket that it gets.

        Import its libraries here: the import takes longer than the start of a worker, and workers come first.
        """
        from dnsfilter.supervisor.web import StatusServer
        from dnsfilter.telemetry.collector import NodePages

        write = NodePages().write
        pages = (lambda: partial(write, self._totals.snapshot(), self._state())), self._unready_page
        self._status = StatusServer(self._status_socket.dup(), *pages, lambda: self._feed.remark)

    async def _close_status(self) -> None:
        if self._status is not None:
            await self._status.close()
            self._status = None

    def _follow(self) -> None:
        """Start to follow the control plane and to report to it. Its modules are imported after the start."""
        if self._means.follow is None or self._control is not None:
            return
        try:
            loop = asyncio.get_running_loop()
            self._control = self._means.follow(lambda: loop.call_soon_threadsafe(self._look_timer.wake))
        except UnavailableError as error:
            logs.emit(_LOG, logging.ERROR, "control plane not followed until a restart", reason=error)

    def _facts(self) -> Facts:
        state, config = self._state(), self._crew.orders.config
        queries, entries = queries_and_entries(self._totals.snapshot())
        return Facts(
            state.snapshot_revision,
            self._feed.manifest_digest,
            None if state.snapshot_age_s is None else int(state.snapshot_age_s),
            state.engine,
            state.workers,
            self._feed.unreadable or self._recovery.lifted or self._feed.trouble,
            queries,
            entries,
            (os.getpid(), *(member.process.pid for member in self._crew.members)),
            self._feed.local_suspensions(),
            self.unregistered(),
            self._feed.held_up_to,
            self._totals.usage(),
            self._crew.refused,
            self._vitals.learning_until,
            tuple(zone.suffix for zone in config.zones),
            config.control_plane.host_name,
            self._feed.acts.names,
        )

    # The loop.

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload_queue.ask_reload)
        loop.add_signal_handler(signal.SIGUSR2, self._reload_queue.ask_upgrade)

    def _answer_commands(self) -> asyncio.Task[None] | None:
        """Answer commands on this machine. A trial leaves them to the node that runs."""
        if self._handover.is_trial:
            return None
        named = next(iter(self._means.files))
        answering = answer_commands(named, self._reload_queue.ask_reload, lambda: self._outcomes.running)
        return asyncio.get_running_loop().create_task(answering)

    def stop(self) -> None:
        """Make `run` return when pending queries are answered."""
        self._look_timer.end()

    def _look(self, now: float) -> None:
        for death in self._crew.tend(now):
            self._handle_death(death, now)
        self._vitals.look(now)
        self._look_for_snapshot(now)
        self._look_for_requests(now)
        self._recovery.look(now)
        self._ready_sent = self._ready_sent or self.unready() is None
        if self._ready_sent:
            self._outcomes.look(self._feed.remark)
        if self._status is None and (self._ready_sent or now >= self._status_due):
            self._open_status()
            self._follow()
        if self._control is not None and self._pace.is_due(now, self._report_cause()):
            self._control.report(self._facts())
        if self._crew.is_renewed:
            self._close_superseded(now)
        if self._watchdog_s is not None and now >= self._watchdog_at:
            self._watchdog_at = now + self._watchdog_s
            notify("WATCHDOG=1")

    def _close_superseded(self, now: float) -> None:
        """Close the sockets of workers with older orders, and end the workers of the old program."""
        if self._superseded or self._handover.sockets:
            self._vitals.drops.read(self._udp_sockets())  # before sockets are closed
        while self._superseded:
            self._superseded.pop().close(but=self._listening)
        if not self._predecessors and not self._handover.sockets:
            return
        self._predecessors.end(now)
        if not self._predecessors:
            ours = {sock.fileno() for _, sock in self._listening.bound()}
            for _, sock in self._handover.sockets:
                if sock.fileno() not in ours:
                    sock.close()
            self._handover = replace(self._handover, sockets=())

    def _look_for_requests(self, now: float) -> None:
        """Carry out what commands on this node, and orders of captures, ask for."""
        if self._handover.is_trial:  # it shares the directory with the node
            return
        self._crew.flush_if_asked()
        ordered = None if self._control is None else self._control.captures
        if self._captures.look(self._crew.take_captured(), ordered, self._feed.now()):
            self._crew.capture(self._captures.in_force)
        if self._drain.look(now, self._crew.orders.config.node_dir):
            self.stop()

    # Snapshots.

    def _look_for_snapshot(self, now: float) -> None:
        heard, unstored = (None, None) if self._control is None else (self._control.heard, self._control.unstored)
        if self._feed.look_at_clock(heard):
            self._crew.send_policy()
        if (snapshot := self._feed.poll(unstored)) is not None:
            self._put_in_force(snapshot)
            self._recovery.came_into_force(now)

    def _put_in_force(self, snapshot: Snapshot) -> None:
        """Have every worker decide by this snapshot."""
        self._totals.learn(snapshot.rules_digest, snapshot.words)
        self._crew.send_policy()

    def _handle_death(self, death: Death, now: float) -> None:
        if death.status == 0:
            return  # another process asked it to end
        if self._handover.is_trial:  # end the node, and blame no snapshot
            raise UnavailableError(f"worker {death.pid} ended with status {death.status}")
        self._recovery.worker_died(death, now)

    # Signals.

    async def _reload(self) -> str:
        """Reload, and wait until the new configuration answers. Return why it does not, empty if it does."""
        notify_reloading()
        before, reason = self._crew.orders.config, ""
        try:
            read = await reload_files(self._means, before, self._listening)
            self._apply(read.config, read.listening)
            self._outcomes.in_force(read.text, is_another=read.config != before)
            await self._await_takeover()
        except (DnsfilterError, OSError) as error:
            reason = log_refusal(error)
        self._outcomes.end_reload(reason, self._feed.remark)
        return reason

    async def _await_takeover(self) -> None:
        """Wait until workers with the newest orders read every socket. Raise UnavailableError if they take too long."""
        try:
            async with asyncio.timeout(TAKEOVER_S):
                while not self._crew.has_taken_over:
                    await asyncio.sleep(GLANCE_S)
        except TimeoutError:
            message = f"no worker answers by the new configuration after {TAKEOVER_S:.0f} s; earlier ones answer on"
            raise UnavailableError(f"{message}: type journalctl -u dnsfilter -n 50") from None

    def _apply(self, config: Config, listening: Listening) -> None:
        """Start new workers with this configuration, on these sockets."""
        orders = self._crew.orders
        self._crew.certificates.look_soon()
        if config == orders.config:
            logs.emit(_LOG, logging.INFO, "configuration is unchanged")
            return
        self._feed.trust_clock = config.trust_clock
        self._superseded.append(self._listening)
        self._listening = listening
        logs.emit(_LOG, logging.INFO, "configuration reloaded", workers=config.workers)
        log_addresses(config, orders.config.endpoints)
        self._crew.renew(replace(orders, config=config, listening=listening, upstreams=server_texts(config)))

    async def _upgrade(self) -> None:
        """Become the installed version of this program if it proves in a trial that it answers."""
        notify_reloading()
        metrics = (self._crew.orders.config.metrics_listen, self._status_socket)
        reason: str | None = "workers of the previous program are still running"
        if not self._predecessors:
            logs.emit(_LOG, logging.INFO, "trial of the upgrade started", program=" ".join(self._means.program))
            reason = await try_out(self._means.program, self._listening, metrics, self._snapshot.revision)
        caches = await copy_caches(self._crew.serving() if reason is None else ())
        if self._look_timer.is_ending:
            return
        if reason is None and not self._drain.began:
            await self._close_status()  # from here to the end nothing waits, so no drain begins
        if self._drain.began:
            reason = "the node drains"
        if reason is None:
            logs.emit(_LOG, logging.INFO, "upgrade started")
            workers, blocks = self._crew.hand_over()
            numbers = {**self._crew.numbers(), **self._vitals.numbers(), _QUARANTINED: self._recovery.quarantined}
            unreported = None if self._control is None else self._control.unreported(self._totals.usage())
            totals = write_totals(self._totals.keep(blocks, numbers, unreported))
            try:
                given = (sock for _, sock in self._listening.bound())
                dropped = self._vitals.drops.of_closed(self._udp_sockets(), given)
                self._means.starts.close()  # a failed upgrade starts another one when it is needed
                hand_over(self._means.program, self._listening, metrics, workers, totals, dropped, caches.complete)
            except OSError as error:
                reason = str(error)
                self._crew.go_on()
        caches.close()
        logs.emit(_LOG, logging.ERROR, "upgrade failed, old program stays", reason=reason)
        self._outcomes.end_upgrade(reason, self._feed.remark)
