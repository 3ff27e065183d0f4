"""Keep the table for resolved-only egress: open each address that the node's workers report, and nothing else."""

import logging
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from dnsfilter.config.node_config import Egress
from dnsfilter.errors import UnavailableError
from dnsfilter.firewall import egress_rules
from dnsfilter.firewall.egress_listing import admitted_in
from dnsfilter.firewall.egress_rules import LONGEST_OPEN_S, MOST_ADDRESSES, TABLE
from dnsfilter.policy.model import Address
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.notify import notify
from dnsfilter.worker.egress import MESSAGE_BYTES, AnsweredTo, read_answered, socket_name

WAIT_S = 0.5
CHECK_S = 5.0
"""Seconds after which the table is looked for, since another program may remove it. Also the pause after a failure."""
SPARED_S = 1
"""An address is not renewed for less than this: the TTL of a cached answer has no fractions of a second."""
MOST_MESSAGES = 256
"""Messages that are read from one worker at a time."""
_LOG = logging.getLogger("dnsfilter.firewall")


class Nftables(Protocol):
    """A firewall such as `NftLibrary`. Each call may raise UnavailableError."""

    def apply(self, text: str) -> None: ...

    def has(self, table: str) -> bool: ...

    def listed(self, table: str) -> list[dict[str, Any]] | None: ...


class EgressKeeper:
    """The addresses that are open for each egress network, in memory and in the kernel's sets."""

    def __init__(self, egress: Egress, nftables: Nftables, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._egress = egress
        self._nftables = nftables
        self._clock_s = clock_s
        self._until: dict[tuple[str, Address], float] = {}
        self._counts = Counter[tuple[str, int]]()
        """Open addresses by network and family, and those that ended since the last check."""
        self._full: set[tuple[str, int]] = set()
        self._check_at = 0.0
        self._trouble = ""

    def start(self) -> None:
        """Replace the table. Addresses that are open stay open. Raise UnavailableError if that fails."""
        now_s, names = self._clock_s(), {network.name for network in self._egress.networks}
        listed = self._nftables.listed(TABLE) or []
        self._until = {key: now_s + left_s for key, left_s in admitted_in(listed).items() if key[0] in names}
        self._counts = _counted(self._until)
        self._replace()
        logs.emit(_LOG, logging.INFO, "egress rules applied", mode=self._egress.mode, addresses=len(self._until))

    def take(self, reports: list[AnsweredTo]) -> None:
        """Open the addresses of these reports."""
        now_s, opened = self._clock_s(), dict[tuple[str, Address], int]()
        for report in reports:
            name = self._network_of(report.client)
            if name is not None:
                self._open(name, report.addresses, now_s, opened)
        if opened:
            self._attempt(lambda: self._nftables.apply(egress_rules.elements_text(opened)))

    def check(self) -> None:
        """Forget what has ended, and restore a table that is missing. Call this at least every `WAIT_S`."""
        now_s = self._clock_s()
        if now_s < self._check_at:
            return
        self._check_at = now_s + CHECK_S
        self._until = {key: until for key, until in self._until.items() if until > now_s}
        self._counts = _counted(self._until)
        self._full = {key for key in self._full if self._counts[key] >= MOST_ADDRESSES}
        self._attempt(self._restore)

    def remove(self) -> None:
        """Remove the table: everything is open."""
        self._nftables.apply(egress_rules.REMOVAL)

    def _restore(self) -> None:
        if self._trouble or not self._nftables.has(TABLE):
            self._replace()
            logs.emit(_LOG, logging.WARNING, "egress rules restored", addresses=len(self._until))
            self._trouble = ""

    def _replace(self) -> None:
        now_s = self._clock_s()
        left = {key: int(until - now_s) for key, until in self._until.items() if until - now_s >= 1}
        self._nftables.apply(egress_rules.table_text(self._egress, left))
        self._check_at = now_s + CHECK_S

    def _attempt(self, change: Callable[[], None]) -> None:
        """Change the firewall. Log a failure once; `check` then replaces the table."""
        try:
            change()
        except UnavailableError as error:
            if str(error) != self._trouble:
                logs.emit(_LOG, logging.ERROR, "egress rules not applied", reason=error)
            self._trouble = str(error)

    def _open(
        self, name: str, addresses: Mapping[bytes, int], now_s: float, opened: dict[tuple[str, Address], int]
    ) -> None:
        for packed, ttl_s in addresses.items():
            key = (name, egress_rules.address_of(packed))
            seconds = max(1, min(ttl_s, LONGEST_OPEN_S) + self._egress.grace_s)
            known = self._until.get(key, 0.0)
            if known >= now_s + seconds - SPARED_S:
                continue
            if key not in self._until:
                if self._is_full(name, key[1].version):
                    continue
                self._counts[name, key[1].version] += 1
            self._until[key], opened[key] = now_s + seconds, seconds

    def _is_full(self, name: str, version: int) -> bool:
        if self._counts[name, version] < MOST_ADDRESSES:
            return False
        if (name, version) not in self._full:
            logs.emit(_LOG, logging.ERROR, "too many addresses are open", network=name, most=MOST_ADDRESSES)
            self._full.add((name, version))
        return True

    def _network_of(self, client: bytes) -> str | None:
        address = egress_rules.address_of(client)
        names = (each.name for each in self._egress.networks if any(address in prefix for prefix in each.prefixes))
        return next(names, None)


def _counted(addresses: Iterable[tuple[str, Address]]) -> Counter[tuple[str, int]]:
    return Counter((name, address.version) for name, address in addresses)


def listener(node_dir: Path) -> socket.socket:
    """Return the socket to which the workers of this node connect. Raise UnavailableError if it is taken."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listening.bind(socket_name(node_dir))
    except OSError as error:
        listening.close()
        message = "another dnsfilter firewall --egress runs for this node: stop it first"
        raise UnavailableError(f"take addresses from the node: {message}") from error
    listening.listen()
    return listening


def run(
    keeper: EgressKeeper,
    listening: socket.socket,
    may_report: Callable[[socket.socket], bool],
    stopping: Event,
    kept: Event,
) -> None:
    """Keep the table until `stopping` is set. Then remove it, unless `kept` is. Raise UnavailableError at the start."""
    keeper.start()
    notify("READY=1")
    with selectors.DefaultSelector() as waiting:
        waiting.register(listening, selectors.EVENT_READ)
        while not stopping.is_set():
            reports: list[AnsweredTo] = []
            for key, _ in waiting.select(WAIT_S):
                if key.fileobj is listening:
                    _accept(listening, waiting, may_report)
                elif isinstance(key.fileobj, socket.socket):
                    reports += _received(key.fileobj, waiting)
            keeper.take(reports)
            keeper.check()
            notify("WATCHDOG=1")
        for each in [key.fileobj for key in waiting.get_map().values()]:
            if isinstance(each, socket.socket) and each is not listening:
                each.close()
    notify("STOPPING=1")
    if not kept.is_set():
        keeper.remove()


def _accept(
    listening: socket.socket, waiting: selectors.BaseSelector, may_report: Callable[[socket.socket], bool]
) -> None:
    try:
        peer, _ = listening.accept()
    except OSError:  # it has gone already, or this process has no descriptor left
        return
    if may_report(peer):
        peer.setblocking(False)
        waiting.register(peer, selectors.EVENT_READ)
    else:
        logs.emit(_LOG, logging.WARNING, "a process of another user may not report addresses")
        peer.close()


def _received(peer: socket.socket, waiting: selectors.BaseSelector) -> list[AnsweredTo]:
    """Return the reports that have arrived. Close the connection of a worker that has ended or is not understood."""
    reports: list[AnsweredTo] = []
    try:
        while len(reports) < MOST_MESSAGES:
            message = peer.recv(MESSAGE_BYTES)
            if not message:
                raise ConnectionResetError
            reports.append(read_answered(message))
    except BlockingIOError:
        return reports  # these are all for now
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError):
            logs.emit(_LOG, logging.ERROR, "a report of the node is not understood", reason=error)
        waiting.unregister(peer)
        peer.close()
    return reports
