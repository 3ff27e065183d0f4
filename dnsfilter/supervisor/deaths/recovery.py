"""Keep a node serving when workers die, and say so if that lifts a ban.

A revision is quarantined only on evidence against it (`crashes.py`). Otherwise workers start again with the same one.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from dnsfilter.engine.choice import EngineKind
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.supervisor.crew import Crew, Death
from dnsfilter.supervisor.deaths.crashes import Cause, CrashLog, Suspects, Verdict
from dnsfilter.supervisor.snapshot_watch import PolicyFeed
from dnsfilter.telemetry import logs

LOOK_S = 1.0
_LOG = logging.getLogger("dnsfilter.node")


class Recovery:
    """The response to deaths of workers. Times are seconds of a monotonic clock."""

    def __init__(
        self, feed: PolicyFeed, crew: Crew, put_in_force: Callable[[Snapshot], object], quarantined: int
    ) -> None:
        """Initialize. `put_in_force` has every worker decide by a snapshot. `quarantined` is the count so far."""
        self._feed = feed
        self._crew = crew
        self._put_in_force = put_in_force
        self._crashes = CrashLog()
        self._suspects = Suspects(self._snapshot.revision, replaced=feed.passed_over)
        self._looked: tuple[int, float] | None = None
        self.quarantined = quarantined
        self.fallen_back = False
        self.lifted: str | None = None
        """Which bans are lifted because an older snapshot had to take the place of the current one. None if none is."""

    @property
    def _snapshot(self) -> Snapshot:
        snapshot = self._feed.snapshot
        if snapshot is None:
            raise RuntimeError("no snapshot is loaded")
        return snapshot

    def came_into_force(self, now: float) -> None:
        """Note that the feed's snapshot is in force. Other suspensions of the same revision give no other suspect."""
        if self._suspects.revision != self._snapshot.revision:
            self._suspects = Suspects(self._snapshot.revision, now)

    def look(self, now: float) -> None:
        """Find out which bans are lifted: with each snapshot, and every second, since terms begin and end."""
        looked = self._snapshot.revision, now // LOOK_S
        if looked == self._looked:
            return
        self._looked, before = looked, self.lifted
        self.lifted = self._feed.lifted()
        if self.lifted is not None and self.lifted != before:
            logs.emit(_LOG, logging.ERROR, "bans are lifted", reason=self.lifted)
        elif self.lifted is None and before is not None:
            logs.emit(_LOG, logging.INFO, "no ban is lifted any more", revision=self._snapshot.revision)

    def worker_died(self, death: Death, now: float) -> None:
        """Respond to a death at `now`. The crew starts another worker in any case."""
        if death.cause is Cause.OUTSIDE:
            return
        can_change = self._crew.orders.engine is not EngineKind.REFERENCE
        match self._crashes.died(now, replace(self._suspects, engine_can_change=can_change)):
            case Verdict.START_AGAIN:
                return
            case Verdict.QUARANTINE:
                if not self._quarantine():
                    self._change_engine()
            case Verdict.REINSTATE:
                self._reinstate()
                self._change_engine()
            case Verdict.FALL_BACK:
                self._change_engine()
            case verdict:
                assert_never(verdict)

    def _quarantine(self) -> bool:
        """Quarantine the snapshot and put the newest older one in force. Return False if there is none."""
        revision = self._suspects.revision
        snapshot = self._feed.set_aside(revision, "workers died of it, three times within a minute")
        if snapshot is None:
            return False
        self.quarantined += 1
        logs.emit(_LOG, logging.ERROR, "snapshot quarantined", revision=revision, using=snapshot.revision)
        self._suspects = Suspects(snapshot.revision, replaced=revision)
        self._put_in_force(snapshot)
        return True

    def _reinstate(self) -> None:
        """Put the quarantined snapshot in force again: workers also die with the one that took its place."""
        revision = self._suspects.replaced
        assert revision is not None
        snapshot = self._feed.reinstate(revision)
        if snapshot is None:
            return
        logs.emit(_LOG, logging.ERROR, "quarantine ended, workers also died with the older snapshot", revision=revision)
        self._suspects = Suspects(snapshot.revision, is_cleared=snapshot.revision == revision)
        self._put_in_force(snapshot)

    def _change_engine(self) -> None:
        """Switch to workers of the reference engine, unless they run it already."""
        orders = self._crew.orders
        if orders.engine is EngineKind.REFERENCE:
            logs.emit(_LOG, logging.ERROR, "workers die too often", engine=orders.engine)
            return
        self.fallen_back = True
        logs.emit(_LOG, logging.ERROR, "workers die too often: the reference engine takes over", engine=orders.engine)
        self._crew.renew(replace(orders, engine=EngineKind.REFERENCE), keep_caches=False)
