"""Machines that Prometheus and Alertmanager watch, with the shipped rules and short times."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.alert_rules import RUNBOOK, write_short_rules
from tests.support.alertmanager import Received, alertmanager
from tests.support.nodes import SingleMachine, eventually
from tests.support.prometheus import Prometheus, prometheus

WITHIN_S = 180.0


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
        same = [
            (alert["status"], alert["labels"]) for alert in self.received.alerts if alert["labels"]["alertname"] == name
        ]
        assert arrived, (status, name, labels, same)

    def fires_and_resolves(
        self, name: str, start: Callable[[], object], end: Callable[[], object], **labels: str
    ) -> None:
        """Start a condition, wait for its alert, end the condition, and wait for the resolution."""
        before = len(self.received.alerts)
        start()
        try:
            self.arrives("firing", name, labels, before)
            alert = self.received.find("firing", name, labels, before)
            assert alert is not None
            assert alert["annotations"]["runbook_url"].startswith(RUNBOOK)
            assert alert["annotations"]["runbook_url"].endswith(f"#{name.lower()}")
            assert "no value" not in str(alert["annotations"])
            count = len(self.received.alerts)
        finally:
            end()
        self.arrives("resolved", name, labels, count - 1)


@contextmanager
def watching(machine: SingleMachine, directory: Path, others: Mapping[str, Sequence[str]]) -> Iterator[Watched]:
    """Run Prometheus and Alertmanager for a machine and other targets by job, until all are seen."""
    targets = {
        "dnsfilter": [machine.metrics_address, *others.get("dnsfilter", ())],
        "dnsfilter-api": [f"127.0.0.1:{machine.api_metrics_port}", *others.get("dnsfilter-api", ())],
    }
    write_short_rules(directory / "alerts.yml")
    with ExitStack() as stack:
        address, received = stack.enter_context(alertmanager(directory))
        server = stack.enter_context(prometheus(directory, targets, directory / "alerts.yml", address))
        assert server.wait_for(f"count(up == 1) == {sum(map(len, targets.values()))}")
        yield Watched(machine, server, received)
