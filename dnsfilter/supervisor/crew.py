"""The workers of a node: start them, replace them without a gap, have others cover for them, keep their counters."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

from dnsfilter.control.refused_queries import RefusedQueries
from dnsfilter.control.unregistered_networks import UnregisteredBook, UnregisteredNetwork
from dnsfilter.engine.interface import Capture, Captured
from dnsfilter.errors import UnavailableError
from dnsfilter.local.flush import take_flush
from dnsfilter.supervisor.cache_copies import CacheCopies, StandbyCopies
from dnsfilter.supervisor.deaths.crashes import Cause, cause_of
from dnsfilter.supervisor.socket_assignment import assign_sockets, positions_to_fill
from dnsfilter.supervisor.stalls import any_waiting, queries_counted
from dnsfilter.supervisor.worker_process import Orders, Sealed, WorkerProcess, block_path
from dnsfilter.supervisor.worker_starts import WorkerStarts
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.block import DEFAULT_CAPACITY, MAX_CAPACITY, CounterBlock
from dnsfilter.telemetry.metrics import WORKER_QUERIES, WORKER_RESTARTS
from dnsfilter.telemetry.process_times import cpu_s_of
from dnsfilter.telemetry.totals import Totals
from dnsfilter.worker.channel import Certificate, Flush, Record, Stop, TakeCache
from dnsfilter.worker.tls_pair import Certificates

FIRST_BACK_OFF_S = 0.1
LONGEST_BACK_OFF_S = 5.0
STEADY_S = 30.0
"""When a worker that lived this many seconds dies, the back-off of its position restarts."""
STOP_S = 5.0
"""Seconds that a worker may take to answer its pending queries when it is asked to stop."""
LATE_S = 0.5
"""If a look comes this many seconds late, the supervisor was delayed, and silence says nothing about workers."""
_PAUSE_S = 0.02
_LOG = logging.getLogger("dnsfilter.node")


@dataclass(frozen=True, slots=True)
class Death:
    """A worker that ended without being asked to. `status` is as subprocess returns it."""

    pid: int
    status: int
    cause: Cause


@dataclass(slots=True)
class _Position:
    """The time from which the next worker of this position may be started, and the next delay."""

    start_at: float = 0.0
    back_off_s: float = FIRST_BACK_OFF_S


class Crew:
    """Keep every position filled by a worker with the newest orders. Call `wake` when `tend` should run soon."""

    def __init__(
        self,
        orders: Orders,
        snapshot: Callable[[], tuple[Sealed, int]],
        totals: Totals,
        counters_dir: Path,
        wake: Callable[[], None],
        starts: WorkerStarts,
    ) -> None:
        """Initialize. `snapshot` returns the one for new workers, and the number of words that its counts need."""
        self.orders = orders
        self.restarts = 0
        self._snapshot = snapshot
        self._totals = totals
        self._counters_dir = counters_dir
        self._wake = wake
        self._starts = starts
        self.certificates = Certificates()
        self._caches, self._standby_caches = CacheCopies(), StandbyCopies()
        self._members: list[WorkerProcess] = []
        self._stalled: set[WorkerProcess] = set()
        self._positions: dict[int, _Position] = {}
        self._numbers = count(1)
        self._last_tended: float | None = None
        self._unregistered = UnregisteredBook()
        self._captures: tuple[Capture, ...] = ()
        self._captured: list[Captured] = []
        self.refused = RefusedQueries()
        self._queries_of_ended: Counter[int] = Counter()
        """Queries of workers that have been removed, by position."""

    # State.

    @property
    def members(self) -> Sequence[WorkerProcess]:
        """Return every worker process that has not been removed."""
        return self._members

    def serving(self) -> Sequence[WorkerProcess]:
        """Return the workers that clients can rely on now: they read sockets, and have reported recently."""
        now = time.monotonic()
        return [member for member in self._members if member.is_able(now) and member.reading]

    @property
    def has_taken_over(self) -> bool:
        """Return whether workers with the newest orders serve in every position, and read every socket."""
        now = time.monotonic()
        current = [member for member in self._members if self._is_current(member) and member.is_able(now)]
        wanted = set(range(positions_to_fill(self.orders.config.workers)))
        read = frozenset[int]().union(*(member.reading for member in current))
        return wanted <= {member.position for member in current} and len(read) == len(self.orders.listening.sets)

    @property
    def is_renewed(self) -> bool:
        """Return whether the workers with the newest orders have taken over, and no worker has older ones."""
        return self.has_taken_over and all(member.version == self.orders.version for member in self._members)

    def unregistered(self) -> tuple[UnregisteredNetwork, ...]:
        """Return the networks in no range that sent queries within a day, as far as workers have reported."""
        return self._unregistered.listed(_boot_s())

    def queries_by_position(self) -> Mapping[int, int]:
        """Return the queries that the workers of each position have counted, including workers that ended."""
        queries = self._queries_of_ended.copy()
        for member in self._members:
            queries[member.position] += queries_counted(member.block.slots)
        return queries

    def numbers(self) -> Mapping[str, int]:
        """Return the counters of this crew for the next program: restarts, and queries by position."""
        queries = {
            f"{WORKER_QUERIES.name} {position}": number for position, number in self.queries_by_position().items()
        }
        return {WORKER_RESTARTS.name: self.restarts, **queries}

    def go_on_from(self, numbers: Mapping[str, int], caches: Sequence[int] = ()) -> None:
        """Go on from the previous program: its counters as `numbers` returned them, and copies of its caches."""
        self._caches.give(caches)
        self.restarts = numbers.get(WORKER_RESTARTS.name, 0)
        for name, number in numbers.items():
            metric, _, position = name.partition(" ")
            if metric == WORKER_QUERIES.name and position.isdecimal():
                self._queries_of_ended[int(position)] = number

    def hand_over(self) -> tuple[list[tuple[int, int]], dict[int, CounterBlock]]:
        """Return process id and channel of each worker for the next program, and its counters by process id.

        Their reports are not read any more, until `go_on`.
        """
        going_on = [member for member in self._members if not member.gone]
        return [member.hand_over() for member in going_on], {each.process.pid: each.block for each in going_on}

    def go_on(self) -> None:
        """Read the reports of workers again: there is no next program."""
        for member in self._members:
            member.watch(self._wake)

    def take_captured(self) -> Sequence[Captured]:
        """Return what workers have recorded for captures since the last call."""
        taken, self._captured = self._captured, []
        return taken

    # Orders.

    def capture(self, captures: tuple[Capture, ...]) -> None:
        """Have every worker, also later ones, record the queries of these ranges and of no others."""
        self._captures = captures
        for member in self._members:
            if not member.gone:
                member.send(Record(captures))

    def renew(self, orders: Orders, *, keep_caches: bool = True) -> None:
        """Replace every worker by one with these orders. Each goes as soon as its successor serves.

        With `keep_caches`, successors begin with copies of the caches. Do not keep those of workers that crash.
        """
        self.orders = replace(orders, version=self.orders.version + 1)
        self._caches.ask(self.serving() if keep_caches else (), time.monotonic())
        for position in self._positions.values():
            position.start_at, position.back_off_s = 0.0, FIRST_BACK_OFF_S

    def send_policy(self) -> None:
        """Have all workers decide by the newest snapshot. Replace those that have no room for its counters.

        Announce the revision to all workers before the first one gets the snapshot. Once one worker uses it, no other
        worker decides a new query before it has read the snapshot too.
        """
        sealed, words = self._snapshot()
        for member in self._members:
            self._totals.fold(member.block)
        if any(words > member.block.capacity for member in self._members if self._is_current(member)):
            self.renew(self.orders)
        recipients = [member for member in self._members if words <= member.block.capacity and not member.gone]
        for member in recipients:
            member.block.ordered = sealed.revision
        for member in recipients:
            member.send_policy(sealed)

    def flush_if_asked(self) -> None:
        """Take a local request to flush the cache, if there is one, and order every worker to carry it out."""
        try:
            wanted = take_flush(self.orders.config.node_dir)
        except UnavailableError as error:
            logs.emit(_LOG, logging.ERROR, "cache not flushed", reason=error)
            return
        if wanted is not None:
            logs.emit(_LOG, logging.INFO, "flushing the cache", wanted=wanted)
            self._forget_copies()  # they have what is to be forgotten
            for member in self._members:
                member.send(Flush(wanted.name, wanted.below))

    def tend(self, now: float) -> Sequence[Death]:
        """Check all workers once and return those found dead. Call it some 25 times a second."""
        self._allow_for_delay(now)
        for member in self._members:
            self._take_reports(member)
        deaths = [death for member in list(self._members) for death in self._check(member, now)]
        self._certify(now)
        self._fill_positions(now)
        self.look_for_stalls(now)
        self._assign_sockets(now)
        self._dismiss_outdated(now)
        self._copy_caches(now)
        return deaths

    def look_for_stalls(self, now: float) -> bool:
        """Find the workers that leave queries waiting. Return whether they are others than before: then `tend` soon."""
        before, self._stalled = self._stalled, {member for member in self._members if self._is_stalled(member, now)}
        return self._stalled != before

    async def stop(self) -> None:
        """Ask all workers to answer their pending queries and end. Kill those that take longer than `STOP_S`."""
        self._forget_copies()
        self.certificates.close()
        for member in self._members:
            if member.leaving_since is None:
                self._dismiss(member, time.monotonic())
        while self._members:
            for member in list(self._members):
                self._take_reports(member)
                self._check(member, time.monotonic())
            await asyncio.sleep(_PAUSE_S)

    # Steps of `tend`.

    def _take_reports(self, member: WorkerProcess) -> None:
        if member.unregistered:
            self._unregistered.add(member.unregistered, _boot_s())
            member.unregistered = []
        if member.range_queries:
            self._totals.add_ranges(member.range_queries)
            member.range_queries = {}
        for reported in member.pending:
            self._totals.add_pending(reported.noted, reported.lost)
        member.pending = []
        if member.refused:
            self.refused.add(member.refused, int(time.time()))
            member.refused = []
        self._captured += member.captured
        member.captured = []

    def _allow_for_delay(self, now: float) -> None:
        gap = 0.0 if self._last_tended is None else now - self._last_tended
        self._last_tended = now
        if gap > LATE_S:
            for member in self._members:
                member.heard += gap

    def _check(self, member: WorkerProcess, now: float) -> Sequence[Death]:
        if (status := member.process.poll()) is not None:
            return self._remove(member, status, now)
        late = member.leaving_since is not None and now - member.leaving_since > STOP_S
        cpu_s = partial(cpu_s_of, member.process.pid)
        silent = member.silence.look(now, member.heard, cpu_s, starting=member.revision is None)
        if late or silent:
            logs.emit(
                _LOG, logging.ERROR, "worker does not end" if late else "worker is silent", pid=member.process.pid
            )
            member.process.kill()
        return ()

    def _remove(self, member: WorkerProcess, status: int, now: float) -> Sequence[Death]:
        """Take over the counters of a dead worker, and schedule the start of its successor."""
        member.hear_out()
        self._take_reports(member)
        member.close()
        self._totals.retire(member.block)
        self._queries_of_ended[member.position] += queries_counted(member.block.slots)
        member.block.close()
        member.block.path.unlink(missing_ok=True)
        self._members.remove(member)
        if member.leaving_since is not None:
            logs.emit(_LOG, logging.INFO, "worker ended", pid=member.process.pid)
            return ()
        self.restarts += 1
        self._forget_copies()  # an answer in them may be the cause
        position = self._positions.setdefault(member.position, _Position())
        if now - member.started >= STEADY_S:
            position.back_off_s = FIRST_BACK_OFF_S
        self._postpone(position, now)
        death = Death(member.process.pid, status, cause_of(status, hung=member.silence.is_hang))
        logs.emit(_LOG, logging.ERROR, "worker died", pid=death.pid, status=status, cause=death.cause)
        return (death,)

    def _postpone(self, position: _Position, now: float) -> None:
        position.start_at = now + position.back_off_s
        position.back_off_s = min(2 * position.back_off_s, LONGEST_BACK_OFF_S)

    def _fill_positions(self, now: float) -> None:
        if self._caches.are_due(now):
            return
        taken = {member.position for member in self._members if self._is_current(member)}
        for number in range(positions_to_fill(self.orders.config.workers)):
            position = self._positions.setdefault(number, _Position())
            if number in taken or now < position.start_at:
                continue
            try:
                self._start(number)
            except (OSError, UnavailableError) as error:
                logs.emit(_LOG, logging.ERROR, "worker not started", reason=error, again_in_s=position.back_off_s)
                self._postpone(position, now)

    def _start(self, position: int) -> None:
        sealed, words = self._snapshot()
        self._counters_dir.mkdir(mode=0o700, exist_ok=True)
        path = block_path(self._counters_dir, next(self._numbers))
        block = CounterBlock.create(path, len(self.orders.upstreams), _capacity(words))
        block.ordered = sealed.revision
        try:
            member = WorkerProcess.start(self.orders, position, block, sealed, time.monotonic, self._starts)
        except OSError:
            block.close()
            block.path.unlink(missing_ok=True)
            raise
        self._totals.watch(block, self.orders.upstreams)
        self._members.append(member)
        if self._captures:
            member.send(Record(self._captures))
        if descriptors := self.certificates.descriptors:
            member.send(Certificate(), descriptors)
        if (copy := self._caches.largest()) is not None:
            member.send(TakeCache(), [copy])  # before it gets sets to read
        member.watch(self._wake)
        logs.emit(
            _LOG, logging.INFO, "worker started", pid=member.process.pid, position=position, revision=sealed.revision
        )

    def _certify(self, now: float) -> None:
        """Give workers the certificate if there is another one.

        A worker with older orders that demands certificates needs the authorities that it has until it is replaced.
        """
        encrypted = self.orders.config.encrypted
        if not self.certificates.look(now, encrypted):
            return
        demands = encrypted.client_ca is not None
        for member in self._members:
            if self.certificates.descriptors and not member.gone and member.demands_certificate == demands:
                member.send(Certificate(), self.certificates.descriptors)

    def _is_stalled(self, member: WorkerProcess, now: float) -> bool:
        # A worker with older orders may read sets that no longer exist.
        listening = [each for number, each in enumerate(self.orders.listening.sets) if number in member.reading]
        return member.stall.look(
            now,
            queries_counted(member.block.slots),
            member.heard,
            lambda: any_waiting(sock for each in listening for sock in each.udp),
        )

    def _assign_sockets(self, now: float) -> None:
        """Have the best worker of every position read its sets, including those of stalled neighbours."""
        best: dict[int, WorkerProcess] = {}
        for member in self._members:
            if not member.is_ready:
                continue
            known = best.get(member.position)
            if known is None or (member.is_able(now), member.version) >= (known.is_able(now), known.version):
                best[member.position] = member
        able = {position: member.is_able(now) and member not in self._stalled for position, member in best.items()}
        assigned = assign_sockets(len(self.orders.listening.sets), self.orders.config.workers, able)
        for position, sets in assigned.items():
            others = [
                number for number in sets - best[position].reading if number % self.orders.config.workers != position
            ]
            if others:
                logs.emit(_LOG, logging.INFO, "worker covers for another", pid=best[position].process.pid, sets=others)
            best[position].order_to_read(sets)

    def _dismiss_outdated(self, now: float) -> None:
        """Dismiss workers with older orders whose positions have been taken over, or no longer exist."""
        able = {member.position for member in self._members if self._is_current(member) and member.is_able(now)}
        positions = self.orders.config.workers
        for member in self._members:
            if member.version == self.orders.version or member.leaving_since is not None:
                continue
            if member.position in able or (member.position >= positions and able.issuperset(range(positions))):
                self._dismiss(member, now)

    def _copy_caches(self, now: float) -> None:
        """Release copies when they have been used. Give a standby that of its worker, while no worker is replaced."""
        if self._caches:
            if not self._caches.are_due(now) and self.has_taken_over:
                self._caches.close()
        elif self.orders.config.workers == 1 and self.is_renewed:
            self._standby_caches.look(self._members, now)

    def _forget_copies(self) -> None:
        self._caches.close()
        self._standby_caches.close()

    def _dismiss(self, member: WorkerProcess, now: float) -> None:
        member.leaving_since = now
        member.send(Stop())

    def _is_current(self, member: WorkerProcess) -> bool:
        return member.version == self.orders.version and member.leaving_since is None


def _boot_s() -> int:
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))


def _capacity(words: int) -> int:
    """Return room for twice as many words, so that few changes need new workers."""
    return min(max(DEFAULT_CAPACITY, 2 * words), MAX_CAPACITY)
