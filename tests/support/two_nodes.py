"""Two nodes with keepalived, and a client, in namespaces. The client asks the address that the nodes share."""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.components import DIRECTORY, PROJECT
from tests.support.engines import query
from tests.support.namespaces import Namespace, NodeWithin, link
from tests.support.nodes import Process, eventually
from tests.support.preloaded import compiled_library

SHARED, SHARED_6, CLIENT = "192.0.2.60", "2001:db8::60", "192.0.2.1"
LOCAL_NAME = "health.dnsfilter.internal"
"""A name that every node answers itself."""
PER_SECOND = 100
_QUIET_S = 2.0
_CLIENTS = '[clients]\nunregistered = "resolve"\nallowed = ["192.0.2.0/24", "2001:db8::/64"]\n'
_DEPLOYED = PROJECT / "deploy/keepalived"
_ALLOW_GROUPS = """\
#include <stddef.h>
int setgroups(size_t n, const void *groups) { (void)n; (void)groups; return 0; }
"""
"""A library that lets setgroups(2) succeed, which an unprivileged namespace refuses.

keepalived calls it before a script, and takes a failure for the script's success.
"""


class Keepalived(Process):
    """keepalived in a node's namespace, with the deployed configuration."""

    def __init__(self, space: Namespace, directory: Path, priority: int, metrics: str) -> None:
        super().__init__(directory, "keepalived")
        self._space = space
        self._program = space.component("keepalived")
        self.environment = {**self._program.env, "LD_PRELOAD": str(compiled_library(_ALLOW_GROUPS))}
        script = _DEPLOYED / "dnsfilter-ready"
        self._states = directory / "states"
        noting = directory / "note-state"
        noting.write_text(f"#!/bin/sh\necho \"$2 $3\" >>'{self._states}'\n")
        noting.chmod(0o755)
        self.config = directory / "keepalived.conf"
        text = (_DEPLOYED / "keepalived.conf").read_text()
        for old, new in (
            ("router_id node-1", f"router_id node-{priority}"),
            ("priority 100", f"priority {priority}"),
            # A namespace has one user, and root runs no script from the directories of others.
            ("script_user nobody", "script_user root"),
            ("    enable_script_security\n", ""),
            ("/usr/bin/logger -t dnsfilter-vrrp", str(noting)),
            *(
                (f"/usr/local/bin/dnsfilter-ready {state}", f"{script} {state} {metrics}")
                for state in ("answering", "preferred", "ready")
            ),
        ):
            assert old in text
            text = text.replace(old, new)
        self.config.write_text(text)

    def command(self) -> list[str]:
        files = ["-f", str(self.config), "-p", str(self.directory / "pid"), "-r", str(self.directory / "vrrp-pid")]
        return [str(self._program.path), "--dont-fork", "--log-console", "--log-detail", "--vrrp", *files]

    def is_ready(self) -> bool:
        """Return whether both instances, of IPv4 and IPv6, have begun."""
        return {"dns BACKUP", "dns6 BACKUP"} <= set(self.states())

    def states(self) -> list[str]:
        """Return each instance and state that it entered, in order, as keepalived reported it."""
        return self._states.read_text().splitlines() if self._states.exists() else []

    def noted(self, *, master: bool) -> bool:
        """Return whether the newest state of both instances is MASTER, or another one. Notes come after the address."""
        newest = dict(line.split() for line in self.states())
        return [state == "MASTER" for state in newest.values()] == [master, master]

    def has_address(self) -> bool:
        """Return whether this machine has the shared addresses."""
        shown = self._space.ip("address", "show", "dev", "eth0")
        return f"{SHARED}/" in shown and f"{SHARED_6}/" in shown


class Asking:
    """A client that asks the shared address at a fixed rate: `with Asking(space) as asking:`, then `asking.lost`."""

    def __init__(self, space: Namespace) -> None:
        self._socket = space.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._waiting: set[int] = set()
        self.answered = 0

    @property
    def lost(self) -> int:
        """Return the number of queries without an answer."""
        return len(self._waiting)

    def until_answered(self, number: int) -> None:
        """Wait for this number of further answers. Raise AssertionError if they do not come."""
        wanted = self.answered + number
        assert eventually(lambda: self.answered >= wanted), (self.answered, self.lost)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        sent = 0
        due = time.monotonic()
        while not self._ended.wait(max(due - time.monotonic(), 0)):
            due += 1 / PER_SECOND
            sent += 1
            self._waiting.add(sent)
            with suppress(OSError):  # if nobody has the address, the query is lost
                self._socket.sendto(query(LOCAL_NAME, id=sent), (SHARED, 53))
            self._receive()
        quiet = time.monotonic() + _QUIET_S
        while self._waiting and time.monotonic() < quiet:
            self._receive()
            time.sleep(0.01)

    def _receive(self) -> None:
        while True:
            try:
                message = self._socket.recv(4096)
            except OSError:
                return
            self._waiting.discard(int.from_bytes(message[:2], "big"))
            self.answered += 1


@dataclass
class TwoNodes:
    """The client's network and both machines, the preferred one first."""

    client: Namespace
    spaces: tuple[Namespace, Namespace]
    nodes: tuple[NodeWithin, NodeWithin]
    keepers: tuple[Keepalived, Keepalived]

    def at(self) -> list[bool]:
        """Return which of the two machines has the shared address."""
        return [keeper.has_address() for keeper in self.keepers]

    def moves(self) -> int:
        """Return how often either machine took or gave up the address, or was in fault."""
        return sum(len(keeper.states()) for keeper in self.keepers)

    def forward_until(self, holds: Callable[[], bool], address: str) -> None:
        """Send one node queries for an upstream, until the condition holds."""
        with self.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:

            def ask_and_look() -> bool:
                asking.sendto(query(f"{secrets.token_hex(4)}.example.org"), (address, 53))
                return holds()

            assert eventually(ask_and_look, every_s=0.1), self.log()

    def log(self) -> str:
        """Return the end of both logs of keepalived."""
        return "\n\n".join(keeper.log.read_text()[-2000:] for keeper in self.keepers)

    def until_at(self, first: bool) -> None:
        """Wait until only the first machine has the addresses, or only the second, and answers over IPv6."""
        assert eventually(lambda: self.at() == [first, not first], every_s=0.05), self.log()
        one, other = self.keepers
        assert eventually(lambda: one.noted(master=first) and other.noted(master=not first)), self.log()
        assert eventually(self._is_answered_over_ipv6), self.log()

    def _is_answered_over_ipv6(self) -> bool:
        with self.client.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking:
            asking.settimeout(0.5)
            asking.connect((SHARED_6, 53))
            asking.send(query(LOCAL_NAME))
            try:
                return bool(asking.recv(4096))
            except OSError:
                return False


@contextmanager
def two_nodes(directory: Path) -> Iterator[TwoNodes]:
    """Run both nodes. Their upstream is the client, where no server listens."""
    with ExitStack() as stack:
        client = stack.enter_context(Namespace())
        client.ip("link", "add", "lan", "type", "bridge")
        client.ip("link", "set", "lan", "up")
        client.add_address(f"{CLIENT}/24", "2001:db8::1/64", device="lan")
        spaces = (stack.enter_context(Namespace(client)), stack.enter_context(Namespace(client)))
        nodes, keepers = [], []
        for number, (space, priority) in enumerate(zip(spaces, (100, 90), strict=True), 1):
            link(space, client, [f"192.0.2.5{number}/24"], [], f"eth{number}")
            client.ip("link", "set", f"eth{number}", "master", "lan")
            space.ip("link", "set", f"eth{number}", "down")
            space.ip("link", "set", f"eth{number}", "name", "eth0")
            space.ip("link", "set", "eth0", "up")
            space.add_address(f"2001:db8::5{number}/64", f"fe80::5{number}/64", device="eth0")
            node_directory = directory / f"node-{number}"
            node = NodeWithin(space, node_directory, f"{CLIENT}:5353", address="0.0.0.0", config=_CLIENTS)
            text = node.config.read_text()
            node.config.write_text(text.replace('"0.0.0.0:53"', '"0.0.0.0:53", "[::]:53"'))
            nodes.append(stack.enter_context(node))
            _show_options(space, node_directory)
            _apply_sysctl(space)
            keepers.append(stack.enter_context(Keepalived(space, node_directory, priority, node.metrics_address)))
        yield TwoNodes(client, spaces, (nodes[0], nodes[1]), (keepers[0], keepers[1]))


def _apply_sysctl(space: Namespace) -> None:
    for line in (_DEPLOYED / "dnsfilter-vrrp.sysctl").read_text().splitlines():
        if not line.startswith("#"):
            key, _, value = line.partition(" = ")
            done = space.run("sh", "-c", f"echo {value} >/proc/sys/{key.replace('.', '/')}")
            assert done.returncode == 0, done.stderr


def _show_options(space: Namespace, directory: Path) -> None:
    """Show keepalived its file below /etc that names the options it was built with; nothing is installed there."""
    there, merged = directory / "etc-there", directory / "etc"
    there.mkdir()
    merged.mkdir()
    for name in os.listdir("/etc"):
        (merged / name).symlink_to(there / name)
    unpacked = DIRECTORY / "root/etc/keepalived"
    if unpacked.exists():
        (merged / "keepalived").unlink(missing_ok=True)
        (merged / "keepalived").symlink_to(unpacked)
    space.mount("--bind", "/etc", str(there))
    space.mount("--bind", str(merged), "/etc")
