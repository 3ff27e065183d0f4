"""A real Alertmanager for tests, which sends what it gets to a small HTTP receiver."""

import json
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.support.alert_rules import ALERTS
from tests.support.components import component
from tests.support.namespaces import tool
from tests.support.nodes import eventually
from tests.support.ports import free_port

START_S = 90.0
TEMPLATE = Path("/usr/share/prometheus/alertmanager/default.tmpl")
STOP_S = 10.0


@dataclass(slots=True)
class Received:
    """The alerts that arrived, in order. Each has its status, `firing` or `resolved`, labels and annotations."""

    alerts: list[Mapping[str, Any]] = field(default_factory=list)

    def find(self, status: str, name: str, labels: Mapping[str, str], after: int = 0) -> Mapping[str, Any] | None:
        """Return the first such alert that arrived after that many others."""
        wanted = {"alertname": name, **labels}.items()
        found = (alert for alert in self.alerts[after:] if alert["status"] == status)
        return next((alert for alert in found if wanted <= alert["labels"].items()), None)


@contextmanager
def receiver() -> Iterator[tuple[str, Received]]:
    """Run a receiver of webhooks. Yield its URL and what it received."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.alerts.extend(content["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/", received
        finally:
            server.shutdown()
            thread.join(STOP_S)


def configuration(url: str) -> dict[str, Any]:
    """Return the shipped configuration with one receiver for all, and without waiting."""
    shipped = _shipped()
    route = {"receiver": "test", "group_by": shipped["route"]["group_by"], "group_wait": "0s", "group_interval": "1s"}
    return {
        "route": route,
        "inhibit_rules": shipped["inhibit_rules"],
        "receivers": [{"name": "test", "webhook_configs": [{"url": url}]}],
    }


def mail_configuration(port: int) -> dict[str, Any]:
    """Return the shipped configuration with a mail server on loopback, and with short waits."""
    shipped = _shipped()
    for route in (shipped["route"], *shipped["route"]["routes"]):
        route |= {"group_wait": "200ms", "group_interval": "1s"}
    return {**shipped, "global": {**shipped["global"], "smtp_smarthost": f"127.0.0.1:{port}"}}


def _shipped() -> dict[str, Any]:
    shipped: dict[str, Any] = yaml.safe_load(ALERTS.with_name("alertmanager.yml").read_text())
    return shipped


@contextmanager
def alertmanager(directory: Path) -> Iterator[tuple[str, Received]]:
    """Run Alertmanager on a free loopback port. Yield its address and what its receiver received."""
    with receiver() as (url, received), running(directory, configuration(url)) as address:
        yield address, received


@contextmanager
def running(directory: Path, configured: Mapping[str, Any]) -> Iterator[str]:
    """Run Alertmanager with this configuration and the shipped template. Yield its address."""
    program = component("alertmanager")
    address = f"127.0.0.1:{free_port()}"
    config = directory / "alertmanager.yml"  # JSON is YAML
    command = [
        *_with_templates(program.path),
        f"--config.file={config}",
        f"--storage.path={directory / 'alerts'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    config.write_text(json.dumps(configured))
    shutil.copy(ALERTS.with_name("dnsfilter.tmpl"), directory)
    with (
        open(directory / "alertmanager.log", "wb") as log,
        subprocess.Popen(command, env=program.env, cwd=directory, stdout=log, stderr=log) as process,
    ):
        try:
            assert eventually(lambda: _is_ready(address), START_S), (directory / "alertmanager.log").read_text()
            yield address
        finally:
            process.terminate()
            process.wait(START_S)


def post_alerts(address: str, alerts: Sequence[Mapping[str, Any]]) -> None:
    """Send alerts as Prometheus does. One with `endsAt` in the past is resolved."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{address}/api/v2/alerts", json.dumps(alerts).encode(), headers)
    with urllib.request.urlopen(request, timeout=START_S):
        pass


def _with_templates(program: Path) -> list[str]:
    """Return the command that runs Alertmanager with its templates, whose path is part of the program.

    For a program that is only unpacked, its own `share` covers the machine's, in a mount namespace.
    """
    if TEMPLATE.exists():
        return [str(program)]
    covered = 'mount --bind "$0" /usr/share && exec "$@"'
    share = str(program.parents[1] / "share")
    return [tool("unshare"), "--user", "--map-root-user", "--mount", "--", "sh", "-c", covered, share, str(program)]


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=1):
            return True
    except OSError:
        return False
