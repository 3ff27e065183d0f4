"""Keep the firewall's table in step with the node's snapshot and local suspensions.

The store is polled, as the node does it. A term's end, an exemption's hour or a suspension changes the table in the
second in which it changes the node's answers. The node does not wait for this process, and needs nothing of it.
"""

import logging
import time
from collections.abc import Callable
from threading import Event
from typing import Protocol

from dnsfilter.errors import DnsfilterError, UnavailableError
from dnsfilter.firewall.nftables import table_text
from dnsfilter.firewall.rule_set import RuleSet, Surroundings, rule_set
from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.supervisor.snapshot_watch import PolicyFeed
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.notify import notify, watchdog_s

POLL_S = 0.1
CHECK_S = 5.0
"""Seconds after which the table is compared, since another program may remove it or empty it. Also the pause after a
failure."""
_LOG = logging.getLogger("dnsfilter.firewall")


class Firewall(Protocol):
    """A firewall that takes the text of a table, such as `Nft`. Each call may raise UnavailableError."""

    def apply(self, text: str) -> None: ...

    def remove(self) -> None: ...

    def listed(self) -> str | None: ...


class Keeper:
    """The rules in force in one firewall."""

    def __init__(
        self,
        feed: PolicyFeed,
        firewall: Firewall,
        around: Surroundings,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._feed = feed
        self._firewall = firewall
        self._around = around
        self._clock_s = clock_s
        self._snapshot: Snapshot | None = None
        self._rules: RuleSet | None = None
        self._applied: RuleSet | None = None
        self._listed: str | None = None
        """The table as the firewall listed it when the rules had been applied."""
        self._at: Instant = 0
        self._check_at = 0.0
        self._trouble = ""

    def run(self, stopping: Event, *, keep: bool) -> None:
        """Keep the table until `stopping` is set. Then remove it, unless `keep`.

        Raise UnavailableError if the first rules cannot be applied. Later failures are logged, and tried again.
        """
        try:
            self._feed.load()
        except DnsfilterError as error:
            logs.emit(_LOG, logging.WARNING, "no usable snapshot, no rules yet", reason=error)
        else:
            self._update()
            self._apply()
        notify("READY=1")
        pause_s, watchdog_at = watchdog_s(), self._clock_s()
        while not stopping.wait(POLL_S):
            self.step()
            if pause_s is not None and self._clock_s() >= watchdog_at:
                notify("WATCHDOG=1")
                watchdog_at += pause_s
        notify("STOPPING=1")
        if not keep:
            self._firewall.remove()

    def step(self) -> None:
        """Take what has changed since the last step, and apply the rules if they are others now."""
        self._feed.look_at_clock()
        self._feed.poll()
        self._update()
        now_s = self._clock_s()
        try:
            if self._rules != self._applied and (not self._trouble or now_s >= self._check_at):
                self._apply()
            elif self._applied is not None and now_s >= self._check_at:
                self._check()
        except UnavailableError as error:
            self._check_at = now_s + CHECK_S
            if str(error) != self._trouble:
                logs.emit(_LOG, logging.ERROR, "firewall rules not applied", reason=error)
            self._trouble = str(error)

    def _update(self) -> None:
        """Compute the rules if the snapshot is another one, or if the time of the last ones is over."""
        snapshot, now = self._feed.snapshot, self._feed.now().instant
        if snapshot is None:
            return
        until = None if self._rules is None else self._rules.until
        holds = self._rules is not None and self._at <= now and (until is None or now < until)
        if snapshot is not self._snapshot or not holds:
            self._snapshot, self._at = snapshot, now
            self._rules = rule_set(snapshot, now, self._around.addresses)

    def _apply(self) -> None:
        assert self._rules is not None
        self._firewall.apply(table_text(self._rules, self._around))
        self._listed = self._firewall.listed()
        self._applied, self._trouble, self._check_at = self._rules, "", self._clock_s() + CHECK_S
        until = "" if self._rules.until is None else instant_text(self._rules.until)
        revision = None if self._snapshot is None else self._snapshot.revision
        networks = len(self._rules.banned)
        logs.emit(_LOG, logging.INFO, "firewall rules applied", revision=revision, networks=networks, until=until)

    def _check(self) -> None:
        """Apply the rules again if the table is not as it was when they were applied."""
        self._check_at = self._clock_s() + CHECK_S
        listed = self._firewall.listed()
        if listed is None or listed != self._listed:
            logs.emit(_LOG, logging.WARNING, "another program changed or removed the firewall rules")
            self._apply()
