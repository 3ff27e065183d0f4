"""When this process started, and the CPU time of a process, from /proc (proc(5))."""

import os
from contextlib import suppress
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_STATE_FIELD, _USER_TIME_FIELD, _SYSTEM_TIME_FIELD, _START_FIELD = 3, 14, 15, 22


def process_start_s() -> float | None:
    """Return the Unix time at which this process started; None if the kernel does not give it."""
    with suppress(OSError, ValueError, IndexError, StopIteration):
        lines = Path("/proc/stat").read_text().splitlines()
        boot_s = next(float(line.split()[1]) for line in lines if line.startswith("btime "))
        return boot_s + _stat_s("self", _START_FIELD)
    return None


def cpu_s_of(pid: int) -> float | None:
    """Return the user and system CPU time of a process, which may have ended, in seconds."""
    with suppress(OSError, ValueError, IndexError):
        return _stat_s(str(pid), _USER_TIME_FIELD, _SYSTEM_TIME_FIELD)
    return None


def _stat_s(process: str, *numbers: int) -> float:
    """Return the sum of these fields of a process's status, which are times, in seconds."""
    # The command name, in brackets, may contain blanks and brackets.
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(int(fields[number - _STATE_FIELD]) for number in numbers) / _TICKS_PER_S
