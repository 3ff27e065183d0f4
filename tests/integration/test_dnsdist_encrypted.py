"""dnsdist takes encrypted DNS for a node, with the configuration in deploy/dnsdist: fleets by name and by path."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_dnsdist import PROXY, answers, configured
from tests.integration.test_fleets import NEW, OLD, FleetNode
from tests.support.components import PROJECT, component, end
from tests.support.dig import NoAnswer, dig
from tests.support.knot import Knot
from tests.support.nodes import eventually
from tests.support.ports import free_port
from tests.support.served_tls import NAME

pytestmark = pytest.mark.heavy

ENCRYPTED = PROJECT / "deploy/dnsdist/encrypted.conf"
BANNED, PLAIN = "www.tiktok.com", "plain.example.org"
OFFICE, WIFI, OUTSIDE = "127.0.5.10", "127.0.25.10", "127.0.99.10"


class NodeBehind(FleetNode):
    """A node that knows its name, but has no certificate and no listener for encrypted DNS."""

    def table(self) -> str:
        return f'[encrypted]\nname = "{NAME}"\n[clients]\ntrusted_proxies = ["{PROXY}"]\n'


class Front:
    """Ports of dnsdist in front of a node, and the node."""

    def __init__(self, directory: Path, node: FleetNode) -> None:
        self.node = node
        self.port, self.dot_port, self.doh_port = free_port(), free_port(), free_port()
        text = ENCRYPTED.read_text()
        for old, new in (
            ("192.0.2.60:853", f"127.0.0.1:{self.dot_port}"),
            ("192.0.2.60:443", f"127.0.0.1:{self.doh_port}"),
            ('{ "192.0.2.0/24", "2001:db8::/32" }', '{ "127.0.0.0/19" }'),
            ("/etc/dnsdist/tls/chain.pem", str(node.certified.certificate)),
            ("/etc/dnsdist/tls/key.pem", str(node.certified.key)),
            ("dns.example.org", NAME),
        ):
            assert old in text
            text = text.replace(old, new)
        (directory / "encrypted.conf").write_text(text)
        self.config = configured(directory, self.port, node)
        before = '-- dofile("/etc/dnsdist/encrypted.conf")'
        assert before in self.config.read_text()
        after = f'dofile("{directory / "encrypted.conf"}")'
        self.config.write_text(self.config.read_text().replace(before, after))

    def status(self, name: str, *options: str, port: int, source: str = OUTSIDE, host: str = NAME) -> str:
        """Return the status of the answer to kdig, or that there is none."""
        trust = (f"+tls-ca={self.node.certified.authority.ca}", f"+tls-hostname={NAME}", f"+tls-sni={host}")
        target = ("@127.0.0.1", "-p", str(port), "-b", source)
        found = component("kdig").run(*target, *trust, "+timeout=3", "+retry=0", *options, name)
        return next(iter(re.findall(r"status: (\w+); id", found.stdout)), "no answer")

    def by_tls(self, name: str, source: str = OUTSIDE, host: str = NAME) -> str:
        return self.status(name, "+tls", port=self.dot_port, source=source, host=host)

    def by_path(self, name: str, path: str, source: str = OUTSIDE) -> str:
        return self.status(name, f"+https={path}", port=self.doh_port, source=source)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, authority: Knot) -> Iterator[Front]:
    """Run dnsdist in front of a node with a fleet."""
    directory, program = tmp_path_factory.mktemp("dnsdist"), component("dnsdist")
    node = NodeBehind(directory / "node", authority.hostport, "compiled")
    node.publish(OLD)
    made = Front(directory, node)
    with node, (directory / "log").open("wb") as log:
        command = [str(program.path), "--supervised", "--disable-syslog", "-C", str(made.config)]
        process = subprocess.Popen(command, env=program.env, stdout=log, stderr=log)
        try:
            assert eventually(lambda: answers(made.port), every_s=0.2), (directory / "log").read_text()
            yield made
        finally:
            end(process)


def test_address_of_a_client_that_comes_by_the_nodes_name_decides(front: Front) -> None:
    for ask in (front.by_tls, lambda name, source: front.by_path(name, "/dns-query", source)):
        assert [ask(BANNED, OFFICE), ask(BANNED, WIFI)] == ["REFUSED", "NOERROR"]
        assert ask(PLAIN, OUTSIDE) == "REFUSED"
    assert front.by_tls(PLAIN, OFFICE, "other.example.org") == "no answer"


def test_only_offices_ask_in_clear_text(front: Front) -> None:
    assert dig(PLAIN, port=front.port, bind=OFFICE).rcode == "NOERROR"
    with pytest.raises(NoAnswer):
        dig(PLAIN, port=front.port, bind=OUTSIDE, timeout_s=1)


def test_story_of_a_fleet_behind_dnsdist(front: Front) -> None:
    def found(token: str, name: str) -> list[str]:
        return [front.by_tls(name, host=f"{token}.{NAME}"), front.by_path(name, f"/dns-query/{token}")]

    assert found(OLD, BANNED) == ["REFUSED"] * 2
    assert found(OLD, PLAIN) == ["NOERROR"] * 2
    assert "NOERROR" not in found(NEW, PLAIN)
    front.node.publish(NEW)
    assert eventually(lambda: found(NEW, PLAIN) == ["NOERROR"] * 2)
    assert "NOERROR" not in found(OLD, PLAIN)
