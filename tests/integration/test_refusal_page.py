"""The refusal page as a process: what curl gets, and that it logs nothing about requests."""

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import time

import pytest

from dnsfilter.policy.model import Ban, Policy, Reply
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.support.nodes import Process, eventually, program
from tests.support.policies import ban, network, policy, service
from tests.support.ports import free_port

pytestmark = pytest.mark.heavy

BAN = ban(1, "ghent", "video", reply=Reply.ADDRESS, addresses=("127.0.0.1",), reference="CBS/2026/12")


def office(*acts: Ban) -> Policy:
    return policy(network("127.0.0.0/8", "ghent"), service("video", ["video.example"]), *acts)


class RefusalPage(Process):
    """`dnsfilter refusal-page` on loopback, for a store of snapshots that the test publishes to."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "refusal-page")
        self.port = free_port()
        self.config = directory / "dnsfilter.toml"
        self.config.write_text(
            'listen = ["127.0.0.1:5300"]\nstate_dir = "state"\n[upstream]\nservers = ["192.0.2.1"]\n'
        )
        self._store = SnapshotStore(directory / "state" / "snapshots")
        self._revision = 0
        self.publish(office(BAN))

    def publish(self, policy: Policy) -> None:
        self._revision += 1
        self._store.publish(compile_policy(replace(policy, revision=self._revision), int(time())))

    def command(self) -> list[str]:
        listen = f"127.0.0.1:{self.port}"
        return [program("dnsfilter"), "refusal-page", "--listen", listen, "--config", str(self.config)]

    def is_ready(self) -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", self.port)) == 0

    def curl(self, name: str, *options: str, port: int | None = None) -> str:
        """Return what curl prints: the answer with its headers."""
        port = port or self.port
        url, to = f"http://{name}:{port}/", f"{name}:{port}:127.0.0.1"
        command = ["curl", "--silent", "--show-error", "--include", "--max-time", "20", "--resolve", to, *options, url]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RefusalPage]:
    with RefusalPage(tmp_path_factory.mktemp("page")) as started:
        yield started


def test_curl_gets_the_page_and_a_toggle_reaches_it(page: RefusalPage) -> None:
    said = page.curl("www.video.example", "--header", "Accept-Language: fr")
    assert said.startswith("HTTP/1.1 451 ")
    assert "CBS/2026/12" in said
    assert '<html lang="fr">' in said
    page.publish(office())
    eventually(lambda: page.curl("www.video.example").startswith("HTTP/1.1 404 "))
    page.publish(office(BAN))
    eventually(lambda: page.curl("www.video.example").startswith("HTTP/1.1 451 "))


def test_a_request_leaves_no_trace_in_the_log(page: RefusalPage) -> None:
    assert page.curl("secret.video.example", "--header", f"X: {'x' * 9000}").startswith("HTTP/1.1 431 ")
    assert page.curl("secret.video.example", "--data", "x").startswith("HTTP/1.1 405 ")
    assert page.curl("secret.video.example").startswith("HTTP/1.1 451 ")
    log = page.log.read_text()
    for trace in ("secret", "video", "127.0.0.1"):
        assert trace not in log


def test_it_answers_on_a_socket_that_systemd_hands_over(page: RefusalPage) -> None:
    words = [program("dnsfilter"), "refusal-page", "--config", str(page.config)]
    handing = ["sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 3<&0', "sh", *words]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        started = subprocess.Popen(handing, stdin=listening.fileno(), stderr=subprocess.PIPE)
    try:
        assert page.curl("www.video.example", port=port).startswith("HTTP/1.1 451 ")
    finally:
        started.terminate()
        _, said = started.communicate(timeout=60)
    assert started.returncode == 0, said
