"""What a node tells its control plane about itself: numbers and names of networks, never a client or a question."""

import json
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from os import sysconf
from pathlib import Path
from typing import Any

from dnsfilter import __version__
from dnsfilter.control.unregistered_networks import MOST_UNREGISTERED, UnregisteredNetwork
from dnsfilter.local.journal import Entry
from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.model import Instant
from dnsfilter.telemetry.metrics import CACHE_ENTRIES_NOW, QUERIES
from dnsfilter.telemetry.totals import Counts

REPORT_S = 10.0
MOST_ENTRIES = 100
MOST_SUSPENDED = 201
"""All, and as many authorities as may be suspended on a node."""
TROUBLE_CHARS = 500
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Facts:
    """A node at one moment. `manifest` is the SHA-256 of the one in use, `trouble` why that is not the newest here.

    `held_up_to` is told where the revision was chosen by hand, until one above that comes.
    `suspended` are authorities (None: all) for which nothing is refused by what was done here, and until when;
    `unregistered` are networks that no range holds. `processes` are the node's, whose load is to be told.
    """

    revision: int | None
    manifest: str | None
    age_s: int | None
    engine: str
    workers: int
    trouble: str | None
    queries: int
    cache_entries: int
    processes: tuple[int, ...]
    suspended: tuple[tuple[str | None, Instant], ...] = ()
    unregistered: tuple[UnregisteredNetwork, ...] = ()
    held_up_to: int | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """How busy it is: per second and in percent of one core since it was last read, and its processes' own memory."""

    queries_per_second: float = 0.0
    cpu_percent: float = 0.0
    memory_bytes: int = 0
    cache_entries: int = 0


@dataclass(slots=True)
class Pace:
    """When a node's facts are told: every REPORT_S, and at once when it decides by something else."""

    _told_s: float | None = None
    _by: Hashable = None

    def is_due(self, now_s: float, by: Hashable) -> bool:
        """Whether to tell them now; if so, they count as told. `by` is what it decides by, told from all else."""
        if self._told_s is not None and now_s - self._told_s < REPORT_S and by == self._by:
            return False
        self._told_s, self._by = now_s, by
        return True


@dataclass(slots=True)
class LoadMeter:
    """Makes loads from facts, each since the one before."""

    _at_s: float | None = None
    _queries: int = 0
    _cpu_s: Mapping[int, float] = field(default_factory=dict)

    def read(self, facts: Facts, now_s: float) -> Load:
        """`now_s` is of a clock that only grows. The first load knows no rates, and a new process has had no time."""
        used = {process: _cpu_s(process) for process in facts.processes}
        memory = sum(_memory_bytes(process) for process in facts.processes)
        span_s = 0.0 if self._at_s is None else now_s - self._at_s
        rate = percent = 0.0
        if span_s > 0:
            rate = max(0, facts.queries - self._queries) / span_s
            percent = 100 * sum(max(0.0, used[each] - self._cpu_s.get(each, used[each])) for each in used) / span_s
        self._at_s, self._queries, self._cpu_s = now_s, facts.queries, used
        return Load(round(rate, 1), round(percent, 1), memory, facts.cache_entries)


def queries_and_entries(counts: Counts) -> tuple[int, int]:
    """How many queries were read since the start, and how many answers the caches hold."""
    queries = sum(value for (name, _), value in counts.samples.items() if name == QUERIES.name)
    return queries, sum(value for (name, _), value in counts.samples.items() if name == CACHE_ENTRIES_NOW.name)


def report_body(
    facts: Facts, load: Load, trouble: str | None, clock_s: Instant, uptime_s: int, journal: Sequence[Entry]
) -> bytes:
    """The report as it is sent, within the bounds that the control plane sets; `trouble` goes before the facts' own.

    What a clock that was set makes negative is 0.
    """
    until_by_authority = dict(facts.suspended[:MOST_SUSPENDED])
    value: dict[str, Any] = {
        "revision": facts.revision,
        "manifest": facts.manifest,
        "age_s": None if facts.age_s is None else max(0, facts.age_s),
        "version": __version__,
        "engine": facts.engine,
        "workers": facts.workers,
        "clock": instant_text(clock_s),
        "uptime_s": max(0, uptime_s),
        "trouble": _plain(trouble or facts.trouble or ""),
        "held_up_to": facts.held_up_to,
        "suspended": [
            {"authority": authority, "until": instant_text(until)} for authority, until in until_by_authority.items()
        ],
        "load": {
            "queries_per_second": load.queries_per_second,
            "cpu_percent": load.cpu_percent,
            "memory_bytes": load.memory_bytes,
            "cache_entries": load.cache_entries,
        },
        "unregistered": [
            {"prefix": each.prefix, "queries": each.queries, "seen_s_ago": max(0, each.seen_s_ago)}
            for each in facts.unregistered[:MOST_UNREGISTERED]
        ],
        "journal": [{**entry.value(), "reason": _plain(entry.reason)} for entry in journal[:MOST_ENTRIES]],
    }
    return json.dumps(value, separators=(",", ":")).encode()


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:TROUBLE_CHARS])


def _cpu_s(process: int) -> float:
    """Processor time that a process has used; 0 for one that is no more (proc_pid_stat(5))."""
    with suppress(OSError, ValueError, IndexError):
        fields = (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / sysconf("SC_CLK_TCK")
    return 0.0


def _memory_bytes(process: int) -> int:
    """Memory that is a process' own, not the snapshot, which all share (proc_pid_status(5))."""
    with suppress(OSError, ValueError, IndexError):
        for line in (_PROC / str(process) / "status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0
