"""Workers that are forks of one process draw their own random numbers."""

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.support.engines import KINDS, query
from tests.support.nodes import Node, eventually
from tests.support.steady_load import UNLIMITED

WAIT_S = 30.0
QUESTIONS = 6


def ids_at(upstream: socket.socket, node: Node, prefix: str) -> list[bytes]:
    """Ask new names. Return the id of each question at the upstream."""
    found: dict[bytes, bytes] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for number in range(QUESTIONS):
            client.sendto(query(f"{prefix}{number}.example.org"), ("127.0.0.1", node.port))
    while len(found) < QUESTIONS:
        message = upstream.recv(4096)
        name = message[13:].lower()
        if name.startswith(prefix.encode()):
            found.setdefault(name[:2], message[:2])
    return [found[name] for name in sorted(found)]


@pytest.mark.parametrize("engine", KINDS)
def test_two_workers_of_a_node_draw_different_ids(tmp_path: Path, engine: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
        upstream.bind(("127.0.0.1", 0))
        upstream.settimeout(WAIT_S)
        node = Node(tmp_path, f"127.0.0.1:{upstream.getsockname()[1]}", config=UNLIMITED)
        node.environment = {**os.environ, "DNSFILTER_ENGINE": engine}
        node.is_forked = True
        with node:
            assert eventually(lambda: len(node.worker_pids()) == 2, WAIT_S)
            first = ids_at(upstream, node, "a")
            dead, standby = node.worker_pids()
            os.kill(dead, signal.SIGKILL)
            assert eventually(lambda: node.logged("worker covers for another", f"pid={standby}"), WAIT_S)
            second = ids_at(upstream, node, "b")
    assert sum(one == other for one, other in zip(first, second, strict=True)) <= QUESTIONS // 2
