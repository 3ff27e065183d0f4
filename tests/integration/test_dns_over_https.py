"""DNS over HTTPS of a real node, with kdig, curl and dnsdist: policy, methods, and the end of a node."""

import re
import signal
import socket
import ssl
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess

import dns.message
import dns.rcode
import pytest

from tests.integration.test_dns_over_tls import BANNED, GHENT, MECHELEN, UNREGISTERED, TlsNode
from tests.support.components import component
from tests.support.dig import NoAnswer, dig
from tests.support.engines import PATIENCE_S, query
from tests.support.http2_client import DNS, Http2Client
from tests.support.knot import Knot
from tests.support.nodes import Process
from tests.support.ports import free_port
from tests.support.served_tls import NAME


class HttpsNode(TlsNode):
    """A node with a certificate for NAME that serves DNS over TLS and over HTTPS."""

    def table(self) -> str:
        self.doh_port = free_port()
        return f'{super().table()}doh_listen = ["127.0.0.1:{self.doh_port}"]\n'

    def kdig_https(self, name: str, *options: str, source: str = GHENT) -> CompletedProcess[str]:
        """Ask strictly: kdig checks the certificate."""
        trust = (f"+tls-ca={self.certified.authority.ca}", f"+tls-hostname={NAME}")
        target = ("@127.0.0.1", "-p", str(self.doh_port), "-b", source)
        return component("kdig").run(*target, *trust, "+timeout=10", "+retry=0", *options, name)

    def curl(self, path: str, *options: str, source: str = GHENT) -> CompletedProcess[str]:
        """Request a path. The output begins with the head of the response. Its body may go to a file."""
        target = ("--resolve", f"{NAME}:{self.doh_port}:127.0.0.1", "--interface", source)
        trust = ("--cacert", str(self.certified.authority.ca))
        return component("curl").run(
            "-sS",
            "--dump-header",
            "-",
            *target,
            *trust,
            "--max-time",
            "30",
            *options,
            f"https://{NAME}:{self.doh_port}{path}",
        )

    def doh_queries(self) -> float:
        return sum(count for name, count in self.metrics().items() if 'transport="doh"' in name and "queries" in name)


@pytest.fixture(scope="module", params=["compiled", "reference"])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Knot
) -> Iterator[HttpsNode]:
    """Run a node with each engine."""
    with HttpsNode(tmp_path_factory.mktemp("https") / "in", authority.hostport, engine=request.param) as made:
        yield made


@pytest.mark.parametrize("method", ["+https", "+https-get"])
def test_kdig_gets_the_answers_of_its_range(node: HttpsNode, method: str) -> None:
    before = node.doh_queries()
    for source, status in ((GHENT, "REFUSED"), (MECHELEN, "NOERROR"), (UNREGISTERED, "REFUSED")):
        found = node.kdig_https(BANNED, method, source=source)
        assert (found.returncode, re.findall(r"status: (\w+); id", found.stdout)) == (0, [status]), found
        assert "(status: 200)" in found.stdout
        assert "Received 468 B" in found.stdout  # kdig asks for padding
    assert node.doh_queries() >= before + 3


@pytest.mark.parametrize("method", ["+https", "+https-get"])
def test_binds_dig_gets_an_answer(node: HttpsNode, method: str) -> None:
    strictly = (method, f"+tls-ca={node.certified.authority.ca}", f"+tls-hostname={NAME}")
    for source, rcode in ((GHENT, "REFUSED"), (MECHELEN, "NOERROR")):
        found = dig(BANNED, port=node.doh_port, bind=source, extra=strictly)
        assert found.rcode == rcode
        assert "(HTTPS" in found.raw


def test_curl_gets_an_answer_that_only_it_may_use_again(node: HttpsNode) -> None:
    message = urlsafe_b64encode(query("plain.example.org", id=0)).decode().rstrip("=")
    found = node.curl(f"/dns-query?dns={message}", "--output", str(node.directory / "answer"))
    assert found.stdout.startswith("HTTP/2 200"), found
    answer = dns.message.from_wire((node.directory / "answer").read_bytes())
    lifetime = re.search(r"cache-control: private, max-age=(\d+)\r?\n", found.stdout)
    assert lifetime is not None
    assert 0 < int(lifetime[1]) <= answer.answer[0].ttl


def test_curl_posts_a_query(node: HttpsNode, tmp_path: Path) -> None:
    (tmp_path / "query").write_bytes(query(BANNED, id=0))
    options = ("-H", f"content-type: {DNS}", "--data-binary", f"@{tmp_path / 'query'}")
    found = node.curl("/dns-query", *options, "--output", str(tmp_path / "answer"))
    assert found.returncode == 0, found
    assert dns.message.from_wire((tmp_path / "answer").read_bytes()).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize(
    ("path", "options", "head"),
    [
        ("/", (), "HTTP/2 404"),
        ("/dns-query", (), "HTTP/2 400"),
        ("/dns-query", ("--data", "x"), "HTTP/2 415"),
        ("/dns-query", ("-X", "DELETE"), "HTTP/2 405"),
        ("/dns-query/unknown?dns=AAAA", (), "HTTP/2 404"),
        ("/dns-query", ("--http1.1",), "HTTP/1.1 505"),
    ],
)
def test_curl_gets_a_text_in_place_of_an_answer(
    node: HttpsNode, path: str, options: tuple[str, ...], head: str
) -> None:
    found = node.curl(path, *options)
    assert found.stdout.startswith(head), found
    assert found.stdout.endswith(".\n")


def test_curl_resolves_by_the_node(node: HttpsNode) -> None:
    found = component("curl").run(
        "-sv", "--max-time", "5", "--doh-insecure", "--interface", MECHELEN, "--doh-url",
        f"https://127.0.0.1:{node.doh_port}/dns-query", "http://plain.example.org:9/",
    )  # fmt: skip
    assert "plain.example.org:9 was resolved" in found.stderr, found


def test_a_client_is_asked_to_end_before_the_node_stops(tmp_path: Path, authority: Knot) -> None:
    with HttpsNode(tmp_path / "in", authority.hostport, workers=1) as node:
        client = Http2Client()
        with closing(_connected(node)) as stream:
            asked = client.request(body=query("plain.example.org"))
            stream.sendall(client.take())
            while not client.responses[asked].is_complete:
                client.receive(stream.recv(65_536))
            assert client.responses[asked].status == 200
            assert node.process is not None
            node.process.send_signal(signal.SIGTERM)
            while data := stream.recv(65_536):
                client.receive(data)
            assert client.asked_to_end
            assert client.ended == 0


def _connected(node: HttpsNode) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", node.doh_port), PATIENCE_S, (GHENT, 0))
    return node.certified.trusting(protocols=("h2",)).wrap_socket(plain, server_hostname=NAME)


class Dnsdist(Process):
    """dnsdist, which asks the node by DoH only, and checks its certificate for NAME."""

    def __init__(self, directory: Path, node: HttpsNode, source: str) -> None:
        super().__init__(directory, "dnsdist")
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._program = component("dnsdist")
        self.environment = dict(self._program.env)
        (directory / "dnsdist.conf").write_text(
            f'setLocal("127.0.0.1:{self.port}")\n'
            f'newServer({{address="127.0.0.1:{node.doh_port}", tls="openssl", dohPath="/dns-query", source="{source}",'
            f' subjectName="{NAME}", validateCertificates=true, caStore="{node.certified.authority.ca}",'
            ' healthCheckMode="up"})\n'
        )

    def command(self) -> list[str]:
        return [str(self._program.path), "--supervised", "--disable-syslog", "-C", str(self.directory / "dnsdist.conf")]

    def is_ready(self) -> bool:
        try:
            return self.rcode("plain.example.org") == "NOERROR"
        except NoAnswer:
            return False

    def rcode(self, name: str) -> str:
        return dig(name, port=self.port).rcode


@pytest.mark.parametrize(("source", "rcode"), [(GHENT, "REFUSED"), (MECHELEN, "NOERROR")])
def test_dnsdist_forwards_to_the_node(node: HttpsNode, tmp_path: Path, source: str, rcode: str) -> None:
    with Dnsdist(tmp_path / "dnsdist", node, source) as client:
        assert client.rcode(BANNED) == rcode
