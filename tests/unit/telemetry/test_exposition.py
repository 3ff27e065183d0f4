"""Pages say what those of prometheus_client say, in the format and coding that the request accepts."""

import gzip
from collections.abc import Callable, Iterable, Mapping

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from dnsfilter.telemetry import metrics
from dnsfilter.telemetry.exposition import OPENMETRICS, Page, WrittenFamily, write_page, written_line

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
TEXT = "text/plain; version=0.0.4; charset=utf-8"
Parse = Callable[[str], Iterable[Metric]]


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    counter = Counter("asked_total", 'Queries with \\ and ".', ("name", "kind"), registry=registry)
    counter.labels('a "quoted"\\ \n value', "é").inc(2**53)
    counter.labels("", "x").inc(0.5)
    Gauge("room_bytes", "Room.\nIn two lines.", registry=registry).set(float("inf"))
    Gauge("spare", "Spare.", ("of",), registry=registry).labels("nothing").set(float("nan"))
    Histogram("time_seconds", "Time.", buckets=(0.00005, 1.0), registry=registry).observe(0.25)
    Summary("made_seconds", "Making.", registry=registry).observe(1_700_000_000.125)
    return registry


def families(text: str, parse: Parse) -> list[tuple[object, ...]]:
    return [
        (family.name, family.type, family.documentation, [(s.name, s.labels, repr(s.value)) for s in family.samples])
        for family in parse(text)
    ]


def header(page: Page, name: str) -> str | None:
    return dict(page.headers).get(name)


@pytest.mark.parametrize(
    ("accept", "generate", "parse"),
    [("", generate_latest, parse_text), (PROMETHEUS, generate_openmetrics, parse_openmetrics)],
    ids=["text", "openmetrics"],
)
def test_page_says_what_that_of_the_library_says(
    registry: CollectorRegistry, accept: str, generate: Callable[[CollectorRegistry], bytes], parse: Parse
) -> None:
    page = write_page(registry.collect(), accept, "")
    assert families(page.body.decode(), parse) == families(generate(registry).decode(), parse)


@pytest.mark.parametrize("accept", ["", PROMETHEUS])
@pytest.mark.parametrize(
    ("metric", "library", "values"),
    [
        (metrics.MONITORED, CounterMetricFamily, {("a", 'a "quoted"\\ \n value'): 2.0**53, ("é", ""): 0.5}),
        (metrics.OPEN_FILES_LIMIT, GaugeMetricFamily, {("supervisor",): float("inf"), ("worker-1",): 1024.0}),
        (metrics.CACHE_BYTES_NOW, GaugeMetricFamily, {(): float("nan")}),
    ],
    ids=["counter", "gauge", "no-labels"],
)
def test_written_family_has_the_lines_that_its_samples_would_have(
    accept: str,
    metric: metrics.Metric,
    library: type[CounterMetricFamily | GaugeMetricFamily],
    values: Mapping[tuple[str, ...], float],
) -> None:
    of_samples = library(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        of_samples.add_metric(labels, value)
    written = WrittenFamily(metric, "".join(written_line(metric, *each) for each in values.items()))
    assert write_page([written], accept, "") == write_page([of_samples], accept, "")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("text/html", TEXT),
        (PROMETHEUS, f"{OPENMETRICS}; version=1.0.0; charset=utf-8; escaping=allow-utf-8"),
    ],
)
def test_content_type_is_one_that_the_request_accepts(
    registry: CollectorRegistry, accept: str, content_type: str
) -> None:
    assert header(write_page(registry.collect(), accept, ""), "Content-Type") == content_type


@pytest.mark.parametrize(
    ("coding", "compressed"), [("", False), ("br", False), ("gzip", True), ("deflate, gzip", True)]
)
def test_page_is_compressed_if_the_request_accepts_that(
    registry: CollectorRegistry, coding: str, compressed: bool
) -> None:
    plain, page = write_page(registry.collect(), "", "").body, write_page(registry.collect(), "", coding)
    assert header(page, "Content-Encoding") == ("gzip" if compressed else None)
    assert (gzip.decompress(page.body) if compressed else page.body) == plain
