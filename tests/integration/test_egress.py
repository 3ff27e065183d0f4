"""Resolved-only egress on a gateway, in namespaces: which addresses clients reach that this node did not answer."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.clients import BAN, OPEN_POLICY
from tests.support.components import component
from tests.support.firewalls import GATEWAY, PUBLIC, Networks, networks, reaches
from tests.support.namespaces import KnotWithin, Namespace, NodeWithin
from tests.support.nodes import Process, eventually, program

pytestmark = pytest.mark.heavy

UDP, TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM
ANSWERED, FIXED, ADMITTED, REFUSED, HINTED, BRIEF = (f"203.0.113.{n}" for n in (60, 61, 62, 63, 64, 65))
ANSWERED6, FIXED6 = "2001:db8:f::60", "2001:db8:f::61"
UPSTREAM = "203.0.113.2"
SOA = "@ 300 SOA ns hostmaster 1 3600 600 86400 60\n@ 300 NS ns\nns 300 A 203.0.113.2\n"
ZONES = {
    "example.org": f"""$ORIGIN example.org.
{SOA}www 300 A {ANSWERED}
www 300 AAAA {ANSWERED6}
alias 300 CNAME brief
brief 1 A {BRIEF}
hints 300 HTTPS 1 . ipv4hint={HINTED}
""",
    "tiktok.com": f"$ORIGIN tiktok.com.\n{SOA}www 300 A {REFUSED}\n",
}
USER = 'user = "root"'
"""The only user of a namespace."""
SETTINGS = f"""
[egress]
mode = "MODE"
grace = "2 s"
admit = ["{ADMITTED}/32"]
[[egress.network]]
name = "office"
prefixes = ["10.1.0.0/24", "2001:db8:1::/64"]
"""
POLICY = OPEN_POLICY.replace("127.0.0.0/8", "10.1.0.0/24") + BAN.format("tiktok", "")


class Egress(Process):
    """`dnsfilter firewall --egress` on the gateway, for a node that runs there."""

    def __init__(self, space: Namespace, config: Path) -> None:
        super().__init__(config.parent, "egress")
        self._space, self._config = space, config
        self.environment = {**os.environ, "LD_LIBRARY_PATH": component("nft").env.get("LD_LIBRARY_PATH", "")}

    def command(self) -> list[str]:
        return self._space.command(program("dnsfilter"), "firewall", "--egress", "--config", str(self._config))

    def is_ready(self) -> bool:
        return "egress rules applied" in self.log.read_text()

    def status(self) -> list[dict[str, object]]:
        command = (program("dnsfilter"), "firewall", "--egress-status", "--json", "--config", str(self._config))
        done = self._space.run(*command, env=self.environment)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, object]] = json.loads(done.stdout)
        return found


@dataclass(frozen=True, slots=True)
class Office:
    net: Networks
    node: NodeWithin
    egress: Egress

    def asks(self, name: str, qtype: str = "A", server: str = GATEWAY[0]) -> str:
        dig = self.net.banned.component("dig").run("+short", "+tries=1", f"@{server}", name, qtype)
        assert dig.returncode == 0, dig.stdout
        return dig.stdout

    def reaches(self, address: str, port: int = 443, kind: int = TCP) -> bool:
        """Return whether a packet from the office arrives, and is not dropped."""
        try:
            return reaches(self.net.banned, self.net.world, address, port, kind)
        except AssertionError:
            return False


@contextmanager
def office(net: Networks, directory: Path, mode: str, engine: str = "compiled") -> Iterator[Office]:
    """Run a node and its firewall on the gateway, in front of a real authoritative server in the world."""
    settings = SETTINGS.replace("MODE", mode)
    server = f"{UPSTREAM}:5353"
    node = NodeWithin(net.gateway, directory, server, policy=POLICY, address=GATEWAY[0], config=settings, top=USER)
    node.environment = {**os.environ, "DNSFILTER_ENGINE": engine}
    egress = Egress(net.gateway, node.config)
    with KnotWithin(net.world, ZONES, address=UPSTREAM, port=5353), egress, node:
        yield Office(net, node, egress)


@pytest.fixture(scope="module")
def net() -> Iterator[Networks]:
    with networks() as made:
        every = (ANSWERED, FIXED, ADMITTED, REFUSED, HINTED, BRIEF)
        made.world.add_address(*(f"{each}/32" for each in every), *(f"{each}/128" for each in (ANSWERED6, FIXED6)))
        for address in (ANSWERED6, FIXED6):
            made.gateway.ip("route", "add", f"{address}/128", "via", "2001:db8:f::2")
        yield made


@pytest.fixture(params=["compiled", "reference"])
def enforced(request: pytest.FixtureRequest, net: Networks, tmp_path: Path) -> Iterator[Office]:
    with office(net, tmp_path, "enforce", request.param) as made:
        yield made


def test_only_an_answered_address_is_open(enforced: Office) -> None:
    assert not enforced.reaches(ANSWERED)
    assert enforced.asks("www.example.org") == f"{ANSWERED}\n"
    assert eventually(lambda: enforced.reaches(ANSWERED))
    assert enforced.reaches(ANSWERED, 443, UDP)
    assert not enforced.reaches(FIXED)
    assert not enforced.reaches(ANSWERED6)
    assert enforced.asks("www.example.org", "AAAA") == f"{ANSWERED6}\n"
    assert eventually(lambda: enforced.reaches(ANSWERED6))
    assert not enforced.reaches(FIXED6)


def test_a_hint_and_an_exception_are_open(enforced: Office) -> None:
    assert enforced.reaches(ADMITTED)
    assert HINTED in enforced.asks("hints.example.org", "HTTPS")
    assert eventually(lambda: enforced.reaches(HINTED))


def test_the_address_of_a_refused_name_and_other_resolvers_are_closed(enforced: Office) -> None:
    assert enforced.asks("www.tiktok.com") == ""
    assert not enforced.reaches(REFUSED)
    for port, kind in ((443, TCP), (443, UDP), (853, TCP), (53, UDP)):
        assert not enforced.reaches(PUBLIC, port, kind)


def test_an_address_closes_after_ttl_and_grace_but_a_connection_goes_on(enforced: Office) -> None:
    assert BRIEF in enforced.asks("alias.example.org", server=GATEWAY[0])
    with enforced.net.world.socket(socket.AF_INET, TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((BRIEF, 8443))
        listening.listen()
        with enforced.net.banned.socket(socket.AF_INET, TCP) as client:
            client.connect((BRIEF, 8443))
            server, _ = listening.accept()
            with server:
                assert eventually(lambda: not enforced.reaches(BRIEF))
                client.sendall(b"still")
                server.settimeout(5)
                assert server.recv(5) == b"still"


def test_a_restart_keeps_open_addresses_and_a_stop_opens_everything(net: Networks, tmp_path: Path) -> None:
    with office(net, tmp_path, "enforce") as made:
        made.asks("www.example.org")
        assert eventually(lambda: made.reaches(ANSWERED))
        assert made.egress.stop(signal.SIGHUP) == 0
        assert made.reaches(ANSWERED)
        assert not made.reaches(FIXED)
        made.asks("hints.example.org", "HTTPS")
        assert eventually(lambda: made.node.logged("nobody takes answered addresses"))
        made.egress.log.write_text("")
        made.egress.start()
        assert made.reaches(ANSWERED)
        assert made.egress.stop() == 0
        assert made.reaches(FIXED)


def test_a_table_that_another_program_removed_is_restored(net: Networks, tmp_path: Path) -> None:
    with office(net, tmp_path, "enforce") as made:
        made.asks("www.example.org")
        assert eventually(lambda: made.reaches(ANSWERED))
        assert net.gateway.component("nft").run("flush", "ruleset").returncode == 0
        assert eventually(lambda: not made.reaches(FIXED))
        assert made.reaches(ANSWERED)


def test_audit_counts_and_drops_nothing(net: Networks, tmp_path: Path) -> None:
    with office(net, tmp_path, "audit") as made:
        assert made.asks("www.example.org") == f"{ANSWERED}\n"
        assert eventually(lambda: made.egress.status()[0]["addresses"] != [])
        assert made.reaches(ANSWERED)
        (state,) = made.egress.status()
        assert (state["network"], state["packets"]) == ("office", 0)
        assert made.reaches(FIXED)
        assert made.reaches(FIXED6)
        (state,) = made.egress.status()
        assert state["packets"] == 2
        assert made.reaches(PUBLIC)
