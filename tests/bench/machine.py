"""The machine of a comparison: its cores, and what processes have used of them."""

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_UTIME = 11
"""Where the four times begin in /proc/PID/stat, counted behind the program's name; see proc(5)."""

_BLOCK = 512
"""What stat(2) counts a file's room in."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Where servers run, and where what asks and answers them does."""

    server: frozenset[int]
    load: frozenset[int]


def share_cores(available: Sequence[int], workers: int) -> Cores:
    """A core for each worker and the rest for the load; where there are not enough of them, the last is used by both.

    Raises ValueError for less than two.
    """
    if len(available) < 2:
        raise ValueError("compare servers: two cores are needed, one for the server and one for the load")
    return Cores(frozenset(available[:workers]), frozenset(available[workers:] or available[-1:]))


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """What is started meanwhile runs on these cores alone, from its first instruction."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for member in found:
        for task in Path(f"/proc/{member}/task").glob("*"):
            found += map(int, _text(task / "children").split())
    return found


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process and its descendants have used, those that ended included."""
    return sum(map(_used_ticks, family(pid))) / TICKS_PER_S


def busiest_child(pid: int) -> int:
    """The descendant that has used the most processor time; ValueError for a process without any."""
    return max(family(pid)[1:], key=_used_ticks)


def _used_ticks(pid: int) -> int:
    return _ticks(_text(Path(f"/proc/{pid}/stat")))


def _ticks(stat: str) -> int:
    # The program's name stands in brackets and may hold any character.
    fields = stat.rpartition(")")[2].split()
    return sum(map(int, fields[_UTIME : _UTIME + 4]))


def peak_bytes(pid: int) -> int:
    """The most memory a process and its descendants have held; what they share by memory files counts once."""
    own, shared = 0, [0]
    for member in family(pid):
        lines = _text(Path(f"/proc/{member}/status")).splitlines()
        kilobytes = {line.partition(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
        # One that has ended and waits for its parent holds nothing.
        shared.append(kilobytes.get("RssShmem", 0))
        own += kilobytes.get("VmHWM", 0) - shared[-1]
    return 1024 * (own + max(shared))


def sealed_bytes(pid: int) -> int:
    """What the memory files take that a process and its descendants have open, each counted once."""
    found: dict[int, int] = {}
    for member in family(pid):
        for link in Path(f"/proc/{member}/fd").glob("*"):
            # One that was closed meanwhile is not open.
            with suppress(FileNotFoundError):
                if os.readlink(link).startswith("/memfd:"):
                    file = link.stat()
                    found[file.st_ino] = _BLOCK * file.st_blocks
    return sum(found.values())


def private_bytes(pid: int) -> int:
    """The memory of one process that is no file's, of what it shares with a fork its part.

    What smaps(5) calls private is not meant: a file's pages count as that as long as nobody else has read them.
    """
    lines = _text(Path(f"/proc/{pid}/smaps_rollup")).splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))


def _text(path: Path) -> str:
    """The file's text; nothing where its process ended meanwhile: its parent then has its time."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def describe_machine() -> dict[str, str]:
    """What a figure cannot be read without."""
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
