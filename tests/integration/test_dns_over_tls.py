"""DNS over TLS of a real node, with kdig and stubby: policy, certificates, reloads, and a worker that dies."""

import os
import re
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from subprocess import CompletedProcess

import dns.message
import pytest
from cryptography.x509 import load_der_x509_certificate

from tests.support.certificates import DAY
from tests.support.components import component
from tests.support.dig import NoAnswer, dig
from tests.support.engines import PATIENCE_S, query
from tests.support.knot import Knot
from tests.support.nodes import EXAMPLE, Node, Process, eventually
from tests.support.ports import free_port
from tests.support.served_tls import NAME, UNNAMED, Certified

GHENT, MECHELEN, UNREGISTERED = "127.0.5.10", "127.0.22.10", "127.0.99.10"
BANNED = "www.tiktok.com"
TOKEN = "gnt-public-staff-abcdefgh"
FLEET = f"""
[[fleet]]
authority = "ghent"
label = "phones"
funding = "public"
audience = "staff"
names = [{{ token = "{TOKEN}" }}]
"""
AROUND = """
[[range]]
prefix = "::/0"
authority = "mechelen"
label = "contains the block of fleets"
funding = "public"
audience = "staff"
"""
POLICY = EXAMPLE.read_text() + FLEET + AROUND


class TlsNode(Node):
    """A node with a certificate for NAME that serves DNS over TLS."""

    def __init__(self, directory: Path, upstream: str, *, workers: int = 2, engine: str = "compiled") -> None:
        directory.mkdir(parents=True)
        self.certified = Certified(directory)
        self.dot_port = free_port()
        super().__init__(directory / "node", upstream, policy=POLICY, config=self.table(), workers=workers)
        self.environment = {**os.environ, "DNSFILTER_ENGINE": engine}

    def table(self) -> str:
        files = f'certificate = "{self.certified.certificate}"\nkey = "{self.certified.key}"\n'
        return f'[encrypted]\nname = "{NAME}"\n{files}dot_listen = ["127.0.0.1:{self.dot_port}"]\n'

    def kdig(self, name: str, *options: str, source: str = GHENT, host: str = NAME) -> CompletedProcess[str]:
        """Ask strictly: kdig checks the certificate for `host`."""
        trust = (f"+tls-ca={self.certified.authority.ca}", f"+tls-hostname={host}")
        target = ("@127.0.0.1", "-p", str(self.dot_port), "-b", source)
        return component("kdig").run(*target, *trust, "+timeout=10", "+retry=0", *options, name)

    def connect(self, source: str = GHENT) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.dot_port), PATIENCE_S, (source, 0))
        return self.certified.trusting().wrap_socket(plain, server_hostname=NAME)

    def certify(self, lasting: timedelta, name: str = NAME) -> None:
        """Have the node use another certificate, and wait until both workers do."""
        serial = self.certified.authority.issue(
            self.certified.certificate, self.certified.key, lasting=lasting, name=name
        )
        self.reload()
        assert eventually(lambda: {self.serial() for _ in range(8)} == {serial})

    def reload(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def serial(self) -> int:
        """Return the serial number of the certificate of a new connection."""
        plain = socket.create_connection(("127.0.0.1", self.dot_port), PATIENCE_S)
        with closing(self.certified.trusting(UNNAMED).wrap_socket(plain)) as stream:
            found = stream.getpeercert(binary_form=True)
        assert found is not None
        return load_der_x509_certificate(found).serial_number

    def dot_queries(self) -> float:
        return sum(count for name, count in self.metrics().items() if 'transport="dot"' in name and "queries" in name)


def ask(stream: ssl.SSLSocket, name: str = BANNED) -> dns.message.Message:
    message = query(name)
    stream.sendall(len(message).to_bytes(2, "big") + message)
    size = int.from_bytes(exactly(stream, 2), "big")
    return dns.message.from_wire(exactly(stream, size))


def exactly(stream: ssl.SSLSocket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = stream.recv(size - len(found))
        assert more, "the connection has ended"
        found += more
    return found


@pytest.fixture(scope="module", params=["compiled", "reference"])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Knot
) -> Iterator[TlsNode]:
    """Run a node with each engine."""
    with TlsNode(tmp_path_factory.mktemp("tls") / "in", authority.hostport, engine=request.param) as made:
        yield made


@pytest.fixture
def node(running: TlsNode) -> TlsNode:
    """Return the node, with a certificate that is valid for long."""
    running.certify(30 * DAY)
    return running


def test_kdig_gets_the_answers_of_its_range_and_trusts_the_certificate(node: TlsNode) -> None:
    for source, status in ((GHENT, "REFUSED"), (MECHELEN, "NOERROR"), (UNREGISTERED, "REFUSED")):
        found = node.kdig(BANNED, source=source)
        assert (found.returncode, re.findall(r"status: (\w+)", found.stdout)) == (0, [status]), found
        assert "TLS session (TLS1.3)" in found.stdout
    counted = node.dot_queries()
    assert counted >= 3


def test_a_phone_outside_is_refused_as_in_the_office_by_its_fleets_name(node: TlsNode) -> None:
    for name, status in ((BANNED, "REFUSED"), ("plain.example.org", "NOERROR")):
        found = node.kdig(name, source=UNREGISTERED, host=f"{TOKEN}.{NAME}")
        assert re.findall(r"status: (\w+)", found.stdout) == [status], found
    assert "EDE: 15" in node.kdig(BANNED, source=UNREGISTERED, host=f"{TOKEN}.{NAME}").stdout
    assert node.kdig(BANNED, source=UNREGISTERED, host=f"gnt-unknown-abcdefgh.{NAME}").returncode != 0


def test_kdig_gets_padded_replies_of_one_size(node: TlsNode) -> None:
    found = node.kdig("plain.example.org", "+padding", "+keepopen", BANNED, "localhost")
    assert re.findall(r"Received (\d+) B", found.stdout) == ["468"] * 3, found


def test_kdig_trusts_no_other_name_and_no_other_authority(node: TlsNode, tmp_path: Path) -> None:
    assert node.kdig("plain.example.org", host="other.example.org").returncode != 0
    other = Certified(tmp_path).authority.ca
    trust = (f"+tls-ca={other}", f"+tls-hostname={NAME}")
    found = component("kdig").run("@127.0.0.1", "-p", str(node.dot_port), *trust, "+retry=0", "plain.example.org")
    assert found.returncode != 0


def test_a_reload_with_another_certificate_breaks_no_connection(node: TlsNode) -> None:
    with closing(node.connect()) as kept:
        node.certify(60 * DAY)
        assert [ask(kept, name).rcode() for name in (BANNED, "plain.example.org")] == [5, 0]
    assert node.kdig("plain.example.org").returncode == 0


def test_a_bad_pair_leaves_the_last_good_one_in_use(node: TlsNode) -> None:
    good, key = node.certified.key.read_bytes(), node.certified.key
    before = node.serial()
    try:
        key.write_bytes(good[: len(good) // 2])
        node.reload()
        assert eventually(lambda: node.logged("configuration not reloaded", "holds no key in PEM without a password"))
        assert node.serial() == before
        assert node.kdig("plain.example.org").returncode == 0
    finally:
        key.write_bytes(good)


def test_kdig_rejects_an_expired_certificate_that_the_node_serves(node: TlsNode) -> None:
    node.certify(-DAY)
    assert node.kdig("plain.example.org").returncode != 0
    node.certify(DAY)
    assert node.kdig("plain.example.org").returncode == 0


def test_connections_go_on_when_a_worker_dies_and_new_ones_are_served(node: TlsNode) -> None:
    pids = node.worker_pids()
    os.kill(pids[0], signal.SIGKILL)
    for _ in range(20):
        with closing(node.connect()) as stream:
            assert ask(stream).rcode() == 5
    assert eventually(lambda: len(set(node.worker_pids()) - {pids[0]}) == 2 and node.is_ready())


def test_listeners_come_and_go_with_a_reload(node: TlsNode) -> None:
    text = node.config.read_text()
    try:
        node.config.write_text(text.replace(node.table(), ""))
        node.reload()
        assert eventually(lambda: not _listens(node.dot_port))
        assert "dnsfilter_certificate_expiry_timestamp_seconds" not in node.metrics()
    finally:
        node.config.write_text(text)
        node.reload()
    assert eventually(lambda: _listens(node.dot_port))
    assert eventually(lambda: node.kdig("plain.example.org").returncode == 0, every_s=0.2)


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Stubby(Process):
    """stubby, which asks the node over TLS only, and checks its certificate for NAME."""

    def __init__(self, directory: Path, node: TlsNode) -> None:
        super().__init__(directory, "stubby")
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._program = component("stubby")
        self.environment = dict(self._program.env)
        (directory / "stubby.yml").write_text(
            "resolution_type: GETDNS_RESOLUTION_STUB\n"
            "dns_transport_list:\n  - GETDNS_TRANSPORT_TLS\n"
            "tls_authentication: GETDNS_AUTHENTICATION_REQUIRED\n"
            f'tls_ca_file: "{node.certified.authority.ca}"\n'
            "tls_query_padding_blocksize: 128\n"
            "round_robin_upstreams: 1\n"
            "idle_timeout: 9000\n"
            f"listen_addresses:\n  - 127.0.0.1@{self.port}\n"
            "upstream_recursive_servers:\n"
            f'  - address_data: 127.0.0.1\n    tls_port: {node.dot_port}\n    tls_auth_name: "{NAME}"\n'
        )

    def command(self) -> list[str]:
        return [str(self._program.path), "-C", str(self.directory / "stubby.yml")]

    def is_ready(self) -> bool:
        try:
            return self.rcode("plain.example.org") == "NOERROR"
        except NoAnswer:
            return False

    def rcode(self, name: str) -> str:
        return dig(name, port=self.port).rcode


def test_stubby_resolves_by_the_node(node: TlsNode, tmp_path: Path) -> None:
    before = node.dot_queries()
    with Stubby(tmp_path / "stubby", node) as client:
        assert client.rcode("plain.example.org") == "NOERROR"
        assert client.rcode("localhost.example.org") in ("NXDOMAIN", "NOERROR")
    assert node.dot_queries() > before
