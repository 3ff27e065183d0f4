"""Upgrade and drain of a real node while clients keep connections to DoT and DoH, also by a fleet's name."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import dns.rcode
import pytest

from tests.integration.test_dns_over_https import HttpsNode
from tests.integration.test_dns_over_tls import BANNED, GHENT, TOKEN, UNREGISTERED
from tests.integration.test_drain import drain
from tests.support.kept_connections import KeptConnection
from tests.support.knot import Knot
from tests.support.nodes import eventually, status_of
from tests.support.served_tls import NAME

pytestmark = pytest.mark.heavy


def clients(node: HttpsNode) -> Iterator[KeptConnection]:
    """Yield clients of an office and of a fleet. All of them are refused the banned name."""
    fleet = f"{TOKEN}.{NAME}"
    for source, host, path in ((GHENT, NAME, "/dns-query"), (UNREGISTERED, fleet, f"/dns-query/{TOKEN}")):
        yield KeptConnection(node.dot_port, source, node.certified.trusting(host), host, BANNED)
        yield KeptConnection(
            node.doh_port, source, node.certified.trusting(host, protocols=("h2",)), host, BANNED, path
        )


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_kept_connections_are_answered_and_closed_in_order(tmp_path: Path, authority: Knot, engine: str) -> None:
    with HttpsNode(tmp_path / "in", authority.hostport, workers=1, engine=engine) as node, ExitStack() as stack:
        asking = [stack.enter_context(client) for client in clients(node)]
        for client in asking:
            client.until_answered(20)
        workers, certificate = node.worker_pids(), node.serial()
        assert node.process is not None
        node.process.send_signal(signal.SIGUSR2)
        assert node.gets_other_workers(workers), node.log.read_text()
        assert eventually(lambda: {client.connections for client in asking} == {2}), [one.broken for one in asking]
        for client in asking:
            client.until_answered(20)
        assert node.serial() == certificate
        command = drain(node, "--for", "2")
        assert eventually(lambda: status_of(node.ready_url()) == 503)
        for client in asking:
            client.until_answered(20)
        command.communicate(timeout=60)
        assert command.returncode == 0
        assert node.process.wait() == 0
    for client in asking:
        assert (set(client.rcodes), client.broken, client.connections) == ({dns.rcode.REFUSED}, [], 2)
        # An end may cross a query, which the client then asks again.
        assert client.asked_again <= client.connections
