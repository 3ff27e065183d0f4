"""A fleet's story with real kdig over DNS over TLS: a phone at home, a new token, a lost phone, a forged address."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsfilter.cli.publishing import publish_policy_file
from dnsfilter.config.load import load_config
from dnsfilter.policy.fleets import default_number, fleet_prefix
from dnsfilter.policy.model import DEFAULT_SITE
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.integration.test_dns_over_tls import BANNED, UNREGISTERED, TlsNode
from tests.support.knot import Knot
from tests.support.namespaces import Namespace, NodeWithin
from tests.support.nodes import EXAMPLE, eventually, program
from tests.support.served_tls import NAME

OLD, NEW = "ghent-partly-staff-7f3kq2xa", "ghent-partly-staff-m4c2zt6e"
FLEET = """
[[fleet]]
authority = "ghent"
label = "phones of staff"
funding = "partly_public"
audience = "staff"
"""


class FleetNode(TlsNode):
    """A node that follows what is published in its store: the example policy with a fleet."""

    def __init__(self, directory: Path, upstream: str, engine: str) -> None:
        super().__init__(directory, upstream, engine=engine)
        self.policy = self.directory / "policy.toml"
        self.store = SnapshotStore(self.state / "snapshots")

    def command(self) -> list[str]:
        return [program("dnsfilter"), "serve", "--config", str(self.config)]

    def publish(self, *tokens: str) -> None:
        """Publish the example policy and a fleet with these tokens."""
        names = "".join(f'[[fleet.names]]\ntoken = "{token}"\n' for token in tokens)
        self.policy.write_text(f"{EXAMPLE.read_text()}{FLEET}{names}")
        publish_policy_file(self.policy, load_config(self.config), self.store, int(time.time()))

    def status(self, token: str, name: str, source: str = UNREGISTERED) -> str:
        """Return the status of an answer that comes by the token, or that there is none."""
        found = self.kdig(name, source=source, host=f"{token}.{NAME}")
        return next(iter(re.findall(r"status: (\w+)", found.stdout)), "no answer")


@pytest.fixture(scope="module", params=["compiled", "reference"])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Knot
) -> Iterator[FleetNode]:
    made = FleetNode(tmp_path_factory.mktemp("fleets") / "in", authority.hostport, request.param)
    made.publish(OLD)
    with made:
        yield made


def test_story_of_a_fleet(node: FleetNode) -> None:
    assert node.status(OLD, BANNED) == "REFUSED"
    assert node.status(OLD, "plain.example.org") == "NOERROR"
    assert node.status(OLD.upper(), "plain.example.org") == "NOERROR"
    assert node.status(NEW, "plain.example.org") == "no answer"
    node.publish(OLD, NEW)
    assert eventually(lambda: node.status(NEW, "plain.example.org") == "NOERROR")
    assert [node.status(token, BANNED) for token in (OLD, NEW)] == ["REFUSED", "REFUSED"]
    node.publish(NEW)
    assert eventually(lambda: node.status(OLD, "plain.example.org") == "no answer")
    assert node.status(NEW, "plain.example.org") == "NOERROR"
    assert not node.logged(OLD)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_forged_address_of_a_fleet_is_unregistered(tmp_path: Path, engine: str) -> None:
    forged = str(fleet_prefix(default_number(DEFAULT_SITE, "ghent", "phones of staff"))[9])
    with Namespace() as space:
        space.add_address(f"{forged}/128")
        policy = f'{EXAMPLE.read_text()}{FLEET}[[fleet.names]]\ntoken = "{OLD}"\n'
        node = NodeWithin(space, tmp_path / "node", "127.0.0.1:9", address="[::1]", policy=policy)
        node.environment = {**os.environ, "DNSFILTER_ENGINE": engine}
        with node:
            kdig = space.component("kdig")
            for transport in ("+notcp", "+tcp"):
                found = kdig.run("@::1", "-b", forged, transport, "+timeout=10", "+retry=0", BANNED)
                assert "EDE: 18" in found.stdout, found
