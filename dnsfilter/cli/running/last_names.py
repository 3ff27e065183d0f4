"""The names that a running node last refused, monitored or could not resolve, from the memory of its workers."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dnsfilter.cli.processes import holders, open_sockets, sockets_at
from dnsfilter.cli.running.status_page import reached_at
from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Config
from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.telemetry.recent_names import KEPT_MINUTES, NameOutcome, RecentName, boot_minute, latest, read_names
from dnsfilter.wire.names import name_text

_COUNTERS = re.compile(r"^\S+ \S+ \S+ \S+ \S+ +(/\S+/dnsfilter-counters-[^/\s]+/worker-[0-9]+)$", re.MULTILINE)
"""A worker's counter file among the memory of its supervisor (proc_pid_maps(5))."""
AS_TRACER = "the capability SYS_PTRACE (docker exec --privileged --user root)"
"""What proc_pid_maps(5) demands for the memory of another user's process."""
_MOST_SHOWN = 12
"""Names per outcome on a screen."""
_TITLES = {
    NameOutcome.REFUSED: "refused",
    NameOutcome.MONITORED: "monitored",
    NameOutcome.FAILED: "failed (SERVFAIL)",
}


@dataclass(frozen=True, slots=True)
class LastNames:
    """The names of the last minutes, the latest first."""

    names: Sequence[RecentName]

    def value(self) -> dict[str, object]:
        """Return a value for JSON."""
        return {
            "names": [
                {"outcome": str(each.outcome), "authority": each.authority, "name": name_text(each.name)}
                for each in self.names
            ]
        }

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield outcomes with authorities, and names, for people."""
        for outcome, title in _TITLES.items():
            found = [each for each in self.names if each.outcome is outcome]
            if not found:
                yield title, f"no name in the last {KEPT_MINUTES} minutes"
            for each in found:
                yield f"{title} {each.authority}", name_text(each.name)

    def on_a_screen(self) -> "LastNames":
        """Return the latest names of each outcome."""
        kept = [[each for each in self.names if each.outcome is outcome][:_MOST_SHOWN] for outcome in NameOutcome]
        return LastNames([each for names in kept for each in names])


def last_names(config: Config, root: Path = Path("/")) -> LastNames:
    """Return the names that the node with this configuration keeps. Raise UnavailableError if there are none to read.

    Only root and the node's user may read them.
    """
    if not config.recent_names:
        raise UnavailableError("read the last names: recent_names is false in the configuration, so none are kept")
    minute = boot_minute(time.clock_gettime_ns(time.CLOCK_BOOTTIME))
    return LastNames(latest(name for path in counter_files(config, root) for name in _names_in(path, minute)))


def counter_files(config: Config, root: Path = Path("/")) -> list[Path]:
    """Return the counter files of the node that serves the status page. Raise UnavailableError if there are none."""
    asked = f"read the last names of the node at {endpoint_text(reached_at(config.metrics_listen))}"
    serving = sockets_at(open_sockets(root), config.metrics_listen, Transport.TCP)
    if not serving:
        raise UnavailableError(f"{asked}: no node listens there: does it run? Type systemctl status dnsfilter")
    try:
        files = [
            root / f"proc/{node.pid}/root/{path[1:]}"
            for node in holders(root, serving)
            for path in dict.fromkeys(_COUNTERS.findall((root / f"proc/{node.pid}/maps").read_text()))
        ]
    except PermissionError:
        files = []
    if not files:
        raise UnavailableError(f"{asked}: its memory cannot be read: run this as root, in a container with {AS_TRACER}")
    return files


def _names_in(path: Path, minute: int) -> list[RecentName]:
    try:
        block = CounterBlock.open(path, read_only=True)
    except UnavailableError:
        if path.exists():
            raise
        return []  # the worker has ended
    try:
        return read_names(block.names, minute)
    finally:
        block.close()
