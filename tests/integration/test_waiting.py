"""A toggle that waits returns when the slowest of three nodes has it. By then each node answers by it."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.support.control_planes import Api
from tests.support.knot import Knot
from tests.support.nodes import EXAMPLE, Node, eventually, program

pytestmark = pytest.mark.heavy

CLIENT, NAME = "127.0.5.10", "www.tiktok.com"
BAN = "/v1/authorities/ghent/bans/tiktok"


class Puller(Node):
    """A node that is a fork of a process with the program's imports, which starts sooner."""

    is_forked = True


class World:
    """A control plane and three nodes that pull from it. The last one can be made slow."""

    def __init__(self, api: Api, nodes: Sequence[Node]) -> None:
        self.api = api
        self.nodes = nodes
        self.fast, self.slow = nodes[:2], nodes[2]

    def request(self, method: str, path: str, value: object = None, **headers: str) -> Any:
        """Send a request as the administrator and return the answer."""
        headers["Authorization"] = f"Bearer {self.api.token()}"
        answer = httpx.request(method, f"{self.api.url}{path}", json=value, headers=headers, timeout=60)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def toggle(self, *options: str) -> subprocess.Popen[str]:
        """Start to switch the ban by command."""
        where = ("--api", self.api.url, "--token-file", str(self.api.state / "admin-token"), "--json")
        command = [program("dnsfilterctl"), "ban", "set", "ghent", "tiktok", *options, *where]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def rcodes(self, nodes: Sequence[Node]) -> list[str]:
        """Return what each node answers a client of Ghent, asked once."""
        return [node.dig(NAME, bind=CLIENT).rcode for node in nodes]

    def halt(self, sent: int) -> None:
        """Stop or continue the slow node's supervisor, which pulls and reports. Its worker answers."""
        assert self.slow.process is not None
        os.kill(self.slow.process.pid, sent)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, authority: Knot) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("waiting")
    with ExitStack() as stack:
        api = stack.enter_context(Api(directory / "api", EXAMPLE.read_text()))
        config = f'[control_plane]\nurl = "{api.url}"\ntoken = "token"\n'
        nodes = [
            Puller(directory / name, authority.hostport, policy=None, config=config) for name in ("one", "two", "three")
        ]
        made = World(api, nodes)
        for node in nodes:
            enrolment = made.request("POST", "/v1/nodes", {"name": node.directory.name})
            (node.directory / "token").write_text(enrolment["enrolment_token"])
            stack.enter_context(node)
        yield made
        made.halt(signal.SIGCONT)


def test_a_command_that_waits_returns_when_the_slowest_node_has_the_change(world: World) -> None:
    world.request("PATCH", BAN, {"mode": "enforce"})
    assert eventually(lambda: world.rcodes(world.nodes) == ["REFUSED"] * 3, every_s=0.2)
    world.halt(signal.SIGSTOP)
    command = world.toggle("--mode", "off", "--reason", "a test of three nodes", "--wait")
    try:
        assert eventually(lambda: world.rcodes(world.fast) == ["NOERROR"] * 2, every_s=0.2)
        revision = world.request("GET", "/v1/revisions?limit=1")["items"][0]["number"]
        reached = f"/v1/revisions/{revision}/nodes"
        assert eventually(lambda: world.request("GET", reached)["having"] == 2)
        assert (world.rcodes([world.slow]), command.poll()) == (["REFUSED"], None)
        world.halt(signal.SIGCONT)
        _, errors = command.communicate(timeout=60)
    finally:
        command.kill()
    assert world.rcodes(world.nodes) == ["NOERROR"] * 3
    assert command.returncode == 0, errors
    assert world.request("GET", reached)["lacking"] == 0


def test_a_request_that_waits_names_the_node_that_is_late_or_returns_when_it_has_the_change(world: World) -> None:
    world.request("PATCH", BAN, {"mode": "enforce"})
    before = world.request("GET", "/v1/revisions?limit=1")["items"][0]["number"]
    assert world.request("GET", f"/v1/revisions/{before}/nodes", Prefer="wait=10")["lacking"] == 0
    assert world.rcodes(world.nodes) == ["REFUSED"] * 3
    world.halt(signal.SIGSTOP)
    world.request("PATCH", BAN, {"mode": "monitor"})
    reached = f"/v1/revisions/{before + 1}/nodes"
    late = world.request("GET", f"{reached}?lacking=true", Prefer="wait=1")
    assert (late["lacking"], [node["name"] for node in late["items"]]) == (1, ["three"])
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(world.request, "GET", reached, Prefer="wait=30")
        assert world.rcodes(world.nodes) == ["NOERROR", "NOERROR", "REFUSED"]
        assert not waiting.done()
        world.halt(signal.SIGCONT)
        found = waiting.result(timeout=60)
    assert world.rcodes(world.nodes) == ["NOERROR"] * 3
    assert (found["having"], found["lacking"]) == (3, 0), json.dumps(found)
