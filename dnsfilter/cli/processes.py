"""Processes and sockets of the machine, as /proc shows them (proc(5)). What this user may not read is left out."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from dnsfilter.config.node_config import Endpoint
from dnsfilter.policy.model import Address
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.worker.process_title import WORKER

_TABLES = (("udp", Transport.UDP), ("udp6", Transport.UDP), ("tcp", Transport.TCP), ("tcp6", Transport.TCP))
_LISTENS = "0A"
_SOCKET = re.compile(r"socket:\[([0-9]+)\]")
_UNIT = re.compile(r"^[^\n]*:/system\.slice/(?:[^/\n]+\.slice/)*([^/\n]+\.service)(?:/|$)", re.MULTILINE)
"""A unit of the system. Those of a login belong to its person."""
_MAX_LINE_FIELDS = 10


@dataclass(frozen=True, slots=True)
class OpenSocket:
    """A bound UDP socket or a listening TCP socket, with its owner's number."""

    transport: Transport
    address: Address
    port: int
    uid: int
    inode: int


@dataclass(frozen=True, slots=True)
class Process:
    """A process, with the hexadecimal mask of its effective capabilities, and its systemd unit if it has one."""

    pid: int
    name: str
    command: tuple[str, ...]
    uid: int
    capabilities: int
    unit: str

    @property
    def is_worker(self) -> bool:
        """Return whether it is a worker of a node."""
        return self.command[: len(WORKER)] == WORKER

    @property
    def is_node(self) -> bool:
        """Return whether it is a worker or a supervisor of a node."""
        serves = any(word in self.command for word in ("serve", "up"))
        return self.is_worker or (serves and any(Path(word).name == "dnsfilter" for word in self.command[:3]))

    def __str__(self) -> str:
        unit = f" of {self.unit}" if self.unit else ""
        return f"{self.name} (process {self.pid}{unit})"


def open_sockets(root: Path) -> list[OpenSocket]:
    """Return all bound UDP sockets and listening TCP sockets of this network namespace."""
    found = []
    for table, transport in _TABLES:
        try:
            lines = (root / "proc/net" / table).read_text().splitlines()[1:]
        except OSError:
            continue  # a machine without IPv6
        for fields in (line.split() for line in lines):
            if len(fields) < _MAX_LINE_FIELDS or (transport is Transport.TCP and fields[3] != _LISTENS):
                continue
            address, _, port = fields[1].partition(":")
            found.append(OpenSocket(transport, _address(address), int(port, 16), int(fields[7]), int(fields[9])))
    return found


def sockets_at(known: Iterable[OpenSocket], endpoint: Endpoint, transport: Transport) -> list[OpenSocket]:
    """Return the sockets with this address, else those with a wildcard that covers it."""
    fitting = [each for each in known if each.transport is transport and each.port == endpoint.port]
    exact = [each for each in fitting if each.address == endpoint.address]
    return exact or [each for each in fitting if each.address.is_unspecified]


def sockets_below(known: Iterable[OpenSocket], endpoint: Endpoint, transport: Transport) -> list[OpenSocket]:
    """Return the sockets at single addresses that keep a node from a wildcard. Empty for any other endpoint."""
    if not endpoint.address.is_unspecified:
        return []
    return [
        each
        for each in known
        if each.transport is transport
        and each.port == endpoint.port
        and each.address.version == endpoint.address.version
        and not each.address.is_unspecified
    ]


def holders(root: Path, sockets: Iterable[OpenSocket]) -> list[Process]:
    """Return the processes that hold one of these sockets, as far as this user may see them."""
    inodes = {each.inode for each in sockets}
    return [process for process in processes(root) if inodes & _inodes_of(root, process.pid)]


def processes(root: Path) -> Iterator[Process]:
    """Yield all processes."""
    for directory in sorted((root / "proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            command = (directory / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            # A process may give itself any name, also one that is not UTF-8.
            status = (directory / "status").read_text("utf-8", "replace")
            fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            cgroup = directory / "cgroup"
            unit = _UNIT.search(cgroup.read_text("utf-8", "replace")) if cgroup.exists() else None
        except OSError:
            continue  # it has ended
        name, uid, mask = fields["Name"].strip(), int(fields["Uid"].split()[1]), int(fields["CapEff"], 16)
        yield Process(int(directory.name), name, tuple(command), uid, mask, unit[1] if unit else "")


def _inodes_of(root: Path, pid: int) -> set[int]:
    found = set()
    with suppress(OSError):
        for link in (root / f"proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                match = _SOCKET.fullmatch(os.readlink(link))
                if match is not None:
                    found.add(int(match[1]))
    return found


def _address(text: str) -> Address:
    """Return an address that the kernel has written as 32-bit numbers in the machine's byte order."""
    words = (bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8))
    return ip_address(b"".join(words))
