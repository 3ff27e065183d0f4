"""The metrics' server answers scrapes in the format that they accept, and one at a time."""

import gzip
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge

from api.server.metrics.collectors import Scraped, new_registry
from api.server.metrics.metric_table import BAN_IN_FORCE, EVENTS_PARKED
from api.server.metrics.metrics_server import MetricsServer
from api.settings import Endpoint
from dnsfilter.telemetry.exposition import WrittenFamily


@pytest.fixture(params=["127.0.0.1", "::1"])
def server(request: pytest.FixtureRequest) -> Iterator[MetricsServer]:
    registry = CollectorRegistry()
    for name in ("asked", "answered"):
        Gauge(name, "Queries.", registry=registry).set(7)
    server = MetricsServer(Endpoint(request.param, 0), registry)
    yield server
    server.close()


def fetch(server: MetricsServer, path: str, method: str = "GET", **headers: str) -> tuple[int, str, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://{server.endpoint.text}{path}", headers=named, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.headers["Content-Type"], response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def test_scrape_gets_text_or_openmetrics_compressed_if_it_accepts_that(server: MetricsServer) -> None:
    status, content_type, body = fetch(server, "/metrics")
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b"asked 7.0\n" in body
    status, content_type, body = fetch(
        server, "/metrics", Accept="application/openmetrics-text;version=1.0.0", Accept_Encoding="gzip"
    )
    assert (status, content_type.split(";")[0]) == (200, "application/openmetrics-text")
    assert gzip.decompress(body).endswith(
        b"asked 7.0\n# HELP answered Queries.\n# TYPE answered gauge\nanswered 7.0\n# EOF\n"
    )


def test_scrape_may_name_metrics(server: MetricsServer) -> None:
    _, _, body = fetch(server, "/metrics?name[]=asked")
    assert b"asked 7.0" in body
    assert b"answered" not in body


@pytest.mark.parametrize("name", [BAN_IN_FORCE.name, EVENTS_PARKED.name])
def test_scrape_may_name_metrics_that_are_written_at_each_scrape(name: str) -> None:
    registry = new_registry()
    registry.register(Scraped(lambda: [WrittenFamily(BAN_IN_FORCE, f"{BAN_IN_FORCE.name} 1\n")]))
    registry.register(Scraped(lambda: [WrittenFamily(EVENTS_PARKED, f"{EVENTS_PARKED.name} 1\n")]))
    server = MetricsServer(Endpoint("127.0.0.1", 0), registry)
    try:
        _, _, body = fetch(server, f"/metrics?name[]={name}")
    finally:
        server.close()
    assert [line for line in body.decode().splitlines() if not line.startswith("#")] == [f"{name} 1"]


def test_only_get_is_allowed(server: MetricsServer) -> None:
    assert fetch(server, "/metrics", "POST")[0] == 405


def test_a_port_that_is_in_use_is_an_error(server: MetricsServer) -> None:
    with pytest.raises(OSError, match="in use"):
        MetricsServer(server.endpoint, CollectorRegistry())
