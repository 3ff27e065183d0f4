"""Further alerts fire for real, as in test_alerts: those that need more time, other faults, or a load of queries."""

import os
import signal
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Self

import pytest

from api.usage.state import WEEK_S
from tests.support.alert_rules import write_short_rules
from tests.support.alertmanager import alertmanager
from tests.support.control_planes import Api
from tests.support.engines import query
from tests.support.fake_clock import BRUSSELS, MovedClock
from tests.support.mail_and_syslog import Mailbox, mail_server
from tests.support.nodes import EXAMPLE, Node, SingleMachine, eventually, program, worker_pids
from tests.support.ports import free_port
from tests.support.prometheus import prometheus
from tests.support.scripted import Asked, Scripted, reply
from tests.support.small_disk import SmallDisk, fill
from tests.support.watched import WITHIN_S, Watched, watching

pytestmark = [pytest.mark.slow, pytest.mark.real_clock]

DECISION = ("--organ", "college", "--reference", "2026/12", "--date", "2026-11-02", "--legal-basis", "decision")
BANNED, ALLOWED, BYPASS = "www.tiktok.com", "www.example.org", "mask.icloud.com"
CLIENT = "127.0.5.10"
"""A device of Ghent, which bans TikTok."""
UPSTREAM_S = 0.4


class Hindered(Api):
    """`dnsfilter-api` that cannot write events and checkpoints, nor send mail, until the test allows it."""

    def __init__(self, directory: Path, mailbox: Mailbox) -> None:
        self.metrics_address = f"127.0.0.1:{free_port()}"
        self.files = directory / "files"
        super().__init__(
            directory,
            EXAMPLE.read_text(),
            (
                *("--metrics-listen", self.metrics_address),
                *("--events-file", str(self.files / "events")),
                *("--checkpoint-file", str(self.files / "checkpoints")),
                *("--notices-mail", f"smtp://127.0.0.1:{mailbox.port}?from=dns@example.org&to=network@example.org"),
            ),
        )
        self.files.touch()  # a file in place of a directory

    def allow(self) -> None:
        self.files.unlink()
        self.files.mkdir()

    def ctl(self, *arguments: str) -> str:
        """Run `dnsfilterctl` where it finds the administrator's token."""
        command, environment = [program("dnsfilterctl"), *arguments], {**os.environ, "DNSFILTER_URL": self.url}
        done = subprocess.run(command, cwd=self.state, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Upstream:
    """An upstream that answers each question after `delay_s`, with a TTL of a second, unless it is `silent`."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self.silent = False
        self._ended = threading.Event()
        self._scripted = Scripted(self._answer)
        self._thread = threading.Thread(target=self._serve)
        self.address = f"{self._scripted.endpoint.address}:{self._scripted.endpoint.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._scripted.close()

    def _answer(self, asked: Asked) -> tuple[bytes, ...]:
        if self.silent:
            return ()
        message = reply(asked, (f"{asked.name}. 1 A 192.0.2.1",))
        if self._delay_s == 0:
            return (message,)
        timer = threading.Timer(self._delay_s, self._say, (asked, message))
        timer.daemon = True
        timer.start()
        return ()

    def _say(self, asked: Asked, message: bytes) -> None:
        if not self._ended.is_set():
            self._scripted.say(asked, message)

    def _serve(self) -> None:
        while not self._ended.wait(0.005):
            self._scripted.serve()


@dataclass(frozen=True, slots=True)
class Others:
    """What is watched with the machine: a control plane and two nodes.

    `slow` has a slow upstream and a small disk, `moved` a clock and an upstream that tests change.
    """

    api: Hindered
    mailbox: Mailbox
    slow: SmallDisk
    moved: Node
    clock: MovedClock
    upstream: Upstream


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Others]:
    directory = tmp_path_factory.mktemp("others")
    clock = MovedClock(directory, _in_brussels(timedelta()))
    with mail_server() as mailbox, Upstream(UPSTREAM_S) as late, Upstream(0) as upstream:
        mailbox.refusing = True
        slow, moved = SmallDisk(directory / "slow", late.address), Node(directory / "moved", upstream.address)
        moved.environment = clock.environment
        with Hindered(directory / "api", mailbox) as api, slow, moved:
            yield Others(api, mailbox, slow, moved, clock, upstream)


def _in_brussels(later: timedelta) -> str:
    return f"{datetime.now(BRUSSELS) + later:%Y-%m-%d %H:%M:%S}"


@pytest.fixture(scope="module")
def watched(machine: SingleMachine, others: Others, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    targets = {
        "dnsfilter": [others.slow.metrics_address, others.moved.metrics_address],
        "dnsfilter-api": [others.api.metrics_address],
    }
    with watching(machine, tmp_path_factory.mktemp("watching"), targets) as running:
        yield running


@contextmanager
def load(port: int, *names: Callable[[int], str], per_second: int = 300) -> Iterator[None]:
    """Ask for these names in turn, at that rate, as a device of Ghent, until the end."""
    ended = threading.Event()

    def ask() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind((CLIENT, 0))
            client.connect(("127.0.0.1", port))
            for turn in count():
                if ended.wait(0.05):
                    return
                first = turn * per_second // 20
                for number in range(first, first + per_second // 20):
                    client.send(query(names[number % len(names)](number)))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def always(name: str) -> Callable[[int], str]:
    return lambda _: name


def fires_in_prometheus(watched: Watched, name: str, **labels: str) -> bool:
    """Wait until an alert fires that another one hides from Alertmanager's receivers."""
    found = {"alertname": name, "alertstate": "firing", **labels}
    wanted = ",".join(f'{key}="{value}"' for key, value in found.items())
    return bool(watched.server.wait_for(f"ALERTS{{{wanted}}}", WITHIN_S))


def switch(watched: Watched, mode: str) -> None:
    watched.ctl("ban", "set", "ghent", "tiktok", "--mode", mode, "--reason", "election night")


def test_the_watchdog_fires(watched: Watched) -> None:
    watched.arrives("firing", "DnsfilterWatchdog", {"severity": "info"})


def test_a_ban_that_is_switched_off_raises_an_alert_at_once(watched: Watched) -> None:
    off, on = partial(switch, watched, "off"), partial(switch, watched, "enforce")
    watched.fires_and_resolves("DnsfilterBanSwitchedOff", off, on, authority="ghent", service="tiktok")


def test_a_ban_that_lapses_raises_an_alert_until_it_is_renewed(watched: Watched) -> None:
    ban = {"authority": "diest", "service": "instagram"}
    end = (datetime.now(BRUSSELS) + timedelta(seconds=8)).isoformat(timespec="seconds")
    watched.fires_and_resolves(
        "DnsfilterBanLapsed",
        lambda: watched.ctl("ban", "adopt", *ban.values(), *DECISION, "--until", end),
        lambda: watched.ctl("ban", "renew", *ban.values(), *DECISION, "--for", "1 year"),
        **ban,
    )


def workers(machine: SingleMachine) -> list[int]:
    return worker_pids(machine.child("dnsfilter serve"))


def test_a_node_without_workers_raises_an_alert(watched: Watched) -> None:
    ended = threading.Event()

    def kill_all() -> None:
        while not ended.wait(0.02):
            for pid in workers(watched.machine):
                os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill_all)

    def end() -> None:
        ended.set()
        thread.join()

    watched.fires_and_resolves("DnsfilterNoWorkers", thread.start, end, instance=watched.machine.metrics_address)


def test_a_policy_that_makes_workers_crash_raises_the_alerts_of_its_node(watched: Watched) -> None:
    machine, node = watched.machine, {"instance": watched.machine.metrics_address}
    switch(watched, "monitor")
    switch(watched, "enforce")

    def has_replaced(crashed: int) -> bool:
        return len(set(workers(machine)) - {crashed}) >= 2

    def crash_three() -> None:
        for _ in range(3):
            (crashed, *_) = workers(machine)
            os.kill(crashed, signal.SIGSEGV)
            assert eventually(partial(has_replaced, crashed), WITHIN_S)

    def other_policy() -> None:
        watched.arrives("firing", "DnsfilterBansLifted", node)
        watched.arrives("firing", "DnsfilterNodesBehind", {"node": "this-machine"})
        assert fires_in_prometheus(watched, "DnsfilterPolicyOld", node="this-machine")
        switch(watched, "monitor")
        switch(watched, "enforce")

    watched.fires_and_resolves("DnsfilterSnapshotQuarantined", crash_three, other_policy, **node)
    watched.arrives("resolved", "DnsfilterBansLifted", node)
    watched.arrives("resolved", "DnsfilterNodesBehind", {"node": "this-machine"})


def test_an_older_policy_that_was_chosen_raises_an_alert(watched: Watched) -> None:
    switch(watched, "monitor")
    switch(watched, "enforce")
    machine = watched.machine
    older = str(int(machine.metrics()["dnsfilter_snapshot_revision"]) - 1)

    def use() -> None:
        command = [program("dnsfilter"), "snapshot", "use", older, "--reason", "a page is broken"]
        config = machine.state / "dnsfilter.toml"
        done = subprocess.run([*command, "--config", str(config)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    watched.fires_and_resolves("DnsfilterNodesHeld", use, lambda: switch(watched, "monitor"), node="this-machine")
    switch(watched, "enforce")


def test_a_silent_node_raises_an_alert_that_holds_while_the_api_is_down(watched: Watched) -> None:
    node, api = watched.machine.child("dnsfilter serve"), watched.machine.child("dnsfilter-api")
    silent = {"node": "this-machine"}

    def end() -> None:
        before = len(watched.received.alerts)
        os.kill(api, signal.SIGSTOP)
        try:
            watched.arrives("firing", "DnsfilterApiDown", after=before)
            assert fires_in_prometheus(watched, "DnsfilterNodesSilent", **silent)
            assert watched.received.find("resolved", "DnsfilterNodesSilent", silent, before) is None
        finally:
            os.kill(api, signal.SIGCONT)
            os.kill(node, signal.SIGCONT)

    watched.fires_and_resolves("DnsfilterNodesSilent", lambda: os.kill(node, signal.SIGSTOP), end, **silent)


def test_an_old_checkpoint_raises_an_alert(watched: Watched) -> None:
    api = {"instance": f"127.0.0.1:{watched.machine.api_metrics_port}"}
    switch(watched, "monitor")
    switch(watched, "enforce")
    watched.arrives("firing", "DnsfilterCheckpointOld", api)
    before = len(watched.received.alerts)

    def made_and_resolved() -> bool:
        watched.ctl("node", "list")
        switch(watched, "enforce")
        watched.ctl("audit", "checkpoint")
        return watched.received.find("resolved", "DnsfilterCheckpointOld", api, before) is not None

    assert eventually(made_and_resolved, WITHIN_S, 1)


def test_checkpoints_without_a_destination_raise_an_alert(watched: Watched) -> None:
    api = {"instance": f"127.0.0.1:{watched.machine.api_metrics_port}"}
    watched.arrives("firing", "DnsfilterNoCheckpointDestination", api)


def test_what_cannot_be_sent_raises_alerts(watched: Watched, others: Others) -> None:
    api = {"instance": others.api.metrics_address}
    ask = ("exemption", "ask", "brussels-city/tiktok", "127.0.2.0/24", "--for", "3 months", "--reason", "promotion")
    others.api.ctl(*ask)
    watched.arrives("firing", "DnsfilterNoticesWaiting", api)
    watched.arrives("firing", "DnsfilterEventsWaiting", {**api, "receiver": "file"})
    watched.arrives("firing", "DnsfilterCheckpointsUndelivered", {**api, "destination": "file"})
    others.api.allow()
    others.mailbox.refusing = False
    others.api.stop()  # after a start, the first attempt comes at once
    others.api.start()
    watched.arrives("resolved", "DnsfilterEventsWaiting", {**api, "receiver": "file"})
    watched.arrives("resolved", "DnsfilterCheckpointsUndelivered", {**api, "destination": "file"})


def test_a_range_that_stopped_asking_raises_an_alert(watched: Watched, others: Others) -> None:
    def last_asked(seconds_ago: int) -> None:
        others.api.stop()  # it keeps the states of ranges for a minute
        with closing(sqlite3.connect(others.api.state / "dnsfilter.sqlite3")) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO coverage (authority, site, prefix, last_asked_s) "
                "SELECT authority, site, prefix, unixepoch() - ? FROM ranges WHERE prefix = '127.0.5.0/24'",
                (seconds_ago,),
            )
            connection.commit()
        others.api.start()

    watched.fires_and_resolves(
        "DnsfilterRangeStopped", partial(last_asked, WEEK_S + 1), partial(last_asked, 1), authority="ghent"
    )


def test_a_clock_that_is_ahead_raises_an_alert(watched: Watched, others: Others) -> None:
    watched.fires_and_resolves(
        "DnsfilterClockWrong",
        lambda: others.clock.set(_in_brussels(timedelta(days=2))),
        lambda: others.clock.set(_in_brussels(timedelta())),
        instance=others.moved.metrics_address,
    )


def test_a_clock_that_is_earlier_than_the_policy_raises_an_alert(watched: Watched, others: Others) -> None:
    watched.fires_and_resolves(
        "DnsfilterClockDoubted",
        lambda: others.clock.set(_in_brussels(timedelta(days=-2))),
        lambda: others.clock.set(_in_brussels(timedelta())),
        instance=others.moved.metrics_address,
    )


def test_a_full_disk_raises_a_critical_alert(watched: Watched, others: Others) -> None:
    full: list[Path] = []
    watched.fires_and_resolves(
        "DnsfilterDiskFull",
        lambda: full.append(fill(others.slow.disk)),
        lambda: full[0].unlink(),
        instance=others.slow.metrics_address,
        severity="critical",
    )


def test_an_upstream_that_takes_400_ms_raises_alerts(watched: Watched, others: Others) -> None:
    node = others.slow.metrics_address
    with ExitStack() as stack:

        def end() -> None:
            for severity in ("warning", "info"):
                assert fires_in_prometheus(watched, "DnsfilterSpeedObjective", instance=node, severity=severity)
            stack.close()

        names = (always(BANNED), always(BANNED), "n{}.example.org".format)
        watched.fires_and_resolves(
            "DnsfilterUpstreamSlow",
            lambda: stack.enter_context(load(others.slow.port, *names)),
            end,
            instance=node,
        )


def test_an_upstream_that_stops_raises_alerts_about_expired_and_missing_answers(
    watched: Watched, others: Others
) -> None:
    node = others.moved.metrics_address
    known = [f"h{number}.example.org" for number in range(20)]
    with load(others.moved.port, lambda number: known[number % 20], "n{}.example.org".format):
        assert eventually(lambda: others.moved.metrics()["dnsfilter_cache_entries"] > 20, WITHIN_S)
        others.upstream.silent = True
        try:
            assert fires_in_prometheus(watched, "DnsfilterStale", instance=node)
            for severity in ("critical", "info"):
                assert fires_in_prometheus(watched, "DnsfilterAnsweredObjective", instance=node, severity=severity)
        finally:
            others.upstream.silent = False
    assert watched.server.wait_for(f'absent(ALERTS{{alertname="DnsfilterStale",instance="{node}"}})', WITHIN_S)


def test_refusals_that_stop_raise_an_alert_that_ends_when_they_go_on(watched: Watched, others: Others) -> None:
    port = others.moved.port
    with ExitStack() as stack:

        def only_allowed() -> None:
            with load(port, always(BANNED), always(ALLOWED)):
                refused = f'dnsfilter_queries_total{{instance="{others.moved.metrics_address}",outcome="refused"}}'
                steadily = f"sum_over_time((increase({refused}[7500ms]) > bool 30)[1m:7500ms]) >= 7"
                assert watched.server.wait_for(steadily, WITHIN_S)
            stack.enter_context(load(port, always(ALLOWED)))

        def both() -> None:
            stack.enter_context(load(port, always(BANNED)))

        watched.fires_and_resolves(
            "DnsfilterRefusalsStopped", only_allowed, both, instance=others.moved.metrics_address
        )


def test_attempts_to_bypass_raise_an_alert(watched: Watched) -> None:
    assert watched.server.wait_for('count(present_over_time(up{job="dnsfilter"}[1s] offset 32s))', WITHIN_S)
    with ExitStack() as stack:
        watched.fires_and_resolves(
            "DnsfilterBypassSpike",
            lambda: stack.enter_context(load(watched.machine.port, always(BYPASS), per_second=100)),
            stack.close,
            authority="ghent",
        )


def test_a_job_without_targets_raises_an_alert(watched: Watched, tmp_path: Path) -> None:
    write_short_rules(tmp_path / "alerts.yml")
    targets = {"dnsfilter": [watched.machine.metrics_address]}
    with (
        alertmanager(tmp_path) as (address, received),
        prometheus(tmp_path, targets, tmp_path / "alerts.yml", address),
    ):
        wanted = {"job": "dnsfilter-api", "severity": "warning"}
        assert eventually(lambda: received.find("firing", "DnsfilterNotScraped", wanted) is not None, WITHIN_S)
