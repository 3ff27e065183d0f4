"""Print `docs/reference/metrics.md`: `python -m api.documentation.metrics_page > docs/reference/metrics.md`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from api.server.metrics.metric_table import API_LABEL_VALUES, API_METRICS, API_OPEN_LABELS
from dnsfilter.telemetry.label_values import LABEL_VALUES, OPEN_LABELS
from dnsfilter.telemetry.metrics import METRICS, Metric

_PREFACE = """\
# Metrics

<!-- Generated from dnsfilter/telemetry/metrics.py and api/server/metrics/metric_table.py by
`python -m api.documentation.metrics_page`; a test compares. -->

Each node and the control plane serve their metrics in Prometheus' text format or as OpenMetrics, compressed if the
request accepts gzip. No label names a client, a range or a queried name. To collect them you need Prometheus and the
files in `deploy/prometheus`.
"""
_OF_NODES = """\
The supervisor serves these metrics, by default on `http://127.0.0.1:9153/metrics`, summed over all workers. Counters
start at 0 when the supervisor starts. They do not fall while it runs, even if a worker restarts, the rules change, or
the program is upgraded with SIGUSR2. The next paragraph has the only exception.

A count by authority has a series from its first query on, so an authority without a range at the node's site has none.
Write `… or on () vector(0)` where a query needs 0 in place of no series. An authority whose usage level is `none` has
no series of its own. An authority that loses its last counted ban has no series of bans until it has one again. They
then begin again at the first query. A ban that is off has series that stand still.
"""
_OF_THE_API = """\
`dnsfilter-api` serves these metrics, by default on `http://127.0.0.1:9154/metrics`. What it reads in the database has
no series while the database cannot be read. Times are Unix times.

A ban has its series from the first act on, also while it is switched off or has lapsed, until its authority closes.
Exemptions and ranges have a series only for an authority and state that has any.
For each counter and histogram of requests there is also a gauge that ends in `_created`: the time of its first request.
"""


@dataclass(frozen=True, slots=True)
class _Part:
    """The metrics of one program."""

    title: str
    preface: str
    metrics: Sequence[Metric]
    values: Mapping[tuple[str, str], Mapping[str, str]]
    open_labels: Mapping[str, str]


_PARTS = (
    _Part("Metrics of a node", _OF_NODES, METRICS, LABEL_VALUES, OPEN_LABELS),
    _Part("Metrics of the API", _OF_THE_API, API_METRICS, API_LABEL_VALUES, API_OPEN_LABELS),
)


def render_markdown() -> str:
    """Return the text of the page."""
    return _PREFACE + "".join(f"{line}\n" for part in _PARTS for line in _body(part))


def _body(part: _Part) -> Iterator[str]:
    yield from ("", f"## {part.title}", "", part.preface)
    for metric in part.metrics:
        by = f" by {', '.join(f'`{label}`' for label in metric.labels)}" if metric.labels else ""
        yield f"- `{metric.name}` ({metric.type}{by}): {metric.help}"
    for values, labels in _grouped(part):
        yield from ("", f"### {', '.join(f'`{name}`' for name, _ in labels)}: `{labels[0][1]}`", "")
        yield from (f"- `{value}`: {meaning}" for value, meaning in values.items())
    yield from ("", "### Labels with other values", "")
    yield from (f"- `{label}`: {meaning}" for label, meaning in part.open_labels.items())
    yield from ("", "### Buckets", "", "Upper bounds in seconds; `+Inf` follows the last.", "")
    for metric in part.metrics:
        if metric.buckets:
            yield f"- `{metric.name}`: {', '.join(f'{bound:g}' for bound in metric.buckets)}"


def _grouped(part: _Part) -> list[tuple[Mapping[str, str], list[tuple[str, str]]]]:
    """Return each list of values once, with the metrics and their label that have it, in the order of the metrics."""
    groups: list[tuple[Mapping[str, str], list[tuple[str, str]]]] = []
    for metric in part.metrics:
        for label in metric.labels:
            values = part.values.get((metric.name, label))
            same = [labels for known, labels in groups if known == values]
            if same:
                same[0].append((metric.name, label))
            elif values is not None:
                groups.append((values, [(metric.name, label)]))
    return groups


if __name__ == "__main__":
    print(render_markdown(), end="")
