"""Debian's dnsdist in front of a node, with the configuration in deploy/dnsdist: ranges hold for its clients."""

import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.components import PROJECT, component, end
from tests.support.dig import NoAnswer, dig
from tests.support.knot import Knot
from tests.support.nodes import Node, eventually
from tests.support.ports import free_port

pytestmark = pytest.mark.heavy

CONFIG = PROJECT / "deploy/dnsdist/dnsdist.conf"
OFFICE, WIFI, UNREGISTERED = "127.0.5.10", "127.0.25.10", "127.0.99.10"
PROXY = "127.0.98.1"
"""The address that dnsdist asks from. It is in no range."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, authority: Knot) -> Iterator[Node]:
    config = f'[clients]\ntrusted_proxies = ["{PROXY}"]\n'
    made = Node(tmp_path_factory.mktemp("node"), authority.hostport, config=config)
    made.is_forked = True
    with made as running:
        yield running


def configured(directory: Path, port: int, node: Node) -> Path:
    """Write the deployed configuration with addresses of loopback, and with one node."""
    text = CONFIG.read_text()
    for old, new in (
        ("192.0.2.60:53", f"127.0.0.1:{port}"),
        ('{"192.0.2.0/24", "2001:db8::/32"}', '{"127.0.0.0/8"}'),
        ("192.0.2.53:53", f"127.0.0.1:{node.port}"),
        ('node("192.0.2.54:53", "node-2")\n', ""),
        ('-- controlSocket("127.0.0.1:5199")', f'controlSocket("127.0.0.1:{free_port()}")'),
        ('-- setKey("")', f'setKey("{b64encode(bytes(32)).decode()}")'),
        ("useProxyProtocol=true,", f'useProxyProtocol=true, source="{PROXY}",'),
    ):
        assert old in text
        text = text.replace(old, new)
    path = directory / "dnsdist.conf"
    path.write_text(text)
    return path


def answers(port: int) -> bool:
    try:
        return dig("health.dnsfilter.internal", server="127.0.0.1", port=port, bind=OFFICE).rcode == "NOERROR"
    except NoAnswer:
        return False


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, node: Node) -> tuple[Path, int]:
    """Write the configuration of dnsdist. Return its path and the port of clients."""
    port = free_port()
    return configured(tmp_path_factory.mktemp("dnsdist"), port, node), port


@pytest.fixture(scope="module")
def front(config: tuple[Path, int]) -> Iterator[int]:
    """Run dnsdist in front of the node. Yield its port."""
    path, port = config
    directory, program = path.parent, component("dnsdist")
    command = [str(program.path), "--supervised", "--disable-syslog", "-C", str(path)]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, env=program.env, stdout=log, stderr=log)

    try:
        assert eventually(lambda: answers(port), every_s=0.2), (directory / "log").read_text()
        yield port
    finally:
        end(process)


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_range_of_the_client_behind_dnsdist_decides(front: int, node: Node, transport: str) -> None:
    def rcode(client: str, name: str = "www.tiktok.com") -> str:
        return dig(name, server="127.0.0.1", port=front, bind=client, extra=[transport]).rcode

    for _ in range(2):  # over TCP, also with connections that dnsdist keeps open
        assert rcode(OFFICE) == "REFUSED"
        assert rcode(WIFI) == "NOERROR"
        assert rcode(UNREGISTERED, "plain.example.org") == "REFUSED"
        assert rcode(OFFICE, "plain.example.org") == "NOERROR"


def test_node_answers_a_trusted_proxy_only_behind_a_header(front: int, node: Node) -> None:
    with pytest.raises(NoAnswer):
        node.dig("plain.example.org", bind=PROXY, extra=["+time=1", "+tries=1"])
    dropped = node.metrics()['dnsfilter_queries_total{outcome="dropped",transport="udp"}']
    assert dropped >= 1
    assert node.dig("www.tiktok.com", bind=OFFICE).rcode == "REFUSED"


def test_console_takes_the_node_out_and_back(front: int, config: tuple[Path, int]) -> None:
    def order(command: str) -> None:
        done = component("dnsdist").run("-C", str(config[0]), "-e", f"getServer(0):{command}()")
        assert done.stdout.strip() == "", done.stdout

    assert answers(front)
    order("setDown")
    try:
        with pytest.raises(NoAnswer):
            dig("health.dnsfilter.internal", port=front, bind=OFFICE, timeout_s=1)
    finally:
        order("setAuto")
    assert eventually(lambda: answers(front), every_s=0.2)


def test_deployed_configuration_is_valid() -> None:
    checked = component("dnsdist").run("--check-config", "-C", str(CONFIG))
    assert checked.returncode == 0, checked.stderr
