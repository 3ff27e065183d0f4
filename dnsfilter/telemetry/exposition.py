"""A page of metrics in the format and coding that a scrape accepts.

The lines are those of prometheus_client, which takes several times as long to write them. A family with very many
samples can hand over lines, of which it keeps what stays the same from scrape to scrape.
"""

import gzip
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from dnsfilter.telemetry.metrics import Metric as Described

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


class WrittenFamily(Metric):
    """A counter or gauge whose samples are written already. Both formats have the same lines."""

    def __init__(self, metric: Described, text: str) -> None:
        super().__init__(metric.name.removesuffix("_total"), metric.help, metric.type.value)
        self.text = text

    def _restricted_metric(self, names: Collection[str]) -> Metric | None:
        """Return itself if the request selects it. The library has no public name for this."""
        return self if self.name in names or f"{self.name}_total" in names else None


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
        yield from [family.text] if isinstance(family, WrittenFamily) else map(_line, family.samples)
    yield "# EOF\n"


def _text(families: Iterable[Metric]) -> Iterator[str]:
    """Yield Prometheus' text. In it, the times at which counters began are gauges."""
    for family in families:
        meaning = family.documentation.replace("\\", r"\\").replace("\n", r"\n")
        yield _head(f"{family.name}_total" if family.type == "counter" else family.name, meaning, family.type)
        if isinstance(family, WrittenFamily):
            yield family.text
            continue
        created = [sample for sample in family.samples if sample.name.endswith(_CREATED)]
        yield from (_line(sample) for sample in family.samples if not sample.name.endswith(_CREATED))
        if created:
            yield _head(f"{family.name}{_CREATED}", meaning, "gauge")
            yield from map(_line, created)


def _head(name: str, meaning: str, kind: str) -> str:
    return f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"


def _line(sample: Sample) -> str:
    return f"{line_head(sample.name, sample.labels.items())}{number_text(sample.value)}\n"


def line_head(name: str, labels: Iterable[tuple[str, str]]) -> str:
    """Return the line of a sample up to its value."""
    text = ",".join([f'{label}="{_escaped(found)}"' for label, found in sorted(labels)])
    return f"{name}{{{text}}} " if text else f"{name} "


def written_line(metric: Described, labels: Iterable[str], value: float) -> str:
    """Return the line of a sample with these values of the metric's labels."""
    return f"{line_head(metric.name, zip(metric.labels, labels, strict=True))}{number_text(value)}\n"


def number_text(value: float) -> str:
    """Return the value of a sample as both formats write it."""
    number = repr(value)
    return _NO_NUMBERS[number] if number.endswith(("f", "n")) else number


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
