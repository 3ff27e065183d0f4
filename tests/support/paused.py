"""Processes that stand still for a time, and what a node loses meanwhile."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.nodes import Node

FLOOD = 1_000
LARGEST = bytes(60_000)
"""A datagram of which no receive buffer holds that many."""


@contextmanager
def paused(*pids: int) -> Iterator[None]:
    """Stop these processes, and let them continue at the end."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def flood(node: Node) -> None:
    """Send more than the node can hold while its workers do not read."""
    with paused(*node.worker_pids()), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for _ in range(FLOOD):
            client.sendto(LARGEST, ("127.0.0.1", node.port))
