"""A worker process that waits for its orders."""

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
