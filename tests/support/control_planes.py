"""The real control plane, on loopback or in its own network, and nodes that follow it."""

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.support.forked_programs import Forked, start
from tests.support.namespaces import Namespace
from tests.support.nodes import Node, Process, eventually, program
from tests.support.ports import free_port


class Api(Process):
    """`dnsfilter-api` with a new database that holds a policy. `options` are additional command-line options."""

    is_forked = True

    def __init__(self, directory: Path, policy: str, options: Sequence[str] = ()) -> None:
        super().__init__(directory, "api")
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"
        self.state = directory / "state"
        directory.mkdir(parents=True, exist_ok=True)
        self._policy = directory / "policy.toml"
        self._policy.write_text(policy)
        self.options = options

    def command(self) -> list[str]:
        return [
            *(program("dnsfilter-api"), "--create", "--state-dir", str(self.state), "--init-policy", str(self._policy)),
            *("--listen", self.address, "--metrics-listen", "127.0.0.1:0"),
            *self.options,
        ]

    def ready_url(self) -> str:
        return f"{self.url}/readyz"

    def token(self) -> str:
        """Return the administrator's token."""
        return (self.state / "admin-token").read_text().strip()


class Follower(Node):
    """`dnsfilter serve` with the snapshots of a control plane on the same machine."""

    is_forked = True

    def __init__(self, directory: Path, upstream: str, snapshots: Path) -> None:
        super().__init__(directory, upstream, policy=None)
        self.state.mkdir()
        (self.state / "snapshots").symlink_to(snapshots)


class ApiWithin(Api):
    """`dnsfilter-api` inside a namespace, at port 8080 of an IPv4 address there, without encryption."""

    is_forked = False

    def __init__(self, space: Namespace, directory: Path, policy: str, address: str) -> None:
        super().__init__(directory, policy, ("--allow-plain",))
        self.address = f"{address}:8080"
        self.url = f"http://{self.address}"
        self._space = space

    def command(self) -> list[str]:
        return self._space.command(*super().command())

    def is_ready(self) -> bool:
        return self._space.status_of(self.address) == 200

    def connection(self) -> HTTPConnection:
        """Return a new connection of a client in the same namespace."""
        host, _, port = self.address.rpartition(":")
        made = HTTPConnection(host, int(port))
        made.sock = self._space.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.sock.settimeout(60)
        made.sock.connect((host, int(port)))
        return made

    def __call__(self, method: str, path: str, value: object = None) -> Any:
        """Send a request as the administrator and return the answer.

        Raise AssertionError if the status is 300 or above.
        """
        connection = self.connection()
        try:
            headers = {"Authorization": f"Bearer {self.token()}", "Content-Type": "application/json"}
            connection.request(method, path, None if value is None else json.dumps(value), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        assert answer.status < 300, f"{method} {path}: {answer.status} {text}"
        return json.loads(text) if text else None


@contextmanager
def serving(arguments: Sequence[str], log: Path) -> Iterator[Forked]:
    """Run `dnsfilter-api` until the end of the block. Wait until it listens, and check that it stops cleanly."""
    log.touch()
    process = start(["dnsfilter-api", *arguments], log, log.parent)
    try:
        assert eventually(lambda: "dnsfilter-api: listening" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield process
        process.terminate()
        assert process.wait(30) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
