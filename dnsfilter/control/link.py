"""The node's link to its control plane: two threads, for neither of which the supervisor waits.

One thread asks for snapshots by long polling, the other sends reports. Both run as long as the node does and survive
any error. An error is logged once; an error of pulling is also in the report.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dnsfilter.config.node_config import Config
from dnsfilter.control.enrolment import enrol
from dnsfilter.control.http_client import ControlClient, NodeTokenRejected, RetryLater
from dnsfilter.control.identity import Identity, TokenRefused, identity_mark, load_identity, load_token
from dnsfilter.control.puller import SNAPSHOTS, Puller, receive_published
from dnsfilter.control.report import Facts
from dnsfilter.control.reporter import Reporter
from dnsfilter.control.unstored import Memory, Unstored, unstored_text
from dnsfilter.engine.clock import Reference
from dnsfilter.errors import DnsfilterError, SnapshotError, UnavailableError
from dnsfilter.local.capture_files import CaptureOrder
from dnsfilter.local.journal import JOURNAL_NAME, Journal
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.kept_totals import UsageTotals

WAIT_S = 25
"""Seconds that the control plane is asked to hold its answer. Less than the timeouts of common proxies."""
FIRST_BACK_OFF_S = 0.2
LONGEST_BACK_OFF_S = 30.0
LONGEST_LOCAL_S = 1.0
"""Longest back-off in seconds on the control plane's own machine: one node is no load, and toggles must be fast."""
FIRST_PAUSE_S = 1.0
REJECTED_S = 300.0
"""Longest wait in seconds after the control plane has rejected the node's token. Another enrolment ends the wait."""
LOOK_S = 1.0
"""Seconds between two looks for another enrolment."""
MOST_LOGGED = 100
"""Number of different failures that are logged until the next success."""
_DRAW = secrets.SystemRandom()
_LOG = logging.getLogger("dnsfilter.control.link")


class BackOff:
    """Waits that double, each shortened at random, so that many nodes do not return at the same time."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._next_s = FIRST_BACK_OFF_S

    def next_s(self) -> float:
        """Return the seconds to wait now, and double the next wait."""
        now_s, self._next_s = self._next_s, min(2 * self._next_s, self._longest_s)
        return now_s * _DRAW.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Start again with the shortest wait, after a success."""
        self._next_s = FIRST_BACK_OFF_S


class Membership:
    """The identity of this node, read from its file on each call. Enrols with a one-time token if there is none."""

    def __init__(self, config: Config, one_time_token: str | None = None) -> None:
        """Initialize. `one_time_token` is the content of the configured file, if this process can no longer read it."""
        self._control = config.control_plane
        self._directory = config.node_dir
        self._token = one_time_token
        self._refused: str | None = None
        self._turn = threading.Lock()  # only one thread may use the one-time token
        self._site_logged = False

    def identity(self) -> Identity:
        """Return the identity. Raise UnavailableError if the node has not enrolled and cannot enrol now."""
        with self._turn:
            return self._identity()

    def _identity(self) -> Identity:
        identity = load_identity(self._directory)
        if identity is not None:
            self._compare(identity)
            return identity
        token = self._one_time_token()
        if token is None:
            raise UnavailableError("this node has not enrolled: run dnsfilter enrol, or set control_plane.token")
        if token == self._refused:
            raise UnavailableError(
                f"this node has not enrolled, and its one-time token was refused: get another token{self._advice}"
            )
        try:
            identity = enrol(self._control, token, self._directory)
        except TokenRefused:
            self._refused = token
            raise
        logs.emit(_LOG, logging.INFO, "enrolled", node=identity.name, site=identity.site, key=identity.key[:16])
        return identity

    def _compare(self, identity: Identity) -> None:
        if identity.site != self._control.site and not self._site_logged:
            self._site_logged = True
            registered, configured = identity.site, self._control.site
            logs.emit(_LOG, logging.WARNING, "enrolled for another site", registered=registered, configured=configured)

    def _one_time_token(self) -> str | None:
        if self._control.token is None:
            return None
        try:
            return load_token(self._control.token)
        except UnavailableError as error:
            if self._token is None:
                raise UnavailableError(f"this node has not enrolled: {error}{self._advice}") from error
            return self._token

    @property
    def _advice(self) -> str:
        command = "dnsfilter-api enrol-node, as root," if self._control.is_at_home else "dnsfilterctl node token NAME"
        return f"; {command} creates one"


def pull_first(config: Config, one_time_token: str | None) -> None:
    """Pull the newest snapshot durably for a node that has no complete one. Enrol the node first if needed.

    If that fails and the control plane is on this machine, copy the files that it has published. Raise DnsfilterError.
    """
    store = SnapshotStore(config.node_dir / SNAPSHOTS)
    try:
        with ControlClient(config.control_plane) as client:
            Puller(client, config.node_dir, Membership(config, one_time_token).identity(), store).pull(0, afresh=True)
    except UnavailableError as error:
        if not (config.control_plane.is_at_home and receive_published(config)):
            raise
        logs.emit(_LOG, logging.WARNING, "using published files of this machine's control plane", reason=error)


@dataclass(frozen=True, slots=True)
class _Task:
    """The repeated work of a thread. `begin` returns the function for one turn, and is called after each failure."""

    name: str
    client: ControlClient
    begin: Callable[[], Callable[[], None]]
    failed: str
    recovered: str


class Control:
    """The link, for the supervisor's thread. `report` and `close` do not block."""

    def __init__(
        self, config: Config, one_time_token: str | None = None, placed: Callable[[], object] = lambda: None
    ) -> None:
        """Start both threads. One of them calls `placed` when another snapshot becomes current in the store.

        Raise UnavailableError if the file of certificates cannot be used.
        """
        self._config = config
        self._placed = placed
        self._membership = Membership(config, one_time_token)
        self._memory = Memory()
        self._pulling, self._reporting = ControlClient(config.control_plane), ControlClient(config.control_plane)
        journal = Journal(config.node_dir / JOURNAL_NAME)
        self._reporter = Reporter(self._reporting, journal, self._membership.identity)
        self._closed = threading.Event()
        self._news = threading.Condition()
        self._facts: Facts | None = None
        self._finishing = self._reports_accepted = False
        self._finished = threading.Event()
        self._trouble: str | None = None
        self._token_rejected = False
        """Whether the trouble is a rejected token. A later `RetryLater` does not replace it."""
        if not self._pulling.is_private:
            logs.emit(_LOG, logging.WARNING, "requests to the control plane are not encrypted", url=self._pulling.url)
        tasks = (
            _Task(
                "pull",
                self._pulling,
                self._begin_pulling,
                "no snapshot from the control plane",
                "snapshots from the control plane again",
            ),
            _Task("report", self._reporting, self._begin_reporting, "report not accepted", "reports accepted again"),
        )
        self._threads = [
            threading.Thread(target=self._run, args=(task,), name=task.name, daemon=True) for task in tasks
        ]
        for thread in self._threads:
            thread.start()

    @property
    def trouble(self) -> str | None:
        """Return the reason why this node may not have the control plane's newest snapshot. None if it has."""
        return self._trouble

    @property
    def heard(self) -> Reference | None:
        """Return the control plane's time in its newest answer over TLS. None if there is none."""
        heard = [each for each in (self._pulling.heard, self._reporting.heard) if each is not None]
        return max(heard, key=lambda each: each.boot_ms, default=None)

    @property
    def unstored(self) -> Unstored | None:
        """Return the pulled snapshot that is only in memory. None if the disk has taken it."""
        return self._memory.unstored

    @property
    def captures(self) -> Sequence[CaptureOrder] | None:
        """Return the captures that the control plane listed last. None before its first answer."""
        return self._reporter.captures

    def report(self, facts: Facts) -> None:
        """Send these facts with the next report. They replace older ones that have not been sent."""
        self._reporter.note(facts.usage)
        with self._news:
            self._facts = facts
            self._news.notify()

    def unreported(self, counted: UsageTotals) -> UsageTotals:
        """Return what no report has contained of `counted`."""
        return self._reporter.unreported(counted)

    def finish(self, facts: Facts, within_s: float) -> None:
        """Report these facts and all usage, if the last report was accepted. Wait at most `within_s` seconds for that.

        Call `close` afterwards. Nothing else is reported: what did not arrive in time is lost, and the log says so.
        """
        with self._news:
            if not self._reports_accepted:
                return
            self._facts, self._finishing = facts, True
            self._news.notify()
        if not self._finished.wait(within_s):
            reason = f"{self._reporting.url} took longer than {within_s} s"
            logs.emit(_LOG, logging.WARNING, "last usage not reported", reason=reason)

    def close(self) -> None:
        """End both threads, also in the middle of a request."""
        self._closed.set()
        self._pulling.close()
        self._reporting.close()
        with self._news:
            self._news.notify()

    def join(self, within_s: float) -> None:
        """Wait at most `within_s` seconds for the threads after `close`."""
        deadline = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, task: _Task) -> None:
        with task.client:
            self._run_turns(task)

    def _run_turns(self, task: _Task) -> None:
        back_off = BackOff(LONGEST_LOCAL_S if self._pulling.is_at_home else LONGEST_BACK_OFF_S)
        logged: set[str] = set()
        turn: Callable[[], None] | None = None
        enrolled: object = None
        while not self._closed.is_set():
            try:
                if turn is None:
                    enrolled = identity_mark(self._config.node_dir)
                    turn = task.begin()
                turn()
            except Exception as error:  # noqa: BLE001
                # Any exception: if the thread ended unnoticed, this node would never get a change again.
                if self._closed.is_set():
                    return
                turn = None
                self._log_failure(task, error, logged)
                self._wait_after(error, back_off.next_s(), enrolled)
                continue
            back_off.reset()
            if logged:
                logged.clear()
                logs.emit(_LOG, logging.INFO, task.recovered)

    def _wait_after(self, error: Exception, back_off_s: float, enrolled: object) -> None:
        """Wait after a failure, at least as long as the answer asks. After a rejected token wait for an enrolment."""
        match error:
            case NodeTokenRejected():
                until_s = time.monotonic() + REJECTED_S * _DRAW.uniform(0.5, 1.0)
                while time.monotonic() < until_s and identity_mark(self._config.node_dir) == enrolled:
                    if self._closed.wait(LOOK_S):
                        return
            case RetryLater():
                self._closed.wait(error.for_s + back_off_s)
            case _:
                self._closed.wait(back_off_s)

    def _log_failure(self, task: _Task, error: Exception, logged: set[str]) -> None:
        """Log a failure unless it was logged since the last success. Report those of pulling too."""
        ours = not isinstance(error, DnsfilterError)
        reason = f"{type(error).__name__}: {error}" if ours else str(error)
        if task.name == "pull" and not (self._token_rejected and isinstance(error, RetryLater)):
            self._token_rejected = isinstance(error, NodeTokenRejected)
            self._set_trouble(reason)
        if reason not in logged and len(logged) < MOST_LOGGED:
            logged.add(reason)
            event = "snapshot refused" if isinstance(error, SnapshotError) else task.failed
            logs.emit(_LOG, logging.ERROR, event, failure=error if ours else None, reason=reason)

    def _set_trouble(self, reason: str | None) -> None:
        with self._news:
            self._trouble = reason
            self._news.notify()

    def _begin_pulling(self) -> Callable[[], None]:
        identity = self._membership.identity()
        puller = Puller(self._pulling, self._config.node_dir, identity, memory=self._memory)
        wait_s = 0  # the first request does not wait, so that a trouble that is over is cleared at once

        def turn() -> None:
            nonlocal wait_s
            asked_s = time.monotonic()
            revision = puller.pull(wait_s, self._placed)
            self._set_trouble(None if self.unstored is None else unstored_text(self.unstored))
            if revision is not None:
                logs.emit(_LOG, logging.INFO, "snapshot pulled", revision=revision)
            elif wait_s and time.monotonic() - asked_s < FIRST_PAUSE_S:
                self._closed.wait(FIRST_PAUSE_S)  # do not flood a server that does not hold its answer
            wait_s = WAIT_S

        return turn

    def _begin_reporting(self) -> Callable[[], None]:
        self._reporter.begin()
        self._reports_accepted = False
        reported: tuple[Facts | None, str | None] = None, None

        def turn() -> None:
            nonlocal reported
            with self._news:
                self._news.wait_for(
                    lambda: self._closed.is_set() or self._finishing or (self._facts, self._trouble) != reported
                )
                facts, trouble = self._facts, self._trouble
            if facts is not None and self._finishing:
                self._report_last(facts, trouble)
            elif facts is not None and not self._closed.is_set():
                self._reporter.report(facts, trouble)
                self._reports_accepted = True
            reported = facts, trouble

        return turn

    def _report_last(self, facts: Facts, trouble: str | None) -> None:
        """Report all usage and end the thread."""
        try:
            self._reporter.report_last(facts, trouble)
        except UnavailableError as error:
            logs.emit(_LOG, logging.WARNING, "last usage not reported", reason=error)
        self._finished.set()
        self._closed.wait()
