"""How many ranges of each authority ask, for metrics and for what needs attention: counted in a session of its own."""

from collections import Counter
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from threading import Lock
from typing import Final

from api.db.session import Database
from api.usage import coverage_queries
from api.usage.state import CoverageState, coverage_state
from dnsfilter.policy.counted_ranges import not_counted

KEPT_S: Final = 300.0
"""Seconds for which counts are kept. At night, ten thousand silent ranges take 1.5 seconds of a core to judge."""


class CoverageCounts:
    """Count the ranges in one database, by one clock."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._lock = Lock()
        self._at_s = 0.0
        self._counts: Mapping[tuple[str, CoverageState], int] | None = None

    def counts(self) -> Mapping[tuple[str, CoverageState], int]:
        """Return the ranges of each authority in each state, if there are any. Raise SQLAlchemyError."""
        now_s = self._clock()
        with self._lock:
            if self._counts is None or not 0 <= now_s - self._at_s < KEPT_S:
                self._counts, self._at_s = self._counted(int(now_s)), now_s
            return self._counts

    def _counted(self, now_s: int) -> Mapping[tuple[str, CoverageState], int]:
        with self._database.reading() as session:
            found = coverage_queries.registered(session)
            hours = coverage_queries.compared_hours(session, now_s)
        counts = Counter[tuple[str, CoverageState]]()
        for key, usage, last_s in found:
            counted = not_counted(ip_network(key.prefix), usage) is None
            state = coverage_state(last_s, hours.get(key, {}), now_s) if counted else CoverageState.NOT_COUNTED
            counts[key.authority, state] += 1
        return counts
