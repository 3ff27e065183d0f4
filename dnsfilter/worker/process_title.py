"""The name of a process in /proc, where ps(1) and `dnsfilter doctor` look. A fork has the name of its parent."""

import ctypes
from pathlib import Path

WORKER = ("dnsfilter", "worker")
ZYGOTE = ("dnsfilter", "zygote")
_ARG_START, _ARG_END = 45, 46
"""Fields of /proc/self/stat behind the program's name (proc(5), fields 48 and 49)."""


def set_title(words: tuple[str, ...]) -> None:
    """Show these words as the command line of this process, and the last one as its name.

    They replace the arguments in memory, so words that need more room are cut off.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
    text = b"".join(word.encode() + b"\0" for word in words)
    ctypes.memmove(start, text[: end - start - 1].ljust(end - start, b"\0"), end - start)
    Path("/proc/self/comm").write_text(f"dns-{words[-1]}")
