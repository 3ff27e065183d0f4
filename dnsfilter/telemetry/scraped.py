"""Read a status page in Prometheus' text format: its samples by name and labels."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a page."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Samples:
    """All lines of a page, in its order."""

    lines: tuple[Sample, ...]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the sum of the samples with this name that have these labels. None if there is none."""
        found = [each.value for each in self.lines if each.name == name and labels.items() <= each.labels.items()]
        return sum(found) if found else None

    def by(self, name: str, label: str) -> dict[str, float]:
        """Return the sums of the samples with this name, by the value of one label."""
        sums: dict[str, float] = {}
        for each in self.lines:
            if each.name == name:
                key = each.labels.get(label, "")
                sums[key] = sums.get(key, 0.0) + each.value
        return sums


def parse_samples(page: str) -> Samples:
    """Return the samples of a page. Raise ValueError if it is not in the format."""
    try:
        families = list(text_string_to_metric_families(page))
    except (KeyError, IndexError) as error:
        raise ValueError(f"it is not a page of metrics: {error}") from error
    return Samples(tuple(Sample(each.name, each.labels, each.value) for family in families for each in family.samples))
