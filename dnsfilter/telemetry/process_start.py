"""When this process started, from /proc (proc(5))."""

import os
from contextlib import suppress
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_STATE_FIELD, _START_FIELD = 3, 22


def process_start_s() -> float | None:
    """Return the Unix time at which this process started; None if the kernel does not give it."""
    with suppress(OSError, ValueError, IndexError, StopIteration):
        # The command name, in brackets, may contain blanks and brackets.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        lines = Path("/proc/stat").read_text().splitlines()
        boot_s = next(float(line.split()[1]) for line in lines if line.startswith("btime "))
        return boot_s + int(fields[_START_FIELD - _STATE_FIELD]) / _TICKS_PER_S
    return None
