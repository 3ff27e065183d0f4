"""When a ban had no effect although one of its terms was in force: for anybody, or for some clients only. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from api.report.schemas import Cause
from api.report.scope_changes import LeftOut
from api.report.timeline import ModeSpan, spans_in
from dnsfilter.policy.intervals import Intervals, difference, intersection, union
from dnsfilter.policy.model import Instant, Mode


@dataclass(frozen=True, slots=True)
class Gap:
    """A time `[start, end)` without effect: for clients of `nodes`, for those `left_out` of the scope, or for all."""

    start: Instant
    end: Instant
    cause: Cause
    nodes: tuple[str, ...] = ()
    left_out: LeftOut | None = None


@dataclass(frozen=True, slots=True)
class Suspended:
    """When nothing was refused: by acts through the API, by local acts on every node, and by node."""

    by_act: Intervals
    on_all: Intervals
    on: Mapping[str, Intervals]


def full_gaps(in_force: Intervals, modes: Iterable[ModeSpan], suspended: Suspended) -> list[Gap]:
    """Return the times in which the ban refused nobody. Each instant counts once, for the first cause that holds."""
    found: list[Gap] = []
    left = in_force
    for cause, spans in (
        (Cause.OFF, spans_in(modes, Mode.OFF)),
        (Cause.SUSPENDED, suspended.by_act),
        (Cause.LOCAL, suspended.on_all),
    ):
        found += [Gap(start, end, cause) for start, end in intersection(left, spans)]
        left = difference(left, spans)
    return sorted(found, key=lambda gap: gap.start)


def partial_gaps(
    in_force: Intervals, full: Iterable[Gap], suspended: Suspended, left_out: Iterable[LeftOut]
) -> list[Gap]:
    """Return the times in which the ban refused some clients but not others. Those of two causes may overlap."""
    rest = difference(in_force, union((gap.start, gap.end) for gap in full))
    return sorted(_partial(rest, suspended, left_out), key=lambda gap: gap.start)


def _partial(rest: Intervals, suspended: Suspended, left_out: Iterable[LeftOut]) -> Iterator[Gap]:
    for node, spans in suspended.on.items():
        for start, end in intersection(rest, spans):
            yield Gap(start, end, Cause.LOCAL, nodes=(node,))
    for one in left_out:
        for start, end in intersection(rest, ((one.start, one.end),)):
            yield Gap(start, end, Cause.SCOPE, left_out=one)
