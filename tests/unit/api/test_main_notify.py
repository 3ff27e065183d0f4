"""The notifications that the process sends to systemd."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.support.ports import free_port

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.heavy


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Return the socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.settimeout(60)
        yield made


@contextmanager
def started(tmp_path: Path, port: int, **environ: str) -> Iterator[subprocess.Popen[str]]:
    options = ["--create", "--state-dir", str(tmp_path / "state"), "--metrics-listen", "127.0.0.1:0"]
    command = [sys.executable, "-m", "api.main", *options, "--listen", f"127.0.0.1:{port}"]
    own = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"} | environ
    with subprocess.Popen(
        command, cwd=ROOT, env=own, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as made:
        try:
            yield made
        finally:
            made.kill()


def test_it_is_ready_once_it_listens_and_has_published(tmp_path: Path, manager: socket.socket) -> None:
    port = free_port()
    with started(tmp_path, port, NOTIFY_SOCKET=str(tmp_path / "notify")) as process:
        message = manager.recv(1000).decode()
        # At this time, not later: systemd starts the resolver's unit next.
        assert SnapshotStore(tmp_path / "state" / "snapshots").current_revision() is not None
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        assert message == f"READY=1\nSTATUS=listening on http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        assert manager.recv(1000).decode().split("\n")[0] == "STOPPING=1"
        assert process.wait(20) == 0
