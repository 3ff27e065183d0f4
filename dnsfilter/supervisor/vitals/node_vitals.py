"""Everything that a scrape reads of a node itself. No reading waits for another process, and none fails the scrape."""

import logging
import os
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Clients, Config
from dnsfilter.control.identity import identity_mark, load_identity
from dnsfilter.errors import UnavailableError
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.model import Instant
from dnsfilter.supervisor.crew import Crew
from dnsfilter.supervisor.vitals.dropped_datagrams import DroppedDatagrams
from dnsfilter.supervisor.vitals.process_use import ProcessTable
from dnsfilter.supervisor.vitals.upstream_states import UpstreamStates
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.metrics import CPU_SECONDS
from dnsfilter.telemetry.nodestate import ProcessUse, Vitals
from dnsfilter.telemetry.process_times import process_start_s

_LOG = logging.getLogger("dnsfilter.node")


class NodeVitals:
    """Reads upstreams with each `look`, and the rest with `read`."""

    def __init__(self, crew: Crew, dropped_before: int, numbers: Mapping[str, int]) -> None:
        """Initialize. The previous program handed over the drops of closed sockets, and what `numbers` returned."""
        self.drops = DroppedDatagrams(dropped_before)
        self._crew = crew
        self._upstreams = UpstreamStates()
        self._processes = ProcessTable(_cpu_seconds(numbers))
        self._name = NodeName()
        self._learning = LearningLog()
        self.learning_until: Instant | None = None
        """When learning mode ends. None if it is off."""

    def look(self, now: float) -> None:
        """Compare the upstreams' states in all workers, and log changes: theirs, and those of learning mode."""
        self.learning_until = self._learning.look(self._crew.orders.config.clients, int(time.time()))
        workers = ((member.block, member.upstreams) for member in self._crew.members)
        self._upstreams.look(now, self._crew.orders.upstreams, workers)

    def no_upstream(self) -> str | None:
        """Return a reason if upstreams are known and no default one is up."""
        up = default_upstreams_up(self._crew.orders.config, self._upstreams.up())
        return "no upstream answers" if up == 0 else None

    def node_name(self) -> str:
        """Return the name with which the node has enrolled, or an empty text."""
        return self._name.read(self._crew.orders.config)

    def read(self, sockets: Iterable[socket.socket]) -> Vitals:
        """Return the state now. `sockets` are the UDP sockets at which queries arrive."""
        config = self._crew.orders.config
        free, size = _disk_bytes(config.state_dir)
        up = self._upstreams.up()
        return Vitals(
            site=config.control_plane.site,
            node=self.node_name(),
            upstreams_up=up,
            default_upstreams_up=default_upstreams_up(config, up),
            datagrams_dropped=self.drops.read(sockets),
            receive_queue_bytes=self.drops.fullest_bytes,
            processes=self._read_processes(),
            worker_queries={position + 1: count for position, count in self._crew.queries_by_position().items()},
            disk_free_bytes=free,
            disk_size_bytes=size,
            time_s=time.time(),
            started_s=process_start_s(),
            certificate_expires_s=self._crew.certificates.expires_s,
            client_ca_expires_s=self._crew.certificates.client_ca_expires_s,
            certificate_rejected=self._crew.certificates.is_rejected,
        )

    def numbers(self) -> Mapping[str, int]:
        """Return the CPU time of workers for the next program, in milliseconds. This process goes on with its own."""
        self._read_processes()
        seconds = self._processes.without(os.getpid())
        return {f"{CPU_SECONDS.name} {name}": round(cpu_s * 1000) for name, cpu_s in seconds.items()}

    def _read_processes(self) -> Mapping[str, ProcessUse]:
        members = sorted(self._crew.members, key=lambda member: member.started)
        workers = ((f"worker-{member.position + 1}", member.process.pid) for member in members)
        return self._processes.read((("supervisor", os.getpid()), *workers))


class LearningLog:
    """Logs when learning mode begins and ends, once per change."""

    def __init__(self) -> None:
        self._logged: Instant | None = None

    def look(self, clients: Clients, now: Instant) -> Instant | None:
        """Return when learning mode ends, None if it is off. Log a change since the last call."""
        until = clients.learns_until(now)
        if until != self._logged:
            self._logged = until
            if until is None:
                logs.emit(_LOG, logging.WARNING, "learning mode ended")
            else:
                prefixes = ", ".join(map(str, clients.allowed))
                logs.emit(
                    _LOG,
                    logging.WARNING,
                    "learning mode, unregistered clients are answered",
                    until=at_words(until),
                    prefixes=prefixes,
                )
        return until


class NodeName:
    """The name with which the node has enrolled. It is read again only after another enrolment."""

    def __init__(self) -> None:
        self._mark: tuple[int, int] | None = None
        self._name = ""

    def read(self, config: Config) -> str:
        """Return the name, or an empty text before the enrolment, and for a node without a control plane."""
        if config.control_plane.url is None:
            return ""
        mark = identity_mark(config.node_dir)
        if mark != self._mark:
            self._mark, self._name = mark, ""
            with suppress(UnavailableError):
                identity = load_identity(config.node_dir)
                self._name = "" if identity is None else identity.name
        return self._name


def _cpu_seconds(numbers: Mapping[str, int]) -> Mapping[str, float]:
    prefix = f"{CPU_SECONDS.name} "
    return {name.removeprefix(prefix): n / 1000 for name, n in numbers.items() if name.startswith(prefix)}


def default_upstreams_up(config: Config, up: Mapping[str, bool]) -> int | None:
    """Return how many upstreams that are not only for a zone are up. None if there is none, or none is known yet."""
    states = [up[name] for name in map(endpoint_text, config.upstream.servers) if name in up]
    return sum(states) if states else None


def _disk_bytes(directory: Path) -> tuple[int | None, int | None]:
    """Return what an unprivileged program may still write, and the size."""
    with suppress(OSError):
        disk = os.statvfs(directory)
        return disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    return None, None
