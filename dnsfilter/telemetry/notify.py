"""Send states of this process to the service manager (sd_notify(3)), if there is one."""

import os
import socket
import time

from dnsfilter import __version__

SERVING = f"STATUS=version {__version__} serves"
"""The state of a node that answers."""


def notify(*states: str) -> None:
    """Send states such as `READY=1` to the socket in NOTIFY_SOCKET. Ignore a socket that does not work."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.connect(address)
            sock.sendall("\n".join(states).encode())
        except OSError:
            return


def notify_reloading() -> None:
    """Report that a reload has begun. `READY=1` ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def state_text(reload: str, upgrade: str, remark: str) -> str:
    """Return the state of a node that answers: why its last reload or upgrade failed, and another remark."""
    first = f"STATUS=upgrade failed, version {__version__} serves: {upgrade}" if upgrade else SERVING
    notes = (first, f"configuration not reloaded: {reload}" if reload else "", remark)
    return "; ".join(" ".join(note.split()) for note in notes if note)


def watchdog_s() -> float | None:
    """Return the interval in seconds for `WATCHDOG=1`, half of the limit, or None if the manager wants none."""
    wanted, meant = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not wanted.isdigit() or int(wanted) == 0 or (meant and meant != str(os.getpid())):
        return None
    return int(wanted) / 2_000_000
