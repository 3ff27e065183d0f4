"""Every query of the dashboards finds data on a real Prometheus that scrapes a running node and its control plane."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dashboards import dashboard_queries
from tests.support.nodes import SingleMachine, status_of
from tests.support.prometheus import Prometheus, prometheus

DASHBOARDS = sorted((Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards").glob("*.json"))
EXEMPTED = "127.0.4.7"
"""An address of a range with an exemption."""

WITHOUT_DATA = {
    "dnsfilter_upstream_up == 0": "no upstream fails",
    'up{job="dnsfilter"} == 0': "no node is down",
    "[30d:10m]": "this takes twenty minutes",
    ":ratio_rate": "this Prometheus has no rules that record it",
    "dnsfilter_pending_total": "no name is pending",
    "dnsfilter_certificate_": "no node listens with a certificate",
}
"""Parts of queries that find nothing on a machine that was just started and is well, with the reason."""


@pytest.fixture(scope="module")
def watched(machine: SingleMachine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Run Prometheus, and make each event that a panel needs."""
    targets = {"dnsfilter": [machine.metrics_address], "dnsfilter-api": [f"127.0.0.1:{machine.api_metrics_port}"]}
    with prometheus(tmp_path_factory.mktemp("prometheus"), targets) as server:
        assert server.wait_for("count(up == 1) == 2")
        make_acts(machine)
        # A rate needs two scrapes, with events between them.
        ask(machine)
        assert server.wait_for("dnsfilter_exempted_total > 0")
        ask(machine)
        assert server.wait_for("rate(dnsfilter_exempted_total[1m]) > 0")
        yield server


def ask(machine: SingleMachine) -> None:
    """Ask what each panel counts. One query in eight is timed."""
    for name in ("example.org", "www.tiktok.com", "mask.icloud.com", "use-application-dns.net", "nothing.invalid"):
        machine.dig(name)
    machine.dig("www.facebook.com")
    machine.dig("www.tiktok.com", bind=EXEMPTED)
    for _ in range(8):
        machine.dig("example.org")
    assert status_of(f"{machine.api_url}/healthz") == 200


def make_acts(machine: SingleMachine) -> None:
    """Switch a ban off, make a backup, and add a webhook that nobody serves."""
    for command in (
        ("ban", "set", "ghent", "tiktok", "--mode", "off", "--reason", "a panel shows it"),
        ("webhook", "add", "http://127.0.0.1:9/"),
        ("backup", str(machine.directory / "dnsfilter.backup")),
    ):
        done = machine.ctl(*command)
        assert done.returncode == 0, done.stdout + done.stderr


def finds_nothing(query: str) -> bool:
    """Return whether the query is one of those without data."""
    return any(part in query for part in WITHOUT_DATA)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_finds_something(path: Path, watched: Prometheus) -> None:
    queries = [query for query in dashboard_queries(path) if not finds_nothing(query)]
    assert queries
    # What is not a number is unknown.
    assert [query for query in queries if not watched.wait_for(f"({query}) <= Inf", within_s=5)] == []


def test_queries_without_data_are_asked_and_have_none(watched: Prometheus) -> None:
    queries = [query for path in DASHBOARDS for query in dashboard_queries(path) if finds_nothing(query)]
    assert [part for part in WITHOUT_DATA if not any(part in query for query in queries)] == []
    assert [query for query in queries if watched.query(f"({query}) <= Inf")] == []
