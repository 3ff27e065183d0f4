"""The figures of a comparison as tables: medians of rounds, and ratios to this project's figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.cases import Case

MANY_WRONG = 0.01
"""The share of questions without the right answer from which a figure is doubtful."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one server in one round, or the medians of several rounds.

    Latencies are None if the server did not hold the fixed rate. The parts of its memory are None if they are unknown.
    """

    cpu_us: float
    per_second: float
    p50_ms: float | None
    p99_ms: float | None
    peak_mb: float
    wrong: float
    shared_mb: float | None = None
    worker_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """A column: a field of Figures, its heading and its format."""

    key: str
    title: str
    form: str

    def of(self, figures: Figures) -> float | None:
        """Return the value of the field."""
        value: float | None = getattr(figures, self.key)
        return value


MEASURES = (
    Measure("cpu_us", "CPU µs per query", ".2f"),
    Measure("per_second", "queries/s", ",.0f"),
    Measure("p50_ms", "p50 ms", ".3f"),
    Measure("p99_ms", "p99 ms", ".3f"),
    Measure("peak_mb", "peak MB", ".0f"),
)
PARTS = (Measure("shared_mb", "shared MB", ".0f"), Measure("worker_mb", "MB per worker", ".0f"))
"""Columns of a case that lists memory in parts."""


def medians(rounds: Sequence[Figures]) -> Figures:
    """Return the median of each measure, but the maximum of `wrong`.

    Latencies and parts of memory are None unless every round has them.
    """
    return Figures(
        cpu_us=median(one.cpu_us for one in rounds),
        per_second=median(one.per_second for one in rounds),
        p50_ms=_median_if_all([one.p50_ms for one in rounds]),
        p99_ms=_median_if_all([one.p99_ms for one in rounds]),
        peak_mb=median(one.peak_mb for one in rounds),
        wrong=max(one.wrong for one in rounds),
        shared_mb=_median_if_all([one.shared_mb for one in rounds]),
        worker_mb=_median_if_all([one.worker_mb for one in rounds]),
    )


def _median_if_all(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if len(known) == len(values) else None


def ratio(value: float | None, ours: float | None) -> float | None:
    """Return `value` divided by `ours`, or None if one of them is missing."""
    return None if value is None or not ours else value / ours


def case_table(
    case: Case, rate: int, results: Mapping[str, Sequence[Figures]], failures: Mapping[str, str], ours: str
) -> str:
    """Return a Markdown table of the case, each value with its ratio to ours, and the notes below it."""
    found = {name: medians(rounds) for name, rounds in results.items()}
    reference = found.get(ours)
    measures = (*MEASURES, *(PARTS if case.parts else ()))
    lines = [f"### {case.title}", "", _row(["server", *(measured.title for measured in measures)])]
    lines.append(_row(["---", *["---:"] * len(measures)]))
    for name, figures in found.items():
        cells = [_cell(measured, figures, reference) for measured in measures]
        lines.append(_row([name + ("*" if figures.wrong > MANY_WRONG else ""), *cells]))
    notes = [
        f"\\* {name}: {figures.wrong:.1%} of the questions had no answer or a wrong one."
        for name, figures in found.items()
        if figures.wrong > MANY_WRONG
    ]
    notes += [f"{name} has no part: {reason.splitlines()[0]}" for name, reason in failures.items()]
    if any(figures.p99_ms is None for figures in found.values()):
        notes.append(f"Without latencies: those that did not answer {rate:,} queries a second.")
    return "\n".join([*lines, *(line for note in notes for line in ("", note)), ""])


def _cell(measured: Measure, figures: Figures, reference: Figures | None) -> str:
    value = measured.of(figures)
    if value is None:
        return "–"
    times = ratio(value, None if reference is None else measured.of(reference))
    return format(value, measured.form) + ("" if times is None else f" ({times:.2f})")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
