"""What the processes of a node use, from /proc (proc(5)). A value that cannot be read is None."""

import os
import resource
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from dnsfilter.telemetry.nodestate import ProcessUse
from dnsfilter.telemetry.process_times import cpu_s_of

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ProcessTable:
    """The use of each process by its name. CPU time of a name does not fall when another process takes its place."""

    def __init__(self, ended: Mapping[str, float] | None = None) -> None:
        """Begin with the CPU seconds of ended processes, as the previous program handed them over."""
        self._seen: dict[int, tuple[str, float]] = {}
        self._ended: defaultdict[str, float] = defaultdict(float, ended or {})
        """CPU seconds of ended processes, as they were last read."""

    def read(self, processes: Iterable[tuple[str, int]]) -> Mapping[str, ProcessUse]:
        """Return the use of each name. If several processes have a name, the last one counts, and the CPU time of all.

        `processes` are names and process ids.
        """
        uses: dict[str, ProcessUse] = {}
        seen: dict[int, tuple[str, float]] = {}
        for name, pid in processes:
            use = uses[name] = use_of(pid)
            if use.cpu_s is not None:
                seen[pid] = name, use.cpu_s
        for pid, (name, cpu_s) in self._seen.items():
            if pid not in seen or seen[pid][0] != name or seen[pid][1] < cpu_s:
                self._ended[name] += cpu_s
        self._seen = seen
        return {name: _with_cpu(use, self._cpu_s(name)) for name, use in uses.items()}

    def without(self, pid: int) -> Mapping[str, float]:
        """Return the CPU seconds of each name at the last reading, without those of one process."""
        seconds = self._ended.copy()
        for each, (name, cpu_s) in self._seen.items():
            if each != pid:
                seconds[name] += cpu_s
        return {name: cpu_s for name, cpu_s in seconds.items() if cpu_s}

    def _cpu_s(self, name: str) -> float:
        return self._ended[name] + sum(cpu_s for of, cpu_s in self._seen.values() if of == name)


def _with_cpu(use: ProcessUse, cpu_s: float) -> ProcessUse:
    return ProcessUse(use.open_files, use.open_files_limit, use.memory_bytes, cpu_s if cpu_s else use.cpu_s)


def use_of(pid: int) -> ProcessUse:
    """Return what a process uses now."""
    directory = Path("/proc") / str(pid)
    return ProcessUse(_open_files(directory / "fd"), _limit(pid), _memory_bytes(directory), cpu_s_of(pid))


def _open_files(directory: Path) -> int | None:
    """Return the number of descriptors. Linux gives it as the directory's size from version 6.2 on."""
    with suppress(OSError):
        return directory.stat().st_size or len(os.listdir(directory))
    return None


def _limit(pid: int) -> float | None:
    with suppress(OSError):
        soft, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        return float("inf") if soft == resource.RLIM_INFINITY else soft
    return None


def _memory_bytes(directory: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        return int((directory / "statm").read_text().split()[1]) * _PAGE_BYTES
    return None
