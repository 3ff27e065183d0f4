"""The state of each upstream, from what the workers count, with a log line for each change.

A worker counts an upstream as failing from its third failure in a row to its next useful answer. Workers that did not
ask it recently do not count: they may have seen a failure that has ended since.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dnsfilter.telemetry import logs
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.slots import UPSTREAM_ANSWERS, UPSTREAM_UNKNOWN, upstream_slots

LOOK_S = 1.0
"""Seconds between two looks at the workers' counters."""
RECENT_S = 10.0
"""A worker counts if it asked the upstream at most this many seconds before the last worker that did."""
MOST_LINES = 6
"""Log lines of one upstream at once. An upstream that flaps then has one line a minute."""
LINE_EVERY_S = 60.0
_LOG = logging.getLogger("dnsfilter.node")


@dataclass(slots=True)
class _Asked:
    """The count of queries of one worker to one upstream, and when it last changed."""

    queries: int = 0
    at: float | None = None


@dataclass(slots=True)
class _State:
    """The state of one upstream, and what the log says about it. `lines` is how many lines may follow at once."""

    lines_at: float
    up: bool = True
    failures: int = 0
    logged_up: bool = True
    changes: int = 0
    lines: float = MOST_LINES


class UpstreamStates:
    """Call `look` with every pass of the supervisor's loop. An upstream is up until a worker counts it as failing."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}
        self._asked: dict[CounterBlock, tuple[_Asked, ...]] = {}
        self._look_at = 0.0

    def up(self) -> Mapping[str, bool]:
        """Return whether each configured upstream is up."""
        return {name: state.up for name, state in self._states.items()}

    def look(
        self, now: float, configured: Sequence[str], workers: Iterable[tuple[CounterBlock, Sequence[str]]]
    ) -> None:
        """Read the counters of all workers if that is due. Each worker has the names of its upstreams, by index."""
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        counted = self._read(now, workers)
        self._states = {name: self._states.get(name) or _State(now) for name in configured}
        for name, state in self._states.items():
            if name in counted:
                _update(state, counted[name])
            _log_change(name, state, now)

    def _read(
        self, now: float, workers: Iterable[tuple[CounterBlock, Sequence[str]]]
    ) -> Mapping[str, list[tuple[float, int]]]:
        """Return, for each upstream, when each worker that knows its state last asked it, and its failures in a row."""
        asked, counted = self._asked, dict[str, list[tuple[float, int]]]()
        self._asked = {}
        for block, names in workers:
            marks = self._asked[block] = asked.get(block) or tuple(_Asked() for _ in names)
            for name, run, mark in zip(names, upstream_slots(len(names)), marks, strict=True):
                queries, state = block.slots[run.queries], block.slots[run.state]
                if queries != mark.queries:
                    mark.queries, mark.at = queries, now
                if mark.at is not None and state != UPSTREAM_UNKNOWN:
                    counted.setdefault(name, []).append((mark.at, state - UPSTREAM_ANSWERS))
        return counted


def _update(state: _State, counted: Sequence[tuple[float, int]]) -> None:
    newest = max(at for at, _ in counted)
    failures = max(failures for at, failures in counted if newest - at <= RECENT_S)
    if state.up != (not failures):
        state.up = not failures
        state.changes += 1
        state.failures = failures or state.failures
    state.failures = max(state.failures, failures)


def _log_change(name: str, state: _State, now: float) -> None:
    """Log the state if the log has another one, and if not too many lines were logged."""
    state.lines = min(state.lines + (now - state.lines_at) / LINE_EVERY_S, MOST_LINES)
    state.lines_at = now
    if state.up == state.logged_up or state.lines < 1:
        return
    logs.emit(
        _LOG,
        logging.INFO if state.up else logging.WARNING,
        "upstream answers again" if state.up else "upstream fails",
        upstream=name,
        state="up" if state.up else "down",
        failures=state.failures,
        changes=state.changes,
    )
    state.lines -= 1
    state.logged_up, state.changes = state.up, 0
