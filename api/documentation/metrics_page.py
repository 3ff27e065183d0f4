"""Print `docs/reference/metrics.md`: `python -m api.documentation.metrics_page > docs/reference/metrics.md`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from api.server.metrics.metric_table import API_LABEL_VALUES, API_METRICS, API_OPEN_LABELS
from dnsfilter.telemetry.metrics import LABEL_VALUES, METRICS, OPEN_LABELS, Metric

_PREFACE = """\
# Metrics

<!-- Generated from dnsfilter/telemetry/metrics.py and api/server/metrics/metric_table.py by
`python -m api.documentation.metrics_page`; a test compares. -->

Each node and the control plane serve their metrics in Prometheus' text format or as OpenMetrics, compressed if the
request accepts gzip. No label names a client, a range or a queried name.
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
    yield from ("| metric | type | labels | meaning |", "|---|---|---|---|")
    for metric in part.metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.type} | {labels} | {metric.help} |"
    for metric in part.metrics:
        for label in metric.labels:
            yield from _label_values(part, metric, label)
    yield from ("", "### Labels with other values", "", "| label | values |", "|---|---|")
    for label, meaning in part.open_labels.items():
        yield f"| `{label}` | {meaning} |"
    yield from ("", "### Buckets", "", "Upper bounds in seconds; `+Inf` follows the last.", "")
    for metric in part.metrics:
        if metric.buckets:
            yield f"- `{metric.name}`: {', '.join(f'{bound:g}' for bound in metric.buckets)}"


def _label_values(part: _Part, metric: Metric, label: str) -> Iterator[str]:
    values = part.values.get((metric.name, label))
    if values is not None:
        yield from ("", f"### `{metric.name}`: `{label}`", "", "| value | meaning |", "|---|---|")
        for value, meaning in values.items():
            yield f"| `{value}` | {meaning} |"


if __name__ == "__main__":
    print(render_markdown(), end="")
