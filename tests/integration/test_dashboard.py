"""Every query of the dashboards finds data on a real Prometheus that scrapes a running node."""

from pathlib import Path
from typing import Protocol

import pytest

from tests.support.dashboards import dashboard_queries
from tests.support.prometheus import prometheus

DASHBOARDS = sorted((Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards").glob("*.json"))


class Node(Protocol):
    """A running node with one upstream and a policy in force that counts at least one authority."""

    @property
    def metrics_address(self) -> str:
        """Return `host:port` of the node's metrics."""


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_finds_something(path: Path, node: Node, tmp_path: Path) -> None:
    queries = dashboard_queries(path)
    assert queries
    with prometheus(tmp_path, node.metrics_address) as server:
        # A rate needs two scrapes. By then all other metrics exist.
        assert server.wait_for("rate(dnsfilter_cache_hits_total[1m])")
        assert [query for query in queries if not server.wait_for(query, within_s=5)] == []
