"""Limit how many queries a node can report: no more than a node can answer. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MAX_RATE: Final = 1_000_000
"""Queries per second of one node, on average. More than a node with two cores answers."""
MAX_AT_ONCE: Final = MAX_RATE * 3600
"""Queries that a node can report at once, after it has reported nothing for an hour."""


@dataclass(slots=True)
class _Allowance:
    left: float
    at_s: float
    is_exceeded: bool = False


class Rates:
    """What each node may still report. Not thread-safe."""

    def __init__(self, elapsed_s: Callable[[], float]) -> None:
        self._elapsed_s = elapsed_s
        self._allowances: dict[int, _Allowance] = {}

    def take(self, node: int, queries: int) -> tuple[bool, bool]:
        """Return whether the node may report these queries now, and whether it is the first time that it may not."""
        now_s = self._elapsed_s()
        own = self._allowances.setdefault(node, _Allowance(MAX_AT_ONCE, now_s))
        own.left, own.at_s = min(own.left + (now_s - own.at_s) * MAX_RATE, MAX_AT_ONCE), now_s
        within, was_exceeded = queries <= own.left, own.is_exceeded
        own.is_exceeded = not within
        own.left -= queries if within else 0
        return within, not within and not was_exceeded
