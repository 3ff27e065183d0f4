"""How long usage is kept, what is counted on its own, and when a range has stopped asking."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from dnsfilter.policy.model import DAY_S
from dnsfilter.telemetry.metrics import BanResult

LARGEST: Final = 2**53 - 1
"""The largest number that every JSON reader reads exactly (RFC 8259 section 6)."""
HOUR_S: Final = 3600
MINUTE_S: Final = 60
HOURS_KEPT_S: Final = 92 * DAY_S
"""Seconds for which hours of ranges are kept. After that they are in the authority's days only."""
CLIENTS_KEPT_S: Final = 30 * DAY_S
"""Seconds for which refused queries are kept with a pseudonym of their client."""
PENDING_KEPT_S: Final = 30 * DAY_S
"""Seconds for which queries for pending names are kept. Names are pending for some days."""
NODES_KEEP_S: Final = 72 * HOUR_S
"""Seconds of usage that a node keeps while the control plane is away."""
DAYS_KEPT_MONTHS: Final = 36
"""Months for which days are kept."""
MAX_DAYS: Final = DAYS_KEPT_MONTHS // 12 * 366
"""The most days that can be read at once: no count is kept longer."""
RESULTS: Final = tuple(result.value for result in BanResult)
HIDDEN_BELOW: Final = 5
"""Numbers above 0 and below this are hidden: they could identify a person."""
WEEK_S: Final = 7 * DAY_S
WEEKS_COMPARED: Final = 2
"""Number of previous weeks. An hour is usual for a range if the range asked in that hour of each of these weeks."""
SILENT_HOURS: Final = 3
"""Usual hours that a range must let pass without a query before it has stopped asking."""
COVERAGE_KEPT_S: Final = (WEEKS_COMPARED + 1) * WEEK_S
"""Seconds for which hours are kept: the silence that is judged, and the weeks before that it is compared with."""


class CoverageState(StrEnum):
    """Whether the resolver sees the queries of a range."""

    ASKING = "asking"
    STOPPED = "stopped"
    NEVER = "never"
    NOT_COUNTED = "not_counted"


def coverage_state(last_asked_s: int | None, hours: Mapping[int, int], now_s: int) -> CoverageState:
    """Return the state of a range that is counted. `hours` has its queries, by the start of the hour.

    A range has stopped if it was silent for a week, or for three complete hours that were busy in both previous weeks.
    So no night, weekend or weekly closing day counts as silence. A public holiday does.
    """
    if last_asked_s is None:
        return CoverageState.NEVER
    if now_s - last_asked_s >= WEEK_S:
        return CoverageState.STOPPED
    usual = sum(is_usual(hour_s, hours) for hour_s in complete_hours(last_asked_s, now_s))
    return CoverageState.STOPPED if usual >= SILENT_HOURS else CoverageState.ASKING


def is_usual(hour_s: int, hours: Mapping[int, int]) -> bool:
    """Return whether the range asked in the same hour of each week that is compared."""
    return all(hours.get(hour_s - week * WEEK_S, 0) > 0 for week in range(1, WEEKS_COMPARED + 1))


def complete_hours(start_s: int, end_s: int) -> Iterator[int]:
    """Yield the starts of the hours that lie completely between two instants."""
    yield from range(start_s + -start_s % HOUR_S, end_s - HOUR_S + 1, HOUR_S)


def usual_queries(hours: Mapping[int, int], now_s: int) -> int | None:
    """Return the average of the hours with queries in the weeks that are compared; None if there is none."""
    since_s = now_s - WEEKS_COMPARED * WEEK_S
    asked = [queries for hour_s, queries in hours.items() if hour_s >= since_s and queries]
    return round(sum(asked) / len(asked)) if asked else None
