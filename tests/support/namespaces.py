"""Private networks for tests: network namespaces whose addresses and ports nothing else on the machine uses."""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import dns.message

from tests.support import namespace_holder
from tests.support.components import Component, component, impossible
from tests.support.dig import DigResult, dig
from tests.support.knot import PROBE_S, Knot
from tests.support.nodes import Node, program

START_S = 60.0
STOP_S = 10.0
ANSWER_S = 5.0
UP_S = 10
CLOCKS = {"boottime": time.CLOCK_BOOTTIME, "monotonic": time.CLOCK_MONOTONIC}
"""The clocks that begin at the boot, by the names that `unshare` gives them."""


class Namespace:
    """A network with only loopback, and private mounts: `with Namespace() as space:`.

    Programs run in it as root, without power outside of it. With `neighbour`, it belongs to the root of another
    namespace, so that `link` can connect the two. If the machine allows no namespaces, the calling test is skipped, and
    fails if CI=true.
    """

    def __init__(self, neighbour: "Namespace | None" = None) -> None:
        self._neighbour = neighbour
        self._programs = Path(tempfile.mkdtemp(prefix="namespace-"))
        self._door, self._other_end = socket.socketpair()
        self._holder: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the id of the process that keeps the namespace alive."""
        assert self._holder is not None
        return self._holder.pid

    def __enter__(self) -> Self:
        try:
            self._start()
            self.ip("link", "set", "lo", "up")
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def command(self, *arguments: str) -> list[str]:
        """Return the command line that runs these arguments inside, with the caller's environment and directory."""
        within = [tool("nsenter"), f"--target={self.pid}", "--user", "--preserve-credentials", "--net", "--mount"]
        return [*within, "--wd=.", "--", *arguments]

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str | None = None, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end. Return its output and exit code, and accept any code."""
        return subprocess.run(
            self.command(*arguments), env=env, input=stdin, timeout=timeout_s, capture_output=True, text=True
        )

    def component(self, name: str) -> Component:
        """Return a real program that starts inside: its path is a script that enters the namespace."""
        outside = component(name)
        script = self._programs / name
        if not script.exists():
            script.write_text(f'#!/bin/sh\nexec {shlex.join(self.command(str(outside.path)))} "$@"\n')
            script.chmod(0o755)
        return Component(script, outside.env)

    def ip(self, *arguments: str) -> str:
        """Return what `ip ARGUMENTS` prints inside. Raise AssertionError if it fails."""
        done = self.component("ip").run(*arguments)
        assert done.returncode == 0, f"ip {shlex.join(arguments)}: {done.stderr}"
        return done.stdout

    def add_address(self, *prefixes: str, device: str = "lo") -> None:
        """Give the device these addresses with prefix lengths, such as "192.0.2.1/24". They are usable at once."""
        for prefix in prefixes:
            at_once = ["nodad"] if ":" in prefix else []
            self.ip("address", "add", prefix, "dev", device, *at_once)

    def add_device(self, name: str, *prefixes: str) -> None:
        """Add a device that is up, like that of a machine on a network, with these addresses."""
        self.ip("link", "add", name, "type", "veth", "peer", "name", f"{name}-peer")
        for end in (f"{name}-peer", name):
            self.ip("link", "set", end, "up")
        self.add_address(*prefixes, device=name)

    def mount(self, *arguments: str) -> None:
        """Run `mount ARGUMENTS`. The mount is visible only inside. Raise AssertionError if it fails.

        The mount ends with the namespace at the latest.
        """
        self._must("mount", *arguments)

    def unmount(self, directory: str) -> None:
        """Remove the uppermost mount from `directory`, even if it is in use. Raise AssertionError if this fails."""
        self._must("umount", "--lazy", directory)

    def socket(self, family: int, kind: int) -> socket.socket:
        """Return a socket of this network for the caller's own use.

        It times out after ANSWER_S unless the caller changes that.
        """
        self._door.sendall(namespace_holder.REQUEST.pack(family, kind))
        _, descriptors, _, _ = socket.recv_fds(self._door, 1, 1)
        made = socket.socket(fileno=descriptors[0])
        made.settimeout(ANSWER_S)
        return made

    def status_of(self, address: str, path: str = "/readyz") -> int | None:
        """Return the HTTP status of a GET at an IPv4 "address:port" of this network, or None if there is no answer."""
        host, _, port = address.rpartition(":")
        connection = HTTPConnection(host)
        connection.sock = self.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            connection.sock.connect((host, int(port)))
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()

    def _must(self, *arguments: str) -> None:
        done = self.run(*arguments)
        assert done.returncode == 0, f"{shlex.join(arguments)}: {done.stderr}"

    def _start(self) -> None:
        command = [sys.executable, "-I", "-S", namespace_holder.__file__]
        with self._other_end as end:
            self._holder = subprocess.Popen(
                self._unshare(*command), stdin=end.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        self._door.settimeout(START_S)
        if self._door.recv(1) != namespace_holder.READY:
            assert self._holder.stderr is not None
            impossible(f"a network namespace is refused: {self._holder.stderr.read().decode().strip()}")

    def _unshare(self, *command: str) -> list[str]:
        if self._neighbour is None:
            return [tool("unshare"), "--user", "--map-root-user", "--net", "--mount", "--", *command]
        return self._neighbour.command(tool("unshare"), "--net", "--mount", "--", *command)

    def _close(self) -> None:
        self._door.close()
        self._other_end.close()
        if self._holder is not None:
            try:
                self._holder.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._holder.kill()
                self._holder.wait()
                raise
            finally:
                assert self._holder.stderr is not None
                self._holder.stderr.close()
        shutil.rmtree(self._programs)


def link(one: Namespace, other: Namespace, here: Sequence[str], there: Sequence[str], name: str = "eth0") -> None:
    """Connect two namespaces of the same root. Each gets a device of that name with these addresses."""
    one.ip("link", "add", name, "type", "veth", "peer", "name", name, "netns", str(other.pid))
    for space, prefixes in ((one, here), (other, there)):
        space.ip("link", "set", name, "addrgenmode", "none")
        space.ip("link", "set", name, "up")
        space.add_address(*prefixes, device=name)


class KnotWithin(Knot):
    """The real authoritative server inside a namespace."""

    def __init__(self, space: Namespace, zones: Mapping[str, str], **settings: Any) -> None:
        super().__init__(zones, **settings)
        self._program = space.component("knotd")
        self._space = space

    def _answers(self, zone: str) -> bool:
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with self._space.socket(family, socket.SOCK_DGRAM) as within:
            within.settimeout(PROBE_S)
            query = dns.message.make_query(zone, "SOA")
            try:
                within.connect((self.address, self.port))
                within.send(query.to_wire())
                return bool(dns.message.from_wire(within.recv(65535)).answer)
            except OSError:
                return False


class NodeWithin(Node):
    """`dnsfilter serve` inside a namespace, at port 53 of `address`."""

    def __init__(
        self, space: Namespace, directory: Path, upstream: str, *, address: str = "127.0.0.1", **settings: Any
    ) -> None:
        super().__init__(directory, upstream, **settings)
        text = self.config.read_text()
        self.config.write_text(text.replace(f'"127.0.0.1:{self.port}"', f'"{address}:53"'))
        self.address, self.port = address, 53
        self._space = space

    def dig(self, name: str, qtype: str = "A", bind: str | None = None, extra: Sequence[str] = ()) -> DigResult:
        return dig(name, qtype, server=self.address, bind=bind, extra=extra, program=self._space.component("dig"))

    def command(self) -> list[str]:
        return self._space.command(*super().command())

    def drain_command(self, for_s: int) -> list[str]:
        """Return the command that drains this node, for a program outside."""
        arguments = ["drain", "--config", str(self.config), "--for", str(for_s)]
        return self._space.command(program("dnsfilter"), *arguments)

    def is_ready(self) -> bool:
        return self._space.status_of(self.metrics_address) == 200


def tool(name: str) -> str:
    """Return the path of a program of util-linux. Skip the calling test if it is missing, and fail it if CI=true."""
    return shutil.which(name) or impossible(f"{name} of util-linux is not here")


def just_booted() -> list[str]:
    """Return what to put before a command, so that to it the machine has been up for UP_S seconds.

    If the machine allows no time namespaces, skip the calling test, or fail it if CI=true.
    """
    offsets = [f"--{name}={UP_S - int(time.clock_gettime(clock))}" for name, clock in CLOCKS.items()]
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-current-user"]
    command = [tool("unshare"), *as_user, "--time", *offsets, "--"]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True)
    return command if tried.returncode == 0 else impossible(f"a time namespace is refused: {tried.stderr.strip()}")
