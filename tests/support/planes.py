"""The real control plane on loopback, alone, and nodes that follow it."""

from collections.abc import Sequence
from pathlib import Path

from tests.support.nodes import Node, Process, program
from tests.support.ports import free_port


class Api(Process):
    """`dnsfilter-api` with a policy in its empty database. `options` are more of its own."""

    def __init__(self, directory: Path, policy: str, options: Sequence[str] = ()) -> None:
        super().__init__(directory, "api")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.state = directory / "state"
        directory.mkdir(parents=True, exist_ok=True)
        self._policy = directory / "policy.toml"
        self._policy.write_text(policy)
        self._options = options

    def command(self) -> list[str]:
        return [
            *(program("dnsfilter-api"), "--state-dir", str(self.state), "--init-policy", str(self._policy)),
            *("--listen", f"127.0.0.1:{self.port}", "--metrics-listen", "127.0.0.1:0"),
            # The last of an option given twice counts.
            *self._options,
        ]

    def ready_url(self) -> str:
        return f"{self.url}/readyz"

    def token(self) -> str:
        """The administrator's."""
        return (self.state / "admin-token").read_text().strip()


class Follower(Node):
    """`dnsfilter serve` by the snapshots of a control plane on the same machine."""

    def __init__(self, directory: Path, upstream: str, snapshots: Path) -> None:
        super().__init__(directory, upstream, policy="")
        self.state.mkdir()
        (self.state / "snapshots").symlink_to(snapshots)

    def command(self) -> list[str]:
        return [program("dnsfilter"), "serve", "--config", str(self.config)]
