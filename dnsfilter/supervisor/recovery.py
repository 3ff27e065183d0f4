"""Keep a node serving when workers die: put an older snapshot in force, or have the other engine take over."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from dnsfilter.engine.choice import EngineKind
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.supervisor.crashes import CrashLog, Suspect, Verdict
from dnsfilter.supervisor.crew import Crew
from dnsfilter.supervisor.snapshot_watch import PolicyFeed
from dnsfilter.telemetry import logs

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
        self._since: float | None = None
        self.quarantined = quarantined
        self.fallen_back = False

    def came_into_force(self, since: float) -> None:
        """Note since when the snapshot in force may be why workers die: since workers use it."""
        self._since = since

    def worker_died(self, now: float) -> None:
        """Respond to a death at `now`."""
        snapshot = self._feed.snapshot
        assert snapshot is not None
        match self._crashes.died(now, Suspect(snapshot.revision, self._since)):
            case Verdict.START_AGAIN:
                return
            case Verdict.QUARANTINE:
                helped = self._quarantine(snapshot.revision) or self._fall_back()
            case Verdict.FALL_BACK:
                helped = self._fall_back() or self._quarantine(snapshot.revision)
            case verdict:
                assert_never(verdict)
        if not helped:
            logs.emit(_LOG, logging.ERROR, "workers die too often", engine=self._crew.orders.engine)

    def _quarantine(self, revision: int) -> bool:
        """Quarantine the snapshot and put the newest older one in force. Return False if there is none."""
        snapshot = self._feed.set_aside(revision, "workers died of it, three times within a minute")
        if snapshot is None:
            return False
        self.quarantined += 1
        logs.emit(_LOG, logging.ERROR, "snapshot quarantined", revision=revision, using=snapshot.revision)
        self._since = None
        self._put_in_force(snapshot)
        return True

    def _fall_back(self) -> bool:
        """Switch to workers of the reference engine. Return False if the workers already run the reference engine."""
        orders = self._crew.orders
        if orders.engine is EngineKind.REFERENCE:
            return False
        self.fallen_back = True
        logs.emit(_LOG, logging.ERROR, "workers die too often: the reference engine takes over", engine=orders.engine)
        self._crew.renew(replace(orders, engine=EngineKind.REFERENCE))
        return True
