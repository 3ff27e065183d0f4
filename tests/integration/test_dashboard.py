"""Every query of the dashboards finds data on a real Prometheus that scrapes a running node and its control plane."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dashboards import dashboard_queries
from tests.support.nodes import SingleMachine
from tests.support.prometheus import Prometheus, prometheus

DASHBOARDS = sorted((Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards").glob("*.json"))
CLIENT = "127.0.8.77"

WITHOUT_DATA = {
    "dnsfilter_api_certificate_expiry_timestamp_seconds - time()": "the API on loopback has no TLS of its own",
}
"""Queries that need what a machine on loopback does not have, with the reason."""


@pytest.fixture(scope="module")
def watched(machine: SingleMachine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Run Prometheus, and make each event that a panel needs."""
    targets = {"dnsfilter": [machine.metrics_address], "dnsfilter-api": [f"127.0.0.1:{machine.api_metrics_port}"]}
    with prometheus(tmp_path_factory.mktemp("prometheus"), targets) as server:
        assert server.wait_for("count(up == 1) == 2")
        for name in ("example.org", "www.tiktok.com", "mask.icloud.com", "use-application-dns.net", "nothing.invalid"):
            machine.dig(name)
        make_acts(machine)
        # A rate needs two scrapes. By then all other metrics exist.
        assert server.wait_for("rate(dnsfilter_cache_hits_total[1m])")
        yield server


def make_acts(machine: SingleMachine) -> None:
    """Switch a ban off, make a backup, and add a webhook that nobody serves."""
    for command in (
        ("ban", "set", "ghent", "tiktok", "--mode", "off", "--reason", "a panel shows it"),
        ("webhook", "add", "http://127.0.0.1:9/"),
        ("backup", str(machine.directory / "dnsfilter.backup")),
    ):
        done = machine.ctl(*command)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_finds_something(path: Path, watched: Prometheus) -> None:
    queries = [query for query in dashboard_queries(path) if query not in WITHOUT_DATA]
    assert queries
    assert [query for query in queries if not watched.wait_for(query, within_s=5)] == []


def test_queries_without_data_are_asked_and_have_none(watched: Prometheus) -> None:
    queries = {query for path in DASHBOARDS for query in dashboard_queries(path)}
    assert WITHOUT_DATA.keys() <= queries
    assert {query: watched.query(query) for query in WITHOUT_DATA} == {query: [] for query in WITHOUT_DATA}
