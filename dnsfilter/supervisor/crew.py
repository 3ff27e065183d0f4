"""The workers of a node: started, replaced without a gap, stood in for, and buried with their counters kept."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from dnsfilter.control.unregistered_networks import UnregisteredBook, UnregisteredNetwork
from dnsfilter.errors import UnavailableError
from dnsfilter.supervisor.seats import seats_to_fill, share_out
from dnsfilter.supervisor.stalls import any_waits, queries_counted
from dnsfilter.supervisor.worker_process import Orders, Sealed, Standby, WorkerProcess, block_path
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.block import DEFAULT_CAPACITY, MAX_CAPACITY, CounterBlock
from dnsfilter.telemetry.totals import Totals
from dnsfilter.worker.channel import Stop

SILENCE_S = 5.0
"""A worker that has said nothing for so long hangs for good, and is ended."""
START_S = 30.0
"""How long a worker may take to report for the first time: on an overloaded machine, ending it sooner helps nobody."""
FIRST_BACK_OFF_S = 0.1
LONGEST_BACK_OFF_S = 5.0
STEADY_S = 30.0
"""A worker that lived so long starts its seat's back-off anew when it dies."""
STOP_S = 5.0
"""How long a worker that is told to stop may answer what it has in hand."""
LATE_S = 0.5
"""A look that comes so late says nothing about workers: it was the supervisor that was kept."""
_PAUSE_S = 0.02
_LOG = logging.getLogger("dnsfilter.node")


@dataclass(frozen=True, slots=True)
class Death:
    """A worker that ended although nobody had asked it to; `status` as subprocess gives it."""

    pid: int
    status: int


@dataclass(slots=True)
class _Seat:
    """When the next worker may be started there."""

    start_at: float = 0.0
    back_off_s: float = FIRST_BACK_OFF_S


class Crew:
    """Keeps every seat filled by a worker with the newest orders. `stirred` is called when `tend` should look soon."""

    def __init__(
        self,
        orders: Orders,
        snapshot: Callable[[], tuple[Sealed, int]],
        totals: Totals,
        counters_dir: Path,
        stirred: Callable[[], None],
        standby: Standby | None = None,
    ) -> None:
        """`snapshot` gives what new workers are to decide by, and for how many pairs they need counters.

        `standby` becomes the first worker.
        """
        self.orders = orders
        self.restarts = 0
        self._snapshot = snapshot
        self._totals = totals
        self._counters_dir = counters_dir
        self._stirred = stirred
        self._standby = standby
        self._members: list[WorkerProcess] = []
        self._seats: dict[int, _Seat] = {}
        self._numbers = count(1)
        self._looked: float | None = None
        self._unregistered = UnregisteredBook()

    # What there is.

    @property
    def members(self) -> Sequence[WorkerProcess]:
        """Every worker process that has not been buried."""
        return self._members

    def serving(self) -> Sequence[WorkerProcess]:
        """The workers that clients can rely on now: they read sockets, and have been heard of lately."""
        now = time.monotonic()
        return [member for member in self._members if member.is_able(now) and member.reading]

    @property
    def is_renewed(self) -> bool:
        """Whether every seat has a worker with the newest orders that serves, and nobody has older ones."""
        now = time.monotonic()
        current = {member.seat for member in self._members if self._is_current(member) and member.is_able(now)}
        wanted = set(range(seats_to_fill(self.orders.config.workers)))
        return wanted <= current and all(member.version == self.orders.version for member in self._members)

    def unregistered(self) -> tuple[UnregisteredNetwork, ...]:
        """The networks in no range that asked within a day, as far as the workers have told."""
        return self._unregistered.listed(_boot_s())

    # What is to be.

    def renew(self, orders: Orders) -> None:
        """Replace every worker by one with these orders, each as soon as its successor serves."""
        self.orders = replace(orders, version=self.orders.version + 1)
        for seat in self._seats.values():
            seat.start_at, seat.back_off_s = 0.0, FIRST_BACK_OFF_S

    def send_policy(self) -> None:
        """Have all decide by the newest snapshot; who has no room to count by it is replaced instead.

        Before the first has its message, all are told that one comes: once anybody has read it, nobody else decides a
        query that it has not begun to read before it has read it too.
        """
        sealed, pairs = self._snapshot()
        for member in self._members:
            self._totals.fold(member.block)
        if any(pairs > member.block.capacity for member in self._members if self._is_current(member)):
            self.renew(self.orders)
        told = [member for member in self._members if pairs <= member.block.capacity and not member.gone]
        for member in told:
            member.block.ordered = sealed.revision
        for member in told:
            member.send_policy(sealed)

    def tend(self, now: float) -> Sequence[Death]:
        """One look at everything, at least every few hundredths of a second; the workers found dead."""
        self._excuse_lateness(now)
        for member in self._members:
            if member.unregistered:
                self._unregistered.add(member.unregistered, _boot_s())
                member.unregistered = []
        deaths = [death for member in list(self._members) for death in self._look_at(member, now)]
        self._fill_seats(now)
        self._share_out(now, {member for member in self._members if self._is_stalled(member, now)})
        self._let_go(now)
        return deaths

    async def stop(self) -> None:
        """Tell all to answer what they have in hand and end; whoever takes too long is ended."""
        for member in self._members:
            if member.leaving_since is None:
                self._dismiss(member, time.monotonic())
        while self._members:
            for member in list(self._members):
                self._look_at(member, time.monotonic())
            await asyncio.sleep(_PAUSE_S)

    # One look.

    def _excuse_lateness(self, now: float) -> None:
        gap = 0.0 if self._looked is None else now - self._looked
        self._looked = now
        if gap > LATE_S:
            for member in self._members:
                member.heard += gap

    def _look_at(self, member: WorkerProcess, now: float) -> Sequence[Death]:
        if member.process.poll() is not None:
            return self._bury(member, now)
        late = member.leaving_since is not None and now - member.leaving_since > STOP_S
        patience_s = START_S if member.revision is None else SILENCE_S
        silent = now - member.heard > patience_s
        if late or silent:
            logs.emit(
                _LOG, logging.ERROR, "worker does not end" if late else "worker is silent", pid=member.process.pid
            )
            member.process.kill()
        return ()

    def _bury(self, member: WorkerProcess, now: float) -> Sequence[Death]:
        """Take what a dead worker has counted, and let its successor start after a while."""
        member.close()
        self._totals.retire(member.block)
        member.block.close()
        member.block.path.unlink(missing_ok=True)
        self._members.remove(member)
        if member.leaving_since is not None:
            logs.emit(_LOG, logging.INFO, "worker ended", pid=member.process.pid)
            return ()
        self.restarts += 1
        seat = self._seats.setdefault(member.seat, _Seat())
        if now - member.started >= STEADY_S:
            seat.back_off_s = FIRST_BACK_OFF_S
        self._postpone(seat, now)
        death = Death(member.process.pid, member.process.returncode)
        logs.emit(_LOG, logging.ERROR, "worker died", pid=death.pid, status=death.status)
        return (death,)

    def _postpone(self, seat: _Seat, now: float) -> None:
        seat.start_at = now + seat.back_off_s
        seat.back_off_s = min(2 * seat.back_off_s, LONGEST_BACK_OFF_S)

    def _fill_seats(self, now: float) -> None:
        taken = {member.seat for member in self._members if self._is_current(member)}
        for number in range(seats_to_fill(self.orders.config.workers)):
            seat = self._seats.setdefault(number, _Seat())
            if number in taken or now < seat.start_at:
                continue
            try:
                self._start(number)
            except (OSError, UnavailableError) as error:
                logs.emit(_LOG, logging.ERROR, "worker not started", reason=error, again_in_s=seat.back_off_s)
                self._postpone(seat, now)

    def _start(self, seat: int) -> None:
        sealed, pairs = self._snapshot()
        self._counters_dir.mkdir(mode=0o700, exist_ok=True)
        path = block_path(self._counters_dir, next(self._numbers))
        block = CounterBlock.create(path, len(self.orders.upstreams), _capacity(pairs))
        block.ordered = sealed.revision
        try:
            standby, self._standby = self._standby, None
            member = WorkerProcess.start(self.orders, seat, block, sealed, time.monotonic, standby)
        except OSError:
            block.close()
            block.path.unlink(missing_ok=True)
            raise
        self._totals.watch(block, self.orders.upstreams)
        self._members.append(member)
        member.watch(self._stirred)
        logs.emit(_LOG, logging.INFO, "worker started", pid=member.process.pid, seat=seat, revision=sealed.revision)

    def _is_stalled(self, member: WorkerProcess, now: float) -> bool:
        # One with older orders may read sets that are no more.
        listening = [each for number, each in enumerate(self.orders.listening.sets) if number in member.reading]
        return member.stall.look(
            now,
            queries_counted(member.block.slots),
            member.heard,
            lambda: any_waits(sock for each in listening for sock in each.udp),
        )

    def _share_out(self, now: float, stalled: Collection[WorkerProcess]) -> None:
        """Have every seat's best worker read what the seat is to read, those of stalled neighbours included."""
        best: dict[int, WorkerProcess] = {}
        for member in self._members:
            if not member.is_ready:
                continue
            known = best.get(member.seat)
            if known is None or (member.is_able(now), member.version) >= (known.is_able(now), known.version):
                best[member.seat] = member
        able = {seat: member.is_able(now) and member not in stalled for seat, member in best.items()}
        shares = share_out(len(self.orders.listening.sets), self.orders.config.workers, able)
        for seat, sets in shares.items():
            others = [number for number in sets - best[seat].reading if number % self.orders.config.workers != seat]
            if others:
                logs.emit(_LOG, logging.INFO, "worker stands in", pid=best[seat].process.pid, sets=others)
            best[seat].order_to_read(sets)

    def _let_go(self, now: float) -> None:
        """Dismiss workers with older orders whose seats have been taken over, or are no more."""
        able = {member.seat for member in self._members if self._is_current(member) and member.is_able(now)}
        seats = self.orders.config.workers
        for member in self._members:
            if member.version == self.orders.version or member.leaving_since is not None:
                continue
            if member.seat in able or (member.seat >= seats and able.issuperset(range(seats))):
                self._dismiss(member, now)

    def _dismiss(self, member: WorkerProcess, now: float) -> None:
        member.leaving_since = now
        member.send(Stop())

    def _is_current(self, member: WorkerProcess) -> bool:
        return member.version == self.orders.version and member.leaving_since is None


def _boot_s() -> int:
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))


def _capacity(pairs: int) -> int:
    """Room for the counters of twice as many pairs as there are, so that few changes need new workers."""
    return min(max(DEFAULT_CAPACITY, 2 * pairs), MAX_CAPACITY)
