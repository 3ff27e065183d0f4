"""The report of a node to its control plane: numbers and names of networks, never an address or a question."""

import json
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from os import sysconf
from pathlib import Path
from typing import Any

from dnsfilter import __version__
from dnsfilter.control.refused_queries import RefusedQueries
from dnsfilter.control.unregistered_networks import MOST_UNREGISTERED, UnregisteredNetwork
from dnsfilter.control.usage_batches import Batch
from dnsfilter.local.journal import Entry
from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.model import Instant, WireName
from dnsfilter.policy.single_names import LocalName
from dnsfilter.telemetry.kept_totals import UsageTotals
from dnsfilter.telemetry.metrics import CACHE_ENTRIES_NOW, QUERIES
from dnsfilter.telemetry.totals import Counts
from dnsfilter.wire.names import name_text

REPORT_S = 10.0
MOST_ENTRIES = 100
MOST_SUSPENDED = 201
"""The maximum number of local suspensions, and one for all."""
MOST_ZONES = 1000
TROUBLE_CHARS = 500
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Facts:
    """The state of a node at one time. `manifest` is the SHA-256 of the one in use.

    `trouble` is the reason why that is not the newest snapshot here. `held_up_to` is set if the revision was chosen on
    this node: a revision above it ends that. `suspended` are authorities (None: all) that are suspended by an act on
    this node, and until when. `unregistered` are networks in no range. `processes` are those of the node, for its load.
    `usage` is what was counted since the start, `refused` what is to be reported under pseudonyms. `learning_until` is
    set during learning mode. `zones` are conditional zones. `control_plane` is the host name in its URL,
    empty for an address. `names` are those that acts on this node refuse or allow.
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
    usage: UsageTotals = field(default_factory=UsageTotals)
    refused: RefusedQueries | None = None
    learning_until: Instant | None = None
    zones: tuple[WireName, ...] = ()
    control_plane: str = ""
    names: tuple[LocalName, ...] = ()


@dataclass(frozen=True, slots=True)
class Load:
    """The load of a node since the last reading: queries per second, percent of one core, memory of its processes."""

    queries_per_second: float = 0.0
    cpu_percent: float = 0.0
    memory_bytes: int = 0
    cache_entries: int = 0


@dataclass(slots=True)
class Pace:
    """The times of a node's reports: every REPORT_S, and at once for a cause."""

    _reported_s: float | None = None
    _cause: Hashable = None

    def is_due(self, now_s: float, cause: Hashable) -> bool:
        """Return whether to report now, and if so, note the report. `cause` changes when there is a cause."""
        if self._reported_s is not None and now_s - self._reported_s < REPORT_S and cause == self._cause:
            return False
        self._reported_s, self._cause = now_s, cause
        return True


@dataclass(slots=True)
class LoadMeter:
    """Compute loads from facts, each since the previous one."""

    _at_s: float | None = None
    _queries: int = 0
    _cpu_s: Mapping[int, float] = field(default_factory=dict)

    def read(self, facts: Facts, now_s: float) -> Load:
        """Return the load. `now_s` is of a monotonic clock. The first load has no rates; a new process counts as 0."""
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
    """Return the number of queries read since the start, and of answers in the caches."""
    queries = sum(value for (name, _), value in counts.samples.items() if name == QUERIES.name)
    return queries, sum(value for (name, _), value in counts.samples.items() if name == CACHE_ENTRIES_NOW.name)


def report_body(
    facts: Facts,
    load: Load,
    trouble: str | None,
    clock_s: Instant,
    uptime_s: int,
    journal: Sequence[Entry],
    usage: Batch | None = None,
) -> bytes:
    """Return the body of a report, within the limits of the control plane. `trouble` replaces the facts' own.

    Durations that are negative because a clock was set are sent as 0.
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
        "learning_until": None if facts.learning_until is None else instant_text(facts.learning_until),
        "zones": [name_text(zone) for zone in facts.zones[:MOST_ZONES]],
        "control_plane": facts.control_plane,
        "suspended": [
            {"authority": authority, "until": instant_text(until)} for authority, until in until_by_authority.items()
        ],
        "names": [
            {
                "authority": each.authority,
                "name": name_text(each.name),
                "exact": each.exact,
                "verdict": each.verdict,
                "until": instant_text(each.end),
            }
            for each in facts.names
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
    if usage is not None:
        value["usage"] = usage.value()
    return json.dumps(value, separators=(",", ":")).encode()


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:TROUBLE_CHARS])


def _cpu_s(process: int) -> float:
    """Return the processor time of a process in seconds; 0 if it has ended (proc_pid_stat(5))."""
    with suppress(OSError, ValueError, IndexError):
        fields = (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / sysconf("SC_CLK_TCK")
    return 0.0


def _memory_bytes(process: int) -> int:
    """Return the private memory of a process in bytes, without the shared snapshot (proc_pid_status(5))."""
    with suppress(OSError, ValueError, IndexError):
        for line in (_PROC / str(process) / "status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0
