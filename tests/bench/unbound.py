"""Debian's Unbound as a peer. It has the same names as a response policy zone that its control program switches."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from tests.bench.large import NAMES, name_of
from tests.support.components import Component, component
from tests.support.ports import free_port

START_S = 300.0
ZONE = "large.rpz"

CONFIG = """\
server:
    interface: 127.0.0.1
    port: {port}
    directory: "{directory}"
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    num-threads: 1
    module-config: "respip iterator"
    access-control: 127.0.0.0/8 allow
    do-not-query-localhost: no
    so-rcvbuf: 0
remote-control:
    control-enable: yes
    control-use-cert: no
    control-interface: {directory}/control
forward-zone:
    name: "."
    forward-addr: {upstream}
"""
POLICY_ZONE = """\
rpz:
    name: {zone}
    zonefile: "{directory}/zone"
"""
HEAD = f"$ORIGIN {ZONE}.\n$TTL 60\n@ SOA ns.{ZONE}. hostmaster.{ZONE}. 1 3600 600 86400 60\n@ NS ns.{ZONE}.\n"


@dataclass(frozen=True, slots=True)
class Unbound:
    """A running peer at 127.0.0.1."""

    port: int
    pid: int
    _upstream: str
    _program: Component
    _directory: Path

    def configure(self, *, with_zone: bool) -> None:
        """Write a configuration with or without the policy zone. `reload` reads it."""
        _write(self._directory, self.port, self._upstream, with_zone)

    def control(self, *arguments: str) -> None:
        """Run `unbound-control ARGUMENTS`. Raise AssertionError if it fails."""
        done = self._program.run("-c", str(self._directory / "unbound.conf"), *arguments, timeout_s=START_S)
        assert done.returncode == 0, f"unbound-control {arguments}: {done.stdout}{done.stderr}"


@contextmanager
def running_unbound(upstream: str) -> Iterator[Unbound]:
    """Run a peer in front of `upstream`. Yield it when it has read its zone and answers."""
    program, port = component("unbound"), free_port()
    with tempfile.TemporaryDirectory(prefix="unbound-") as made:
        directory = Path(made)
        _write(directory, port, upstream, with_zone=True)
        with (directory / "zone").open("w") as zone:
            zone.write(HEAD)
            # A policy zone needs two records to cover a name and all names below it.
            zone.writelines(f"{name} CNAME .\n*.{name} CNAME .\n" for name in map(name_of, range(NAMES)))
        command = [str(program.path), "-d", "-c", str(directory / "unbound.conf")]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(command, env=program.env, stdout=log, stderr=log)
        control = Component(program.path.with_name("unbound-control"), program.env)
        try:
            _await(port, process, directory / "log")
            yield Unbound(port, process.pid, upstream, control, directory)
        finally:
            process.terminate()
            process.wait()


def _write(directory: Path, port: int, upstream: str, with_zone: bool) -> None:
    text = CONFIG + (POLICY_ZONE if with_zone else "")
    config = text.format(port=port, directory=directory, zone=ZONE, upstream=upstream.replace(":", "@"))
    (directory / "unbound.conf").write_text(config)


def _await(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    question = dns.message.make_query("plain.example", "A")
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            dns.query.udp(question, "127.0.0.1", 0.2, port)
        except (dns.exception.DNSException, ConnectionError):
            continue
        return
    raise RuntimeError(f"start unbound: {log.read_text()}")
