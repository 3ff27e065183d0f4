"""A real Prometheus for tests, which scrapes their targets and evaluates their rules."""

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.alert_rules import RUNBOOK
from tests.support.components import component
from tests.support.ports import free_port

START_S = 90


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running server."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an instant query. Raise ValueError with Prometheus' message if the query fails."""
        return self._asked("query", expression)

    def query_range(self, expression: str, start: int, end: int, step: int) -> list[dict[str, Any]]:
        """Return the series of a range query, as `query` does; times are Unix times, the step is in seconds."""
        return self._asked("query_range", expression, start=start, end=end, step=step)

    def _asked(self, kind: str, expression: str, **more: int) -> list[dict[str, Any]]:
        data = urllib.parse.urlencode({"query": expression, **more}).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{kind}", data, timeout=60) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(f"run {expression!r}: {error.read().decode()}") from None
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def wait_for(self, expression: str, within_s: float = START_S) -> list[dict[str, Any]]:
        """Return the samples as soon as there are any, or an empty list after `within_s`."""
        deadline = time.monotonic() + within_s
        while not (samples := self.query(expression)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return samples


def configuration(targets: Mapping[str, Sequence[str]], rules: Path | None, alertmanager: str | None) -> dict[str, Any]:
    """Return the configuration that scrapes `http://TARGET/metrics` each second, for each job and its targets."""
    every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    receivers = [] if alertmanager is None else [{"static_configs": [{"targets": [alertmanager]}]}]
    return {
        "global": {**every, "external_labels": {"runbook": RUNBOOK}},
        "rule_files": [] if rules is None else [str(rules)],
        "alerting": {"alertmanagers": receivers},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": list(each)}]} for job, each in targets.items()
        ],
    }


@contextmanager
def prometheus(
    directory: Path, targets: Mapping[str, Sequence[str]], rules: Path | None = None, alertmanager: str | None = None
) -> Iterator[Prometheus]:
    """Run Prometheus on a free loopback port, with its data in `directory`.

    It scrapes the targets of each job, evaluates the rules, and sends alerts to the address of an Alertmanager.
    """
    program = component("prometheus")
    config = directory / "prometheus.yml"  # JSON is YAML
    config.write_text(json.dumps(configuration(targets, rules, alertmanager)))
    address = f"127.0.0.1:{free_port()}"
    command = [
        str(program.path),
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=error",
        # An alert that fires before Alertmanager was found is lost until it is sent again, by default after a minute.
        "--rules.alert.resend-delay=5s",
    ]
    with (
        open(directory / "prometheus.log", "wb") as log,
        subprocess.Popen(command, env=program.env, cwd=directory, stdout=log, stderr=log) as process,
    ):
        try:
            server = Prometheus(f"http://{address}")
            _wait_until_ready(server, process, directory / "prometheus.log")
            yield server
        finally:
            process.terminate()
            process.wait(START_S)


def _wait_until_ready(server: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/-/ready", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"start prometheus: {log.read_text()[-2000:]}")
