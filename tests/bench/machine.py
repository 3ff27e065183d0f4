"""The machine of a comparison: its cores, and how much of them processes have used."""

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_UTIME = 11
"""The position of the first of the four times in /proc/PID/stat, counted after the program's name; see proc(5)."""

_BLOCK = 512
"""The unit in which stat(2) counts the blocks of a file."""


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores of the servers, and the cores of clients and upstreams."""

    server: frozenset[int]
    load: frozenset[int]


def share_cores(available: Sequence[int], workers: int) -> Cores:
    """Return one core for each worker and the rest for the load. If none is left, the load shares the last core.

    Raise ValueError for fewer than two cores.
    """
    if len(available) < 2:
        raise ValueError("compare servers: two cores are needed, one for the server and one for the load")
    return Cores(frozenset(available[:workers]), frozenset(available[workers:] or available[-1:]))


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Run processes that start during the block on these cores only, from their first instruction."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """Return a process and all of its descendants."""
    found = [pid]
    for member in found:
        for task in Path(f"/proc/{member}/task").glob("*"):
            found += map(int, _text(task / "children").split())
    return found


def cpu_s(pid: int) -> float:
    """Return the processor time in seconds of a process and its descendants, including ended ones."""
    return sum(map(_used_ticks, family(pid))) / TICKS_PER_S


def busiest_child(pid: int) -> int:
    """Return the descendant with the most processor time. Raise ValueError for a process without descendants."""
    return max(family(pid)[1:], key=_used_ticks)


def _used_ticks(pid: int) -> int:
    return _ticks(_text(Path(f"/proc/{pid}/stat")))


def _ticks(stat: str) -> int:
    # The program's name stands in brackets and may contain any character.
    fields = stat.rpartition(")")[2].split()
    return sum(map(int, fields[_UTIME : _UTIME + 4]))


def peak_bytes(pid: int) -> int:
    """Return the peak memory of a process and its descendants. Memory files that they share count once."""
    own, shared = 0, [0]
    for member in family(pid):
        lines = _text(Path(f"/proc/{member}/status")).splitlines()
        kilobytes = {line.partition(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
        # A process that has ended and waits for its parent holds no memory.
        shared.append(kilobytes.get("RssShmem", 0))
        own += kilobytes.get("VmHWM", 0) - shared[-1]
    return 1024 * (own + max(shared))


def resident_bytes(pid: int) -> int:
    """Return the present memory of a process and its descendants. What they share counts once for all of them."""
    lines = (line for member in family(pid) for line in _text(Path(f"/proc/{member}/smaps_rollup")).splitlines())
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def sealed_bytes(pid: int) -> int:
    """Return the size of the memory files that a process and its descendants have open. Each counts once."""
    found: dict[int, int] = {}
    for member in family(pid):
        for link in Path(f"/proc/{member}/fd").glob("*"):
            # A file that was closed in the meantime is not open.
            with suppress(FileNotFoundError):
                if os.readlink(link).startswith("/memfd:"):
                    file = link.stat()
                    found[file.st_ino] = _BLOCK * file.st_blocks
    return sum(found.values())


def private_bytes(pid: int) -> int:
    """Return the memory of one process that belongs to no file, with its share of what forks have in common.

    This is not what smaps(5) calls private: that includes a file's pages as long as no other process has read them.
    """
    lines = _text(Path(f"/proc/{pid}/smaps_rollup")).splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))


def _text(path: Path) -> str:
    """Return the file's text, or nothing if its process has ended. Its parent's times then include the process."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def describe_machine() -> dict[str, str]:
    """Return the facts about the machine that a reader of the figures needs."""
    models = (line for line in _lines("/proc/cpuinfo") if line.startswith(("model name", "CPU part")))
    processor = next((line.partition(":")[2].strip() for line in models), platform.machine())
    memory_kb = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    return {
        "processor": processor,
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory_kb / (1 << 20):.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
