"""The running servers of a comparison: this project's, its peers, and the C programs around them."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode

from dnsfilter.snapshot.compiler import Compiled, compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.bench.cases import Case
from tests.bench.large import client_of, make_policy, make_ranges, make_service, name_of
from tests.bench.machine import pinned
from tests.bench.peers import PEERS, PROGRAMS, Command, Peer, Setting
from tests.support.certificates import Authority
from tests.support.components import PROJECT, component
from tests.support.nodes import program, scrape
from tests.support.ports import free_port

OURS, LIMIT = "dnsfilter", "echo"
NAMES = (OURS, LIMIT, *(peer.name for peer in PEERS))
CLIENT = client_of(1)
ANSWERS, REFUSALS = {dns.rcode.NOERROR}, {dns.rcode.REFUSED, dns.rcode.NXDOMAIN}
START_S, STOP_S, PROBE_S, PAGE_S = 300.0, 20.0, 0.5, 10.0
FEW, SPARE = 100, 200
"""Connections for which a server may run a process each, and those that it takes beyond the case's."""
CC_FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror")


class ServerError(Exception):
    """Raised if a server cannot be compared. The text gives the reason."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers. `status_port` is that of this project's pages, `tls_port` that of TLS, if it has any."""

    port: int
    pid: int
    status_port: int
    tls_port: int


@dataclass(slots=True)
class Policies:
    """This project's compiled policies by number of names and ranges, because a million names take long to compile."""

    _compiled: dict[tuple[int, int], Compiled] = field(default_factory=dict)

    def compiled(self, names: int, ranges: int) -> Compiled:
        """Return the policy that bans these numbers of names on these numbers of ranges."""
        if (names, ranges) not in self._compiled:
            policy = make_policy(make_service(names), make_ranges(ranges), 1, {})
            self._compiled[names, ranges] = compile_policy(policy, int(time.time()))
        return self._compiled[names, ranges]


def echo_program() -> Path:
    """Return the program of echo.c."""
    return compiled_c("echo")


def compiled_c(name: str) -> Path:
    """Return the program of a C file in this folder, compiled if needed. Raise ServerError without a compiler."""
    source, made = Path(__file__).with_name(f"{name}.c"), PROJECT / "build/bench" / name
    if made.exists() and made.stat().st_mtime > source.stat().st_mtime:
        return made
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise ServerError(f"compile {source.name}: there is no C compiler here")
    made.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=made.parent) as directory:
        path = Path(directory) / name
        done = subprocess.run([compiler, *CC_FLAGS, "-o", path, source], capture_output=True, text=True)
        if done.returncode != 0:
            raise ServerError(f"compile {source.name}: {done.stderr}")
        path.replace(made)
    return made


@contextmanager
def authority(cores: frozenset[int]) -> Iterator[int]:
    """Run the upstream of all servers, which has an address for every name. Yield its port."""
    port = free_port()
    with pinned(cores):
        process = subprocess.Popen([echo_program(), "authority", str(port), "1"])
    try:
        _await(process, port, "example", ANSWERS, tcp=True)
        yield port
    finally:
        _stop(process)


@contextmanager
def server(
    name: str, case: Case, upstream_ports: tuple[int, ...], cores: frozenset[int], policies: Policies
) -> Iterator[Running]:
    """Run the named server for the case on these cores. Raise ServerError if it does not start."""
    if name not in takers(case):
        raise ServerError(f"{name} has no such case")
    with tempfile.TemporaryDirectory(prefix="compare-") as made, silent_upstream() as silent_port:
        directory = Path(made)
        ports = (silent_port, *upstream_ports) if case.failover else upstream_ports
        size = (case.names, case.ranges, case.workers, case.connections + SPARE)
        setting = Setting(directory, free_port(), free_port(), ports, *size, free_port(), case.encryption)
        if case.encryption:
            Authority(directory / "authority").issue(setting.certificate, setting.key)
        command = _command(name, case, setting, policies)
        with (directory / "output").open("wb") as output, pinned(cores):
            process = subprocess.Popen(command.words, env=command.env, stdout=output, stderr=output, cwd=directory)
        try:
            listed = name_of(case.names - 1)
            _await(process, setting.port, listed, ANSWERS if name == LIMIT else REFUSALS, tcp=case.tcp)
            yield Running(setting.port, process.pid, setting.status_port, setting.tls_port)
        except ServerError as error:
            raise ServerError(f"start {name}: {error}: {(directory / 'output').read_text()[-2000:]}") from error
        finally:
            _stop(process)


@contextmanager
def silent_upstream() -> Iterator[int]:
    """Run an upstream that receives questions and never answers. Yield its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def takers(case: Case) -> Sequence[str]:
    """Return the servers that support this case."""
    peers = [
        peer.name
        for peer in PEERS
        if (case.workers == 1 or peer.many_workers)
        and (case.connections <= FEW or peer.many_connections)
        and (peer.failover or not case.failover)
        and (peer.encryption or not case.encryption)
    ]
    return [OURS, *([] if case.fresh or case.encryption else [LIMIT]), *peers]


def _command(name: str, case: Case, setting: Setting, policies: Policies) -> Command:
    if name == OURS:
        return _ours(setting, policies.compiled(case.names, case.ranges))
    if name == LIMIT:
        mode = "stream" if case.tcp else "echo"
        return Command((str(echo_program()), mode, str(setting.port), str(case.workers)), dict(os.environ))
    return _peer(name).command(setting)


def _peer(name: str) -> Peer:
    return next(peer for peer in PEERS if peer.name == name)


def _ours(setting: Setting, policy: Compiled) -> Command:
    SnapshotStore(setting.directory / "state/snapshots").publish(policy)
    upstreams = ", ".join(f'"127.0.0.1:{port}"' for port in setting.upstream_ports)
    files = f'certificate = "{setting.certificate}"\nkey = "{setting.key}"\n'
    listen = f'{setting.encryption}_listen = ["127.0.0.1:{setting.tls_port}"]\n'
    encrypted = f'[encrypted]\nname = "dns.example.org"\n{files}{listen}'
    config = f"""\
listen = ["127.0.0.1:{setting.port}"]
metrics_listen = "127.0.0.1:{setting.status_port}"
state_dir = "state"
workers = {setting.workers}

[upstream]
servers = [{upstreams}]

[limits]
connections = {setting.connections}
connections_per_client = {setting.connections}

{encrypted if setting.encryption else ""}
# One client plays a complete office, and nobody else counts what it asks.
[[limits.override]]
prefix = "127.0.0.0/8"
queries_per_second = 0
"""
    path = setting.write("dnsfilter.toml", config)
    return Command((program("dnsfilter"), "serve", "--config", str(path)), dict(os.environ))


def engine_of(running: Running) -> str:
    """Return the engine that this project's server reports."""
    found = (re.search(r'dnsfilter_build_info\{.*engine="(\w+)"', sample) for sample in samples_of(running))
    return next((match[1] for match in found if match is not None), "unknown")


def samples_of(running: Running) -> dict[str, float]:
    """Return the metrics of this project's server. Raise ServerError if the page stays missing."""
    deadline = time.monotonic() + PAGE_S
    while True:
        try:
            return scrape(f"127.0.0.1:{running.status_port}")
        except OSError as error:
            if time.monotonic() > deadline:
                raise ServerError(f"read metrics: {error}") from error
        time.sleep(0.05)


def _await(process: "subprocess.Popen[bytes]", port: int, name: str, rcodes: Container[int], *, tcp: bool) -> None:
    """Wait until the name's answer has one of these codes. Some servers answer before they have read their policy."""
    question, ask = dns.message.make_query(name, "A"), dns.query.tcp if tcp else dns.query.udp
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError(f"it ended with status {process.returncode}")
        try:
            answer = ask(question, "127.0.0.1", PROBE_S, port, source=CLIENT)
        except (dns.exception.DNSException, OSError, EOFError):
            answer = None
        if answer is not None and answer.rcode() in rcodes:
            return
        time.sleep(0.05)
    raise ServerError(f"no right answer within {START_S:.0f} s")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def version_of(name: str) -> str:
    """Return the version that a peer's program prints."""
    argument = "--version" if name in {"dnsdist", "recursor", "dnsmasq"} else "-V" if name == "unbound" else "-v"
    done = component(PROGRAMS[name]).run(argument)
    match = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return match[0] if match else "unknown"
