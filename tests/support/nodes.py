"""The real programs on loopback: a resolver alone, or resolver and control plane together."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from dnsfilter.cli.publishing import publish_policy_file
from dnsfilter.config.load import load_config
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.support.dig import DigResult, dig
from tests.support.forked_programs import Forked
from tests.support.forked_programs import run as run_fork
from tests.support.forked_programs import start as start_fork
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "deploy/examples/belgium-2023.toml"
START_S = PATIENCE_S = 180.0
STOP_S = 20.0


def program(name: str) -> str:
    """Return the path of one of this project's commands, as installed next to the interpreter."""
    return str(Path(sys.executable).with_name(name))


class Process:
    """A program in the foreground, with its output in a file. `with` starts and stops it.

    `environment` is the program's environment. None means this process's environment. With `is_forked`, the program is
    a fork of a process that has imported it.
    """

    environment: Mapping[str, str] | None = None
    is_forked = False

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.log = directory / f"{name}.log"
        self.process: subprocess.Popen[bytes] | Forked | None = None

    def command(self) -> list[str]:
        raise TypeError(f"{type(self).__name__} has no command")

    def ready_url(self) -> str:
        raise TypeError(f"{type(self).__name__} has no ready_url")

    def is_ready(self) -> bool:
        return status_of(self.ready_url()) == 200

    def start(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.process = self._launched()
        deadline = time.monotonic() + START_S
        try:
            while not self.is_ready():
                assert self.process.poll() is None, f"{self.command()[0]} ended:\n{self.log.read_text()}"
                assert time.monotonic() < deadline, f"{self.command()[0]} is not ready:\n{self.log.read_text()}"
                time.sleep(0.05)
        except BaseException:
            self.stop()
            raise
        return self

    def _launched(self) -> subprocess.Popen[bytes] | Forked:
        if self.is_forked:
            return start_fork(self.command(), self.log, self.directory, self.environment)
        with self.log.open("ab") as log:
            return subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.directory, env=self.environment)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and wait for the end. Return the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        return self.process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Node(Process):
    """`dnsfilter serve`, with a policy file unless `policy` is None. `config` is TOML to append after the addresses."""

    def __init__(
        self,
        directory: Path,
        upstream: str,
        *,
        policy: Path | str | None = EXAMPLE,
        config: str = "",
        top: str = "",
        workers: int = 1,
    ) -> None:
        super().__init__(directory, "node")
        self.port = free_port()
        self.metrics_port = free_port()
        self.metrics_address = f"127.0.0.1:{self.metrics_port}"
        self.state = directory / "state"
        directory.mkdir(parents=True, exist_ok=True)
        if "[limits" not in config:
            # Tests ask more from one address than an office's client would.
            config += "\n[limits]\nqueries_per_second = 0\nunregistered_per_second = 0\n"
        self.config = directory / "dnsfilter.toml"
        self.config.write_text(
            f'listen = ["127.0.0.1:{self.port}"]\nmetrics_listen = "{self.metrics_address}"\nstate_dir = "state"\n'
            f'workers = {workers}\n{top}\n[upstream]\nservers = ["{upstream}"]\n{config}\n'
        )
        self._decides_by_it = policy is not None
        self.policy = policy if isinstance(policy, Path) else directory / "policy.toml"
        if isinstance(policy, str):
            self.policy.write_text(policy)

    def command(self) -> list[str]:
        command = [program("dnsfilter"), "serve", "--config", str(self.config)]
        return [*command, "--policy", str(self.policy)] if self._decides_by_it else command

    def ready_url(self) -> str:
        return f"http://{self.metrics_address}/readyz"

    def dig(self, name: str, qtype: str = "A", bind: str | None = None, extra: Sequence[str] = ()) -> DigResult:
        return dig(name, qtype, server="127.0.0.1", port=self.port, bind=bind, extra=extra)

    def metrics(self) -> dict[str, float]:
        return scrape(self.metrics_address)

    def worker_pids(self) -> list[int]:
        """Return the process ids of the workers in the order of their start. A standby is the last."""
        assert self.process is not None
        return worker_pids(self.process.pid)

    def worker_pid(self) -> int:
        """Return the process id of the serving worker, of a node with one worker and its standby."""
        return self.worker_pids()[0]

    def gets_other_workers(self, before: Collection[int]) -> bool:
        """Return whether, before long, none of these process ids is a worker's and the node is ready."""
        return eventually(lambda: not set(before) & set(self.worker_pids()) and self.is_ready())

    def logged(self, *parts: str) -> bool:
        """Return whether one line of the log has all these parts."""
        return any(all(part in line for part in parts) for line in self.log.read_text().splitlines())


def publish_twice(node: Node) -> SnapshotStore:
    """Publish the example for a node as revision 1, which only monitors, and as revision 2, which enforces."""
    store = SnapshotStore(node.state / "snapshots")
    for mode in ("monitor", "enforce"):
        node.policy.write_text(EXAMPLE.read_text().replace('mode = "enforce"', f'mode = "{mode}"'))
        publish_policy_file(node.policy, load_config(node.config), store, int(time.time()))
    return store


def worker_pids(supervisor: int) -> list[int]:
    """Return the process ids of a supervisor's workers in the order of their start. A standby is the last."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return sorted(int(pid) for pid in children if _command_line(int(pid)).startswith("dnsfilter worker"))


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


class SingleMachine(Process):
    """`dnsfilter up`: resolver and control plane with the example policy."""

    is_forked = True

    def __init__(self, directory: Path, upstream: str, *, policy: Path = EXAMPLE) -> None:
        super().__init__(directory, "up")
        self.port, self.metrics_port, self.api_port, self.api_metrics_port = (free_port() for _ in range(4))
        self.metrics_address = f"127.0.0.1:{self.metrics_port}"
        self.api_url = f"http://127.0.0.1:{self.api_port}"
        self.state = directory / ".run"
        self._upstream = upstream
        self._policy = policy

    def command(self) -> list[str]:
        return [
            *(program("dnsfilter"), "up", "--state-dir", ".run", "--upstream", self._upstream),
            *("--workers", "1"),
            *("--policy", str(self._policy), "--listen", f"127.0.0.1:{self.port}"),
            *("--metrics-listen", self.metrics_address, "--api-listen", f"127.0.0.1:{self.api_port}"),
            *("--api-metrics-listen", f"127.0.0.1:{self.api_metrics_port}"),
        ]

    def ready_url(self) -> str:
        return f"http://{self.metrics_address}/readyz"

    def dig(self, name: str, qtype: str = "A", bind: str | None = None, extra: Sequence[str] = ()) -> DigResult:
        return dig(name, qtype, server="127.0.0.1", port=self.port, bind=bind, extra=extra)

    def ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `dnsfilterctl` in this directory, where it finds the administrator's token."""
        command = [program("dnsfilterctl"), *arguments]
        environment = {**os.environ, "DNSFILTER_URL": self.api_url}
        return run_fork(command, self.directory, environment)

    def metrics(self) -> dict[str, float]:
        return scrape(self.metrics_address)

    def child(self, command: str) -> int:
        """Return the process id of the running part with that name, or whose command line contains `command`.

        Raise AssertionError if there is none.
        """
        assert self.process is not None
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            if name == command or command in _command_line(int(pid)):
                return int(pid)
        raise AssertionError(f"no running {command}:\n{self.log.read_text()}")


def status_of(url: str) -> int | None:
    """Return the HTTP status of a GET, or None if there is no answer."""
    try:
        with urllib.request.urlopen(url, timeout=START_S) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None


def scrape(address: str) -> dict[str, float]:
    """Return the samples of a metrics page, by name with labels."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as response:
        lines = response.read().decode().splitlines()
    samples = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def eventually(holds: Callable[[], bool], within_s: float = PATIENCE_S, every_s: float = 0.02) -> bool:
    """Return whether `holds()` becomes true before the time is up.

    Pass a longer pause if each check starts a program.
    """
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(every_s)
    return holds()
