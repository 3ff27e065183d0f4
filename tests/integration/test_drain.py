"""`dnsfilter drain` on a running node: withdrawn at once, answering until its end, and ended for good."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.knot import Knot
from tests.support.nodes import Node, eventually, program, status_of
from tests.support.steady_load import UNLIMITED, ConstantLoad

pytestmark = pytest.mark.heavy


def drain(node: Node, *options: str) -> "subprocess.Popen[str]":
    command = [program("dnsfilter"), "drain", "--config", str(node.config), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_drained_node_answers_everything_until_it_ends(tmp_path: Path, authority: Knot) -> None:
    with Node(tmp_path, authority.hostport, config=UNLIMITED) as node:
        with ConstantLoad(node.port, ["plain.example.org"], per_second=200, ports=4) as load:
            load.until_answered(100)
            assert node.process is not None
            node.process.send_signal(signal.SIGUSR2)
            assert eventually(lambda: node.logged("trial of the upgrade started"))
            command = drain(node, "--for", "3")
            assert eventually(lambda: status_of(node.ready_url()) == 503)
            assert node.process.poll() is None
            assert node.dig("plain.example.org").rcode == "NOERROR"
            load.until_answered(50)
        assert load.tally.lost == 0
        out, error = command.communicate(timeout=60)
        assert (command.returncode, error) == (0, "")
        assert "withdrawn" in out
        assert "has ended" in out
        # systemd does not restart a service that ends with 0 (Restart=on-failure).
        assert node.process.wait() == 0
        assert node.logged("drain started, node is not ready", "ends_in_s=3")
        assert not node.logged('event="upgrade started"')
    with node:
        assert node.dig("plain.example.org").rcode == "NOERROR"
