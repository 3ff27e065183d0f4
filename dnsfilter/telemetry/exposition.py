"""A page of metrics in the format and coding that a scrape accepts.

The lines are those of prometheus_client, which takes several times as long to write them.
"""

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

OPENMETRICS = "application/openmetrics-text"
_GZIP_LEVEL = 1
"""A higher level takes more time than the bytes are worth on the way to a monitoring server."""
_CREATED = "_created"
_NO_NUMBERS = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}


@dataclass(frozen=True, slots=True)
class Page:
    """The body of an answer to a scrape, and the headers that describe it."""

    headers: tuple[tuple[str, str], ...]
    body: bytes


def write_page(families: Iterable[Metric], accept: str, accept_encoding: str) -> Page:
    """Return the page of counters, gauges, histograms and summaries for a request with these two headers."""
    _, content_type = choose_encoder(accept)
    lines = _openmetrics(families) if content_type.startswith(OPENMETRICS) else _text(families)
    body, headers = "".join(lines).encode(), (("Content-Type", content_type),)
    if not gzip_accepted(accept_encoding):
        return Page(headers, body)
    return Page((*headers, ("Content-Encoding", "gzip")), gzip.compress(body, _GZIP_LEVEL, mtime=0))


def _openmetrics(families: Iterable[Metric]) -> Iterator[str]:
    for family in families:
        yield _head(family.name, _escaped(family.documentation), family.type)
        yield from map(_line, family.samples)
    yield "# EOF\n"


def _text(families: Iterable[Metric]) -> Iterator[str]:
    """Yield Prometheus' text. In it, the times at which counters began are gauges."""
    for family in families:
        meaning = family.documentation.replace("\\", r"\\").replace("\n", r"\n")
        yield _head(f"{family.name}_total" if family.type == "counter" else family.name, meaning, family.type)
        created = [sample for sample in family.samples if sample.name.endswith(_CREATED)]
        yield from (_line(sample) for sample in family.samples if not sample.name.endswith(_CREATED))
        if created:
            yield _head(f"{family.name}{_CREATED}", meaning, "gauge")
            yield from map(_line, created)


def _head(name: str, meaning: str, kind: str) -> str:
    return f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"


def _line(sample: Sample) -> str:
    number = repr(sample.value)
    if number.endswith(("f", "n")):
        number = _NO_NUMBERS[number]
    if not sample.labels:
        return f"{sample.name} {number}\n"
    labels = ",".join([f'{name}="{_escaped(found)}"' for name, found in sorted(sample.labels.items())])
    return f"{sample.name}{{{labels}}} {number}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
