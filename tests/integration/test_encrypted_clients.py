"""Clients that ask a real node by DNS over TLS for a complete office: Unbound."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_dns_over_tls import BANNED, GHENT, MECHELEN, TlsNode
from tests.support.components import component
from tests.support.dig import NoAnswer, dig
from tests.support.knot import Knot
from tests.support.nodes import Process
from tests.support.ports import free_port
from tests.support.served_tls import NAME


@pytest.fixture(scope="module", params=["compiled", "reference"])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Knot
) -> Iterator[TlsNode]:
    """Run a node with each engine."""
    with TlsNode(tmp_path_factory.mktemp("clients") / "in", authority.hostport, engine=request.param) as made:
        yield made


class Unbound(Process):
    """Unbound, which forwards to the node by TLS only, and checks its certificate for NAME or another host name."""

    def __init__(self, directory: Path, node: TlsNode, source: str = GHENT, host: str = NAME) -> None:
        super().__init__(directory, "unbound")
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._program = component("unbound")
        self.environment = dict(self._program.env)
        (directory / "unbound.conf").write_text(f"""\
server:
interface: 127.0.0.1@{self.port}
outgoing-interface: {source}
directory: "{directory}"
username: ""
chroot: ""
pidfile: ""
use-syslog: no
do-not-query-localhost: no
do-ip6: no
module-config: "iterator"
tls-cert-bundle: "{node.certified.authority.ca}"
remote-control:
control-enable: no
forward-zone:
name: "."
forward-tls-upstream: yes
forward-addr: 127.0.0.1@{node.dot_port}#{host}
""")

    def command(self) -> list[str]:
        return [str(self._program.path), "-d", "-c", str(self.directory / "unbound.conf")]

    def is_ready(self) -> bool:
        try:
            dig("localhost", port=self.port)
        except NoAnswer:
            return False
        return True

    def rcode(self, name: str) -> str:
        return dig(name, port=self.port).rcode


@pytest.mark.parametrize(("source", "rcode"), [(GHENT, "SERVFAIL"), (MECHELEN, "NOERROR")])
def test_unbound_resolves_by_the_node_as_its_range(node: TlsNode, tmp_path: Path, source: str, rcode: str) -> None:
    # It asks again after a refusal, and then answers SERVFAIL.
    before = node.dot_queries()
    with Unbound(tmp_path / "unbound", node, source) as client:
        assert client.rcode("plain.example.org") == "NOERROR"
        assert client.rcode(BANNED) == rcode
    assert node.dot_queries() >= before + 2


def test_unbound_asks_no_node_with_another_name(node: TlsNode, tmp_path: Path) -> None:
    before = node.dot_queries()
    with Unbound(tmp_path / "unbound", node, host="other.example.org") as client:
        assert client.rcode("plain.example.org") == "SERVFAIL"
    assert node.dot_queries() == before
