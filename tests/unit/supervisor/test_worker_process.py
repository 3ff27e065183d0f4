"""A worker process that waits for its orders."""

import os
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from dnsfilter.config.load import load_config
from dnsfilter.config.node_config import Endpoint
from dnsfilter.engine.choice import EngineKind
from dnsfilter.supervisor.sockets import Listening, open_listening
from dnsfilter.supervisor.worker_process import Orders, Sealed, Standby
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.worker import channel
from dnsfilter.worker.channel import Setup
from dnsfilter.worker.sealed import seal
from dnsfilter.worker.start_config import pack_config


@pytest.fixture
def listening() -> Iterator[Listening]:
    made = open_listening([Endpoint(ip_address("127.0.0.1"), 0)])
    yield made
    made.close()


def test_standby_without_orders_ends_silently_with_its_channel(
    listening: Listening, capfd: pytest.CaptureFixture[str]
) -> None:
    standby = Standby.start(listening, EngineKind.REFERENCE)
    standby.sock.close()
    assert standby.process.wait(30) == 1
    assert capfd.readouterr().err == ""


def test_standby_ends_and_logs_an_unknown_message(listening: Listening, capfd: pytest.CaptureFixture[str]) -> None:
    standby = Standby.start(listening, EngineKind.REFERENCE)
    standby.sock.send(b"garbage")
    assert standby.process.wait(30) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "unknown message from supervisor" in line
    standby.sock.close()


def test_orders_to_an_ended_standby_fail(listening: Listening, tmp_path: Path) -> None:
    path = tmp_path / "dnsfilter.toml"
    path.write_text('[upstream]\nservers = ["192.0.2.1"]\n')
    standby = Standby.start(listening, EngineKind.REFERENCE)
    standby.process.kill()
    standby.process.wait(30)
    block = CounterBlock.create(tmp_path / "block", 1)
    orders = Orders(1, load_config(path), listening, EngineKind.REFERENCE, ("192.0.2.1",))
    with pytest.raises(OSError, match=r"pipe|reset"):
        standby.order(orders, block, Sealed(1, 0, ()))
    assert standby.sock.fileno() == -1
    block.close()


@pytest.mark.parametrize(
    ("counters", "status"), [("missing", os.EX_OSERR), ("block", 1)], ids=["refused by the system", "other exception"]
)
def test_a_worker_says_by_its_status_that_the_system_refused_it_something(
    listening: Listening, tmp_path: Path, counters: str, status: int
) -> None:
    path = tmp_path / "dnsfilter.toml"
    path.write_text('[upstream]\nservers = ["192.0.2.1"]\n')
    block = CounterBlock.create(tmp_path / "block", 1)
    standby = Standby.start(listening, EngineKind.REFERENCE)
    descriptors = [seal("dnsfilter-config", pack_config(load_config(path), ())), *(seal("x", b"?") for _ in range(4))]
    channel.send(standby.sock, Setup(str(tmp_path / counters), 0, ""), descriptors)
    assert standby.process.wait(30) == status
    standby.sock.close()
    block.close()
    for descriptor in descriptors:
        os.close(descriptor)
