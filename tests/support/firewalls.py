"""An office in namespaces: a gateway with `dnsfilter firewall`, a network under a ban, one without, and the world."""

import os
import selectors
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import time

from dnsfilter.policy.model import Policy
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.support.components import component, impossible
from tests.support.namespaces import ANSWER_S, Namespace, link
from tests.support.nodes import Process, program

BANNED, FREE = ("10.1.0.0/24", "2001:db8:1::/64"), ("10.2.0.0/24", "2001:db8:2::/64")
GATEWAY = ("10.1.0.1", "2001:db8:1::1")
"""The node's addresses, in the network under the ban."""
OTHER = ("203.0.113.53", "2001:db8:f::53")
"""A resolver in the world that no list names."""
PUBLIC, ALLOWED = "9.9.9.9", "203.0.113.54"
"""A resolver of the catalogue, and one that the office allows."""


@dataclass(frozen=True, slots=True)
class Networks:
    """The four networks, by their namespaces."""

    gateway: Namespace
    banned: Namespace
    free: Namespace
    world: Namespace


@contextmanager
def networks() -> Iterator[Networks]:
    """Make the networks. The gateway routes between them."""
    with ExitStack() as stack:
        gateway = stack.enter_context(Namespace())
        others = [stack.enter_context(Namespace(gateway)) for _ in range(3)]
        for name, space, net, net6 in zip(
            ("banned", "free", "world"), others, ("10.1.0", "10.2.0", "203.0.113"), ("1", "2", "f"), strict=True
        ):
            # A router without a link-local address solicits no neighbours for packets that it forwards.
            here, there = ((f"{net}.{n}/24", f"2001:db8:{net6}::{n}/64", f"fe80::{n}/64") for n in (1, 2))
            link(gateway, space, here, there, name)
            space.ip("route", "add", "default", "via", f"{net}.1")
            space.ip("route", "add", "default", "via", f"2001:db8:{net6}::1")
        made = Networks(gateway, *others)
        probe = gateway.component("nft").run("list", "ruleset")
        if probe.returncode != 0:
            impossible(f"the kernel refuses nftables: {probe.stderr}")
        made.world.add_address(*(f"{each}/32" for each in (OTHER[0], PUBLIC, ALLOWED)), f"{OTHER[1]}/128")
        gateway.ip("route", "add", "default", "via", "203.0.113.2")
        gateway.ip("route", "add", f"{OTHER[1]}/128", "via", "2001:db8:f::2")
        # Without a limit on errors, each refused datagram is answered.
        settings = {
            "ipv4/ip_forward": 1,
            "ipv6/conf/all/forwarding": 1,
            "ipv4/icmp_ratelimit": 0,
            "ipv6/icmp/ratelimit": 0,
        }
        for path, value in settings.items():
            done = gateway.run("sh", "-c", f"echo {value} >/proc/sys/net/{path}")
            assert done.returncode == 0, done.stderr
        yield made


class Firewall(Process):
    """`dnsfilter firewall --watch` on the gateway, for a store of snapshots that the test publishes to."""

    def __init__(self, space: Namespace, directory: Path, policy: Policy, options: Sequence[str] = ()) -> None:
        super().__init__(directory, "firewall")
        directory.mkdir(exist_ok=True)
        self._space = space
        self._options = options
        self.config = directory / "dnsfilter.toml"
        listen = f'["{GATEWAY[0]}:53", "[{GATEWAY[1]}]:53"]'
        self.config.write_text(f'listen = {listen}\nstate_dir = "state"\n[upstream]\nservers = ["{PUBLIC}"]\n')
        self._store = SnapshotStore(directory / "state" / "snapshots")
        self._revision = 0
        self.publish(policy)
        nft = component("nft")
        script = directory / "nft"
        script.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={nft.env.get("LD_LIBRARY_PATH", "")} exec {nft.path} "$@"\n')
        script.chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"}

    def publish(self, policy: Policy) -> None:
        """Publish a policy to the store, as the next revision."""
        self._revision += 1
        self._store.publish(compile_policy(replace(policy, revision=self._revision), int(time())))

    def command(self) -> list[str]:
        words = [program("dnsfilter"), "firewall", "--watch", "--config", str(self.config), *self._options]
        # Under `nohup`, a program would begin with SIGHUP ignored.
        return self._space.command("env", "--default-signal=HUP", *words)

    def is_ready(self) -> bool:
        return "firewall rules applied" in self.log.read_text()

    def is_there(self) -> bool:
        """Return whether the gateway has the table of this program."""
        return self.nft("list", "table", "inet", "dnsfilter") != ""

    def nft(self, *arguments: str) -> str:
        """Return what `nft ARGUMENTS` prints on the gateway, "" if it fails."""
        return self._space.component("nft").run(*arguments).stdout


def reaches(client: Namespace, server: Namespace, address: str, port: int, kind: int, *, at: str = "") -> bool:
    """Return whether a datagram or a connection from the client arrives at a server that listens there, or at `at`.

    Raise AssertionError if neither it nor an error arrives.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with server.socket(family, kind) as listening, client.socket(family, kind) as asking:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((at or address, port))
        if kind == socket.SOCK_STREAM:
            listening.listen()
        asking.setblocking(False)
        asking.connect_ex((address, port))
        if kind == socket.SOCK_DGRAM:
            asking.send(b"question")
        with selectors.DefaultSelector() as waiting:
            waiting.register(listening, selectors.EVENT_READ, data=True)
            waiting.register(asking, selectors.EVENT_READ, data=False)
            arrived = [key.data for key, _ in waiting.select(ANSWER_S)]
        assert arrived, f"nothing from {address} port {port}"
        return any(arrived)
