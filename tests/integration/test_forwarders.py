"""Debian's dnsmasq and Unbound in front of a node, and name their clients: each gets the verdict of its own range."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.components import component, end
from tests.support.dig import DigResult, NoAnswer, dig
from tests.support.knot import Knot
from tests.support.nodes import Node, eventually
from tests.support.ports import free_port
from tests.support.unbound import CONFIG

pytestmark = pytest.mark.heavy

OFFICE, EMPTY, OPEN, UNREGISTERED = "127.0.5.10", "127.0.8.10", "127.0.25.10", "127.0.99.10"
"""Clients: of two authorities with a ban, whose replies are REFUSED and an empty answer; of one without; of none."""
FORWARDER = "127.0.98.1"
"""The address that the forwarder asks from. It is in no range."""
BANNED = "www.tiktok.com"
AUTHORITY = """\
[[authority]]
slug = "{slug}"
kind = "municipality"
names = {{ nl = "{slug}" }}
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@{slug}.example"
[[range]]
prefix = "{prefix}"
authority = "{slug}"
funding = "public"
audience = "staff"
"""
BAN = """\
[[ban]]
authority = "{slug}"
service = "tiktok"
mode = "enforce"
reply = "{reply}"
[[ban.term]]
start = "today"
for = "1 year"
"""
POLICY = "".join(
    (AUTHORITY + (BAN if reply else "")).format(slug=slug, prefix=prefix, reply=reply)
    for slug, prefix, reply in (
        ("ghent", "127.0.5.0/24", "refused"),
        ("diest", "127.0.8.0/24", "nodata"),
        ("mechelen", "127.0.25.0/24", ""),
    )
)
SUBNETS = f"""\
    module-config: "subnetcache iterator"
    outgoing-interface: {FORWARDER}
    send-client-subnet: 127.0.0.1
    client-subnet-always-forward: yes
    max-client-subnet-ipv4: 32
    max-client-subnet-ipv6: 128
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, authority: Knot) -> Iterator[Node]:
    config = f'[clients]\ntrusted_forwarders = ["{FORWARDER}"]\n'
    made = Node(tmp_path_factory.mktemp("node"), authority.hostport, policy=POLICY, config=config)
    made.is_forked = True
    with made as running:
        yield running


@contextmanager
def running(directory: Path, program: str, port: int, *arguments: str) -> Iterator[None]:
    """Run a forwarder until the end of the block."""
    found = component(program)
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([str(found.path), *arguments], env=found.env, stdout=log, stderr=log)

    def answers() -> bool:
        try:
            return ask(port, "health.dnsfilter.internal", OPEN).rcode == "NOERROR"
        except NoAnswer:
            return False

    try:
        assert eventually(answers, every_s=0.2), (directory / "log").read_text()
        yield
    finally:
        end(process)


@pytest.fixture(scope="module", params=["dnsmasq", "unbound"])
def forwarder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, node: Node) -> Iterator[int]:
    """Run a forwarder that names its clients. Yield its port."""
    port, directory = free_port(), tmp_path_factory.mktemp("forwarder")
    with running(directory, request.param, port, *_arguments(request.param, directory, port, node)):
        yield port


def _arguments(program: str, directory: Path, port: int, node: Node) -> Sequence[str]:
    if program == "dnsmasq":
        return (
            *("--no-daemon", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--bind-interfaces"),
            *("--listen-address=127.0.0.1", f"--port={port}", "--add-subnet=32,128"),
            f"--server=127.0.0.1#{node.port}@{FORWARDER}",
        )
    text = CONFIG.format(port=port, directory=directory, upstream=f"127.0.0.1@{node.port}", extra=SUBNETS)
    (directory / "unbound.conf").write_text(text)
    return "-d", "-p", "-c", str(directory / "unbound.conf")


def ask(port: int, name: str, client: str, *extra: str, qtype: str = "A") -> DigResult:
    return dig(name, qtype, server="127.0.0.1", port=port, bind=client, extra=extra)


@pytest.mark.parametrize("extra", [(), ("+tcp",)], ids=["udp", "tcp"])
def test_each_client_behind_a_forwarder_gets_its_own_verdict(forwarder: int, extra: tuple[str, ...]) -> None:
    """The forwarder's cache shares no answer between clients of two ranges, in any order."""
    for client in (OPEN, EMPTY, OPEN, EMPTY):
        found = ask(forwarder, BANNED, client, *extra)
        assert (found.rcode, found.rdata("A")) == ("NOERROR", ["192.0.2.100"] if client == OPEN else [])


def test_the_probe_shows_the_range_of_the_client(forwarder: int) -> None:
    for client, expected in ((EMPTY, "127.0.8.0/24"), (OPEN, "127.0.25.0/24"), (EMPTY, "127.0.8.0/24")):
        found = ask(forwarder, "probe.dnsfilter.internal", client, qtype="TXT").rdata("TXT")
        assert any(f"range={expected}" in text for text in found), found


@pytest.mark.parametrize("forwarder", ["dnsmasq"], indirect=True)
def test_dnsmasq_passes_on_a_refusal_to_its_client_alone(forwarder: int) -> None:
    """Unbound makes SERVFAIL of REFUSED, and gives that to all clients for five seconds."""
    for client, rcode in ((OFFICE, "REFUSED"), (OPEN, "NOERROR"), (UNREGISTERED, "REFUSED"), (OPEN, "NOERROR")):
        assert ask(forwarder, BANNED, client).rcode == rcode
