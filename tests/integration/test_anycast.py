"""Debian's BIRD announces a node to a router while it is ready, with the configuration in deploy/bird."""

import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.components import PROJECT, component, end
from tests.support.engines import query
from tests.support.namespaces import Namespace, NodeWithin, link
from tests.support.nodes import Process, eventually

pytestmark = pytest.mark.heavy

NODE, ROUTER, SHARED = "192.0.2.53", "192.0.2.1", "192.0.2.60/32"
ROUTER_CONFIG = f"""
router id {ROUTER};
protocol device {{ }}
protocol bgp node {{ local {ROUTER} as 64511; neighbor {NODE} as 64512; ipv4 {{ import all; export none; }}; }}
"""


class Bird(Process):
    """BIRD in a namespace."""

    def __init__(self, space: Namespace, directory: Path, config: str) -> None:
        super().__init__(directory, "bird")
        directory.mkdir()
        self._bird, self._client = space.component("bird"), component("birdcl")
        self.environment = self._bird.env
        self._config = directory / "bird.conf"
        self._config.write_text(config)
        self.control = [str(self._client.path), "-s", str(directory / "ctl")]

    def command(self) -> list[str]:
        return [str(self._bird.path), "-f", "-c", str(self._config), "-s", str(self.directory / "ctl")]

    def is_ready(self) -> bool:
        return self.ask("show", "status") != ""

    def ask(self, *words: str) -> str:
        """Return what BIRD prints for a command, "" if it does not run."""
        return subprocess.run([*self.control, *words], env=self._client.env, capture_output=True, text=True).stdout


@pytest.fixture
def office(tmp_path: Path) -> Iterator[tuple[NodeWithin, Bird, Namespace]]:
    """Run a node with BIRD next to it, and a router. Yield the node, the router's BIRD and its network."""
    with ExitStack() as stack:
        router = stack.enter_context(Namespace())
        space = stack.enter_context(Namespace(router))
        link(space, router, [f"{NODE}/24"], [f"{ROUTER}/24"])
        clients = '[clients]\nunregistered = "resolve"\nallowed = ["192.0.2.0/24"]\n'
        made = NodeWithin(space, tmp_path / "node", f"{ROUTER}:5353", address="0.0.0.0", config=clients)
        node = stack.enter_context(made)
        announcing = Bird(space, tmp_path / "here", (PROJECT / "deploy/bird/bird.conf").read_text())
        stack.enter_context(announcing)
        receiving = stack.enter_context(Bird(router, tmp_path / "there", ROUTER_CONFIG))
        environment = {
            **(announcing.environment or {}),
            "BIRDC": " ".join(announcing.control),
            "PATH": f"{PROJECT / 'deploy/keepalived'}:{os.environ['PATH']}",
        }
        command = space.command(str(PROJECT / "deploy/bird/dnsfilter-anycast"), node.metrics_address)
        following = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        stack.callback(end, following)
        yield node, receiving, router


def path(router: Bird) -> list[str]:
    """Return the AS path of the announced route, [] if there is none."""
    shown = router.ask("show", "route", SHARED, "all")
    return next((line.split()[1:] for line in shown.splitlines() if "as_path" in line), [])


def becomes(router: Bird, wanted: list[str]) -> bool:
    return eventually(lambda: path(router) == wanted, every_s=0.1)


def test_route_follows_the_node(office: tuple[NodeWithin, Bird, Namespace]) -> None:
    node, router, network = office
    assert becomes(router, ["64512"]), router.log.read_text()
    with network.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:

        def lost() -> bool:
            asking.sendto(query(f"{secrets.token_hex(4)}.example.org"), (NODE, 53))
            return path(router) == ["64512"] * 3

        assert eventually(lost, every_s=0.1), "lost upstreams make the route the last choice, and withdraw it never"
    drain = subprocess.Popen(node.drain_command(10))
    try:
        assert becomes(router, [])
        assert node.process is not None
        assert node.process.poll() is None, "the node ended before its route"
    finally:
        end(drain)
