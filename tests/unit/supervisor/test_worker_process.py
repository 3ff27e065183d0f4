"""Worker processes that wait for their orders."""

import os
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from dnsfilter.config.load import load_config
from dnsfilter.config.node_config import Endpoint
from dnsfilter.engine.choice import EngineKind
from dnsfilter.engine.server_cookies import SECRET_BYTES
from dnsfilter.supervisor.sockets import Listening, open_listening
from dnsfilter.supervisor.worker_process import Orders, Sealed, WorkerProcess
from dnsfilter.supervisor.worker_starts import ChildProcess, WorkerStarts
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.worker import channel
from dnsfilter.worker.channel import Setup
from dnsfilter.worker.sealed import seal
from dnsfilter.worker.start_config import pack_config
from tests.support.nodes import eventually

pytestmark = pytest.mark.heavy

CONFIG = '[upstream]\nservers = ["192.0.2.1"]\n'


@pytest.fixture
def starts() -> Iterator[WorkerStarts]:
    made = WorkerStarts()
    yield made
    made.close()


def status_of(process: ChildProcess) -> int | None:
    """Wait for the end of a worker. Return its status."""
    eventually(lambda: process.poll() is not None)
    return process.returncode


def test_a_worker_without_orders_ends_silently_with_its_channel(
    starts: WorkerStarts, capfd: pytest.CaptureFixture[str]
) -> None:
    process, sock = starts.start(EngineKind.REFERENCE)
    sock.close()
    assert status_of(process) == 1
    assert capfd.readouterr().err == ""


def test_a_worker_ends_and_logs_an_unknown_message(starts: WorkerStarts, capfd: pytest.CaptureFixture[str]) -> None:
    process, sock = starts.start(EngineKind.REFERENCE)
    sock.send(b"garbage")
    assert status_of(process) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "unknown message from supervisor" in line
    sock.close()


def test_orders_to_an_ended_worker_fail(starts: WorkerStarts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dnsfilter.toml"
    path.write_text(CONFIG)
    process, sock = starts.start(EngineKind.REFERENCE)
    process.kill()
    process.wait()
    monkeypatch.setattr(starts, "start", lambda _: (process, sock))
    block = CounterBlock.create(tmp_path / "block", 1)
    listening: Listening = open_listening([Endpoint(ip_address("127.0.0.1"), 0)])
    orders = Orders(1, load_config(path), listening, EngineKind.REFERENCE, ("192.0.2.1",))
    with pytest.raises(OSError, match=r"pipe|reset"):
        WorkerProcess.start(orders, 0, block, Sealed(1, 0, ()), lambda: 0.0, starts)
    assert sock.fileno() == -1
    listening.close()
    block.close()


@pytest.mark.parametrize(
    ("counters", "status"), [("missing", os.EX_OSERR), ("block", 1)], ids=["refused by the system", "other exception"]
)
def test_a_worker_says_by_its_status_that_the_system_refused_it_something(
    starts: WorkerStarts, tmp_path: Path, counters: str, status: int
) -> None:
    path = tmp_path / "dnsfilter.toml"
    path.write_text(CONFIG)
    block = CounterBlock.create(tmp_path / "block", 1)
    process, sock = starts.start(EngineKind.REFERENCE)
    descriptors = [seal("dnsfilter-config", pack_config(load_config(path), ())), *(seal("x", b"?") for _ in range(4))]
    channel.send(sock, Setup(str(tmp_path / counters), 0, bytes(SECRET_BYTES), ""), descriptors)
    assert status_of(process) == status
    sock.close()
    block.close()
    for descriptor in descriptors:
        os.close(descriptor)
