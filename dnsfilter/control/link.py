"""The node's link to its control plane: two threads beside the supervisor, which waits for neither.

One asks for snapshots and is answered when there is one (or after a while), the other reports. Both go on for as long
as the node does, whatever fails; what fails is said once in the log, and in the report.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from dnsfilter.config.node_config import Config
from dnsfilter.control.enrolment import enrol
from dnsfilter.control.http_client import ControlClient, Disowned, NotNow
from dnsfilter.control.identity import Identity, TokenRefused, identity_mark, load_identity, load_token
from dnsfilter.control.puller import SNAPSHOTS, Puller, receive_published
from dnsfilter.control.report import Facts
from dnsfilter.control.reporter import Reporter
from dnsfilter.errors import DnsfilterError, SnapshotError, UnavailableError
from dnsfilter.local.journal import JOURNAL_NAME, Journal
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.telemetry import logs

WAIT_S = 25
"""How long the control plane is asked to hold its answer; below what proxies give up after."""
FIRST_BACK_OFF_S = 0.2
LONGEST_BACK_OFF_S = 30.0
LONGEST_AT_HOME_S = 1.0
"""On the control plane's own machine there are no thousand nodes to spare it, and somebody waits for a toggle."""
FIRST_PAUSE_S = 1.0
DISOWNED_S = 300.0
"""How long a control plane is left alone that takes this node's token no longer; another enrolment ends that."""
LOOK_S = 1.0
"""How often it is looked for."""
MOST_SAID = 100
"""Different failures in a row that are logged."""
_DRAW = secrets.SystemRandom()
_LOG = logging.getLogger("dnsfilter.control.link")


class BackOff:
    """Waits that double, each shortened at random, so that many nodes do not come back together."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._next_s = FIRST_BACK_OFF_S

    def next_s(self) -> float:
        """How long to wait now; the next time twice that."""
        now_s, self._next_s = self._next_s, min(2 * self._next_s, self._longest_s)
        return now_s * _DRAW.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Something went well."""
        self._next_s = FIRST_BACK_OFF_S


class Membership:
    """Who this node is, read anew whenever somebody asks; with a one-time token it enrols where nobody has."""

    def __init__(self, config: Config, one_time_token: str | None = None) -> None:
        """`one_time_token` is what the configured file held, where this process may not read it any more."""
        self._control = config.control_plane
        self._directory = config.node_dir
        self._token = one_time_token
        self._refused: str | None = None
        self._turn = threading.Lock()  # a one-time token is for one of us
        self._site_said = False

    def identity(self) -> Identity:
        """Raises UnavailableError when the node has not enrolled, and cannot now."""
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
                f"this node has not enrolled, and its one-time token was refused: get another one{self._advice}"
            )
        try:
            identity = enrol(self._control, token, self._directory)
        except TokenRefused:
            self._refused = token
            raise
        logs.emit(_LOG, logging.INFO, "enrolled", node=identity.name, site=identity.site, key=identity.key[:16])
        return identity

    def _compare(self, identity: Identity) -> None:
        if identity.site != self._control.site and not self._site_said:
            self._site_said = True
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
        return f"; {command} makes one"


def pull_first(config: Config, one_time_token: str | None) -> None:
    """Enrol a node without a complete snapshot, if need be, and pull the newest one durably. Raise DnsfilterError.

    If that fails and the control plane is on this machine, take the files that it has published.
    """
    store = SnapshotStore(config.node_dir / SNAPSHOTS)
    try:
        with ControlClient(config.control_plane) as client:
            Puller(client, config.node_dir, Membership(config, one_time_token).identity(), store).pull(0, afresh=True)
    except UnavailableError as error:
        if not (config.control_plane.is_at_home and receive_published(config)):
            raise
        logs.emit(_LOG, logging.WARNING, "the files of this machine's control plane are used", reason=error)


@dataclass(frozen=True, slots=True)
class _Errand:
    """What a thread does over and over: `begin` gives one turn, and is asked again after each failure."""

    name: str
    client: ControlClient
    begin: Callable[[], Callable[[], None]]
    failed: str
    recovered: str


class Control:
    """Made and used by the supervisor's thread; `report` and `close` do not wait."""

    def __init__(
        self, config: Config, one_time_token: str | None = None, placed: Callable[[], object] = lambda: None
    ) -> None:
        """Starts both threads; `placed` is called by one of them when another snapshot is current in the store.

        Raises UnavailableError for a file of certificates that cannot be used.
        """
        self._config = config
        self._placed = placed
        self._membership = Membership(config, one_time_token)
        self._pulling, self._reporting = ControlClient(config.control_plane), ControlClient(config.control_plane)
        journal = Journal(config.node_dir / JOURNAL_NAME)
        self._reporter = Reporter(self._reporting, journal, self._membership.identity)
        self._closed = threading.Event()
        self._news = threading.Condition()
        self._facts: Facts | None = None
        self._trouble: str | None = None
        self._disowned = False
        """Whether that is the trouble; to be told to ask later says nothing else."""
        if not self._pulling.is_private:
            logs.emit(_LOG, logging.WARNING, "control plane is asked without encryption", url=self._pulling.url)
        errands = (
            _Errand(
                "pull", self._pulling, self._begin_pulling, "no snapshot from the control plane", "snapshots again"
            ),
            _Errand("report", self._reporting, self._begin_reporting, "report not taken", "reports are taken again"),
        )
        self._threads = [
            threading.Thread(target=self._run, args=(errand,), name=errand.name, daemon=True) for errand in errands
        ]
        for thread in self._threads:
            thread.start()

    @property
    def trouble(self) -> str | None:
        """Why this node may not have the control plane's newest snapshot; None: it has."""
        return self._trouble

    def report(self, facts: Facts) -> None:
        """Have these told, instead of older ones that have not been."""
        with self._news:
            self._facts = facts
            self._news.notify()

    def close(self) -> None:
        """End both threads, whatever they are at."""
        self._closed.set()
        self._pulling.close()
        self._reporting.close()
        with self._news:
            self._news.notify()

    def join(self, within_s: float) -> None:
        """Wait at most so long for what `close` has ended."""
        deadline = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, errand: _Errand) -> None:
        with errand.client:
            self._do(errand)

    def _do(self, errand: _Errand) -> None:
        back_off = BackOff(LONGEST_AT_HOME_S if self._pulling.is_at_home else LONGEST_BACK_OFF_S)
        said: set[str] = set()
        turn: Callable[[], None] | None = None
        enrolled: object = None
        while not self._closed.is_set():
            try:
                if turn is None:
                    enrolled = identity_mark(self._config.node_dir)
                    turn = errand.begin()
                turn()
            except Exception as error:  # noqa: BLE001
                # Of whatever kind: nobody would miss the thread, and this node would never hear of a change again.
                if self._closed.is_set():
                    return
                turn = None
                self._say(errand, error, said)
                self._rest(error, back_off.next_s(), enrolled)
                continue
            back_off.reset()
            if said:
                said.clear()
                logs.emit(_LOG, logging.INFO, errand.recovered)

    def _rest(self, error: Exception, back_off_s: float, enrolled: object) -> None:
        """Wait after a failure, also as long as whoever answered asks; once disowned, longer or until it enrols."""
        match error:
            case Disowned():
                until_s = time.monotonic() + DISOWNED_S * _DRAW.uniform(0.5, 1.0)
                while time.monotonic() < until_s and identity_mark(self._config.node_dir) == enrolled:
                    if self._closed.wait(LOOK_S):
                        return
            case NotNow():
                self._closed.wait(error.for_s + back_off_s)
            case _:
                self._closed.wait(back_off_s)

    def _say(self, errand: _Errand, error: Exception, said: set[str]) -> None:
        """Log a failure unless it was said since the last success; those of pulling are reported too."""
        ours = not isinstance(error, DnsfilterError)
        reason = f"{type(error).__name__}: {error}" if ours else str(error)
        if errand.name == "pull" and not (self._disowned and isinstance(error, NotNow)):
            self._disowned = isinstance(error, Disowned)
            self._set_trouble(reason)
        if reason not in said and len(said) < MOST_SAID:
            said.add(reason)
            event = "snapshot refused" if isinstance(error, SnapshotError) else errand.failed
            logs.emit(_LOG, logging.ERROR, event, failure=error if ours else None, reason=reason)

    def _set_trouble(self, reason: str | None) -> None:
        with self._news:
            self._trouble = reason
            self._news.notify()

    def _begin_pulling(self) -> Callable[[], None]:
        puller = Puller(self._pulling, self._config.node_dir, self._membership.identity())
        wait_s = 0  # at first, so that a trouble that is over is not told for as long as nothing changes

        def turn() -> None:
            nonlocal wait_s
            asked_s = time.monotonic()
            revision = puller.pull(wait_s, self._placed)
            self._set_trouble(None)
            if revision is not None:
                logs.emit(_LOG, logging.INFO, "snapshot pulled", revision=revision)
            elif wait_s and time.monotonic() - asked_s < FIRST_PAUSE_S:
                self._closed.wait(FIRST_PAUSE_S)  # whoever does not wait as asked is not to be asked without pause
            wait_s = WAIT_S

        return turn

    def _begin_reporting(self) -> Callable[[], None]:
        self._reporter.begin()
        told: tuple[Facts | None, str | None] = None, None

        def turn() -> None:
            nonlocal told
            with self._news:
                self._news.wait_for(lambda: self._closed.is_set() or (self._facts, self._trouble) != told)
                facts, trouble = self._facts, self._trouble
            if facts is not None and not self._closed.is_set():
                self._reporter.tell(facts, trouble)
            told = facts, trouble

        return turn
