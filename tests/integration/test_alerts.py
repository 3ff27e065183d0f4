"""The most important alerts fire for real: Prometheus evaluates the shipped rules with short times, and Alertmanager
sends them to a receiver, as firing and later as resolved."""

import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from dnslib import DNSRecord

from tests.support.alert_rules import write_short_rules
from tests.support.alertmanager import Received, alertmanager
from tests.support.knot import Knot
from tests.support.nodes import SingleMachine, eventually
from tests.support.prometheus import Prometheus, prometheus

WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Watched:
    """A machine, with Prometheus and Alertmanager that watch it."""

    machine: SingleMachine
    server: Prometheus
    received: Received

    def ctl(self, *arguments: str) -> str:
        done = self.machine.ctl(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def arrives(self, status: str, name: str, labels: Mapping[str, str] | None = None, after: int = 0) -> None:
        """Wait until the receiver has the alert with that status."""
        arrived = eventually(lambda: self.received.find(status, name, labels or {}, after) is not None, WITHIN_S, 0.1)
        assert arrived, (status, name, labels, self.received.alerts)

    def fires_and_resolves(
        self, name: str, start: Callable[[], object], end: Callable[[], object], **labels: str
    ) -> None:
        """Start a condition, wait for its alert, end the condition, and wait for the resolution."""
        start()
        try:
            self.arrives("firing", name, labels)
            alert = self.received.find("firing", name, labels)
            assert alert is not None
            assert alert["annotations"]["runbook_url"].endswith(f"#{name.lower()}")
            assert "no value" not in str(alert["annotations"])
            count = len(self.received.alerts)
        finally:
            end()
        self.arrives("resolved", name, labels, count - 1)


@contextmanager
def watching(machine: SingleMachine, directory: Path) -> Iterator[Watched]:
    """Run Prometheus and Alertmanager for a machine, until it is seen by both."""
    targets = {"dnsfilter": machine.metrics_address, "dnsfilter-api": f"127.0.0.1:{machine.api_metrics_port}"}
    write_short_rules(directory / "alerts.yml")
    with ExitStack() as stack:
        address, received = stack.enter_context(alertmanager(directory))
        server = stack.enter_context(prometheus(directory, targets, directory / "alerts.yml", address))
        assert server.wait_for("count(up == 1) == 2")
        yield Watched(machine, server, received)


@pytest.fixture(scope="module")
def watched(machine: SingleMachine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Watch a machine that tests leave as it was."""
    with watching(machine, tmp_path_factory.mktemp("watching")) as running:
        yield running


def in_seconds(seconds: float) -> str:
    """Return the timestamp that many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


@pytest.mark.parametrize(
    ("part", "alert", "job"),
    [("dnsfilter serve", "DnsfilterNodeDown", "dnsfilter"), ("dnsfilter-api", "DnsfilterApiDown", "dnsfilter-api")],
)
def test_a_stopped_part_raises_an_alert(watched: Watched, part: str, alert: str, job: str) -> None:
    pid = watched.machine.child(part)
    watched.fires_and_resolves(
        alert, lambda: os.kill(pid, signal.SIGSTOP), lambda: os.kill(pid, signal.SIGCONT), job=job
    )


def test_a_suspension_raises_an_alert(watched: Watched) -> None:
    watched.fires_and_resolves(
        "DnsfilterSuspended",
        lambda: watched.ctl("suspend", "ghent", "--for", "30m", "--reason", "a page is broken"),
        lambda: watched.ctl("suspend", "ghent", "--end", "--reason", "mended"),
        authority="ghent",
    )


def test_a_ban_that_stays_off_raises_an_alert(watched: Watched) -> None:
    def switch(mode: str) -> str:
        return watched.ctl("ban", "set", "ghent", "tiktok", "--mode", mode, "--reason", "election night")

    watched.fires_and_resolves(
        "DnsfilterBanOff", lambda: switch("off"), lambda: switch("enforce"), authority="ghent", service="tiktok"
    )


def test_a_term_near_its_end_raises_three_alerts_one_after_another(watched: Watched) -> None:
    decision = ("--organ", "college", "--reference", "2026/12", "--date", "2026-11-02", "--legal-basis", "decision")
    watched.ctl("ban", "adopt", "diest", "instagram", *decision, "--end", in_seconds(25))
    for days, severity in (("30", "info"), ("7", "warning"), ("1", "warning")):
        labels = {"authority": "diest", "service": "instagram", "days": days, "severity": severity}
        watched.arrives("firing", "DnsfilterBanEnds", labels)
    for days in ("30", "7", "1"):
        labels = {"authority": "diest", "service": "instagram", "days": days}
        watched.arrives("resolved", "DnsfilterBanEnds", labels)


def test_a_request_that_waits_raises_an_alert(watched: Watched) -> None:
    ask = ("exemption", "ask", "brussels-city/tiktok", "127.0.2.0/24", "--for", "3 months", "--reason", "promotion")
    asked: list[str] = []
    watched.fires_and_resolves(
        "DnsfilterExemptionWaiting",
        lambda: asked.append(watched.ctl("--json", *ask)),
        lambda: watched.ctl("exemption", "reject", str(number(asked[0])), "--reason", "not needed"),
        authority="brussels-city",
    )


def number(text: str) -> int:
    """Return the number in the JSON of a command."""
    return int(json.loads(text)["number"])


def test_a_missing_and_an_old_backup_raise_alerts(watched: Watched) -> None:
    def backup() -> str:
        return watched.ctl("backup", str(watched.machine.directory / f"{len(watched.received.alerts)}.backup"))

    watched.fires_and_resolves("DnsfilterBackupMissing", lambda: None, backup)
    # With short times a backup is old after two seconds, and the alert goes on for five.
    watched.arrives("firing", "DnsfilterBackupOld")
    count = len(watched.received.alerts)

    def renewed_and_resolved() -> bool:
        backup()
        return watched.received.find("resolved", "DnsfilterBackupOld", {}, count) is not None

    assert eventually(renewed_and_resolved, WITHIN_S, 0.2)


@contextmanager
def asking(machine: SingleMachine) -> Iterator[None]:
    """Ask for 200 new names a second until the end."""
    ended = threading.Event()

    def ask() -> None:
        asked = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", machine.port))
            while not ended.wait(0.05):
                for _ in range(10):
                    asked += 1
                    client.send(DNSRecord.question(f"n{asked}.example.org").pack())

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_stopped_upstream_raises_alerts_and_the_greater_hides_the_smaller(watched: Watched, authority: Knot) -> None:
    with asking(watched.machine):

        def smaller_fire_too_and_end() -> None:
            for name in ("DnsfilterUpstreamFailing", "DnsfilterServfail"):
                assert watched.server.wait_for(f'ALERTS{{alertname="{name}",alertstate="firing"}}', WITHIN_S), name
            authority.start()

        watched.fires_and_resolves("DnsfilterAllUpstreamsFailing", authority.stop, smaller_fire_too_and_end)
        for name in ("DnsfilterUpstreamFailing", "DnsfilterServfail"):
            gone = f'absent(ALERTS{{alertname="{name}",alertstate="firing"}})'
            assert watched.server.wait_for(gone), name
        assert watched.received.find("firing", "DnsfilterUpstreamFailing", {}) is None


def test_dying_workers_raise_alerts(fresh_machine: SingleMachine, tmp_path: Path) -> None:
    with watching(fresh_machine, tmp_path) as watched:

        def kill_three() -> None:
            supervisor = fresh_machine.child("dnsfilter serve")
            for _ in range(3):
                killed = workers(supervisor)[0]
                os.kill(killed, signal.SIGKILL)
                assert eventually(partial(replaced, supervisor, killed), WITHIN_S)

        watched.fires_and_resolves("DnsfilterWorkerRestarts", kill_three, lambda: None)
        watched.arrives("firing", "DnsfilterEngineFallback")


def replaced(supervisor: int, killed: int) -> bool:
    """Return whether there are a worker and its standby without the killed one."""
    return len(set(workers(supervisor)) - {killed}) >= 2


def workers(supervisor: int) -> list[int]:
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return sorted(pid for pid in map(int, children) if b"dnsfilter.worker.process" in command_line(pid))


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
