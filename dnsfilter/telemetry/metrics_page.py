"""Print `docs/metrics.md`: `python -m dnsfilter.telemetry.metrics_page > docs/metrics.md`."""

from collections.abc import Iterator

from dnsfilter.telemetry.metrics import LABEL_VALUES, METRICS, OPEN_LABELS, Metric

_PREFACE = """\
# Metrics of the resolver

<!-- Generated from telemetry/metrics.py by `python -m dnsfilter.telemetry.metrics_page`; a test compares. -->

The supervisor serves these metrics in Prometheus' text format, by default on `http://127.0.0.1:9153/metrics`, summed
over all workers. Counters start at 0 when the supervisor starts. They do not fall while it runs, even if a worker
restarts, the rules change, or the program is upgraded with SIGUSR2.

No label names a client, a range or a queried name. An authority whose usage level is `none` has no series of its own.
An authority that loses its last counted ban has no series of bans until it has one again. A ban that is off has series
that stand still.

| metric | type | labels | meaning |
|---|---|---|---|
"""


def render_markdown() -> str:
    """Return the text of the page."""
    return _PREFACE + "".join(f"{line}\n" for line in _body())


def _body() -> Iterator[str]:
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.type} | {labels} | {metric.help} |"
    for metric in METRICS:
        for label in metric.labels:
            yield from _label_values(metric, label)
    yield from ("", "## Labels whose values come from configuration or policy", "", "| label | values |", "|---|---|")
    for label, meaning in OPEN_LABELS.items():
        yield f"| `{label}` | {meaning} |"
    yield from ("", "## Buckets", "", "Upper bounds in seconds; `+Inf` follows the last.", "")
    for metric in METRICS:
        if metric.buckets:
            yield f"- `{metric.name}`: {', '.join(f'{bound:g}' for bound in metric.buckets)}"


def _label_values(metric: Metric, label: str) -> Iterator[str]:
    values = LABEL_VALUES.get((metric.name, label))
    if values is not None:
        yield from ("", f"## `{metric.name}`: `{label}`", "", "| value | meaning |", "|---|---|")
        for value, meaning in values.items():
            yield f"| `{value}` | {meaning} |"


if __name__ == "__main__":
    print(render_markdown(), end="")
