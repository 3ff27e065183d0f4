"""Certificates of a fleet's devices with real kdig, curl and openssl: as in the office, or refused."""

import re
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE, CompletedProcess

import dns.message
import dns.rcode
import pytest
from cryptography.x509 import load_pem_x509_certificates
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.integration.test_dns_over_https import HttpsNode
from tests.integration.test_dns_over_tls import BANNED, GHENT, MECHELEN, TOKEN, UNREGISTERED
from tests.support.certificates import Authority
from tests.support.engines import query
from tests.support.knot import Knot
from tests.support.nodes import eventually
from tests.support.served_tls import NAME

FLEET = f"{TOKEN}.{NAME}"
PLAIN = "plain.example.org"


class DemandingNode(HttpsNode):
    """A node that demands a certificate of `devices` from a fleet's devices."""

    def table(self) -> str:
        self.devices = Authority(self.directory_of_devices, "devices")
        return f'{super().table()}client_ca = "{self.devices.ca}"\n'

    @property
    def directory_of_devices(self) -> Path:
        return self.certified.certificate.with_name("devices")

    def device(self, authority: Authority, name: str = "device") -> tuple[Path, Path]:
        """Return a new certificate of an authority, and its key."""
        certificate, key = (self.directory_of_devices / f"{name}.{end}" for end in ("pem", "key"))
        authority.issue(certificate, key, usage=ExtendedKeyUsageOID.CLIENT_AUTH)
        return certificate, key

    def by_fleet(self, name: str, files: tuple[Path, Path] | None = None) -> CompletedProcess[str]:
        shown = () if files is None else (f"+tls-certfile={files[0]}", f"+tls-keyfile={files[1]}")
        return self.kdig(name, *shown, source=UNREGISTERED, host=FLEET)

    def rcode_by_path(self, name: str, files: tuple[Path, Path] | None = None) -> str:
        """Return the code of an answer to curl by the fleet's path, or curl's failure."""
        shown = () if files is None else ("--cert", str(files[0]), "--key", str(files[1]))
        message = urlsafe_b64encode(query(name, id=0)).decode().rstrip("=")
        output = self.directory / "answer"
        found = self.curl(f"/dns-query/{TOKEN}?dns={message}", *shown, "--output", str(output), source=UNREGISTERED)
        if found.returncode:
            return "no answer"
        return dns.rcode.to_text(dns.message.from_wire(output.read_bytes()).rcode())


def status(found: CompletedProcess[str]) -> str:
    return next(iter(re.findall(r"status: (\w+); id", found.stdout)), "no answer")


@pytest.fixture(scope="module", params=["compiled", "reference"])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Knot
) -> Iterator[DemandingNode]:
    """Run a node with each engine."""
    with DemandingNode(tmp_path_factory.mktemp("demands") / "in", authority.hostport, engine=request.param) as made:
        yield made


def test_a_device_counts_as_its_fleet_only_with_a_certificate(node: DemandingNode) -> None:
    files = node.device(node.devices)
    assert "EDE: 15" in node.by_fleet(BANNED, files).stdout
    assert status(node.by_fleet(PLAIN, files)) == "NOERROR"
    for name in (BANNED, PLAIN):
        found = node.by_fleet(name)
        assert status(found) == "REFUSED"
        assert "EDE: 18" in found.stdout
    assert [node.rcode_by_path(PLAIN, shown) for shown in (files, None)] == ["NOERROR", "REFUSED"]
    (device_ca,) = load_pem_x509_certificates(node.devices.ca.read_bytes())
    end_s = device_ca.not_valid_after_utc.timestamp()
    assert eventually(lambda: node.metrics().get("dnsfilter_client_ca_expiry_timestamp_seconds") == end_s)
    assert not node.logged("a server")  # the subject of the certificate


def test_a_certificate_of_another_authority_ends_the_handshake(node: DemandingNode, tmp_path: Path) -> None:
    files = node.device(Authority(tmp_path, "others"), "other")
    assert status(node.by_fleet(PLAIN, files)) == "no answer"
    assert node.rcode_by_path(PLAIN, files) == "no answer"


def test_an_office_needs_no_certificate(node: DemandingNode) -> None:
    assert [status(node.kdig(BANNED, source=source)) for source in (GHENT, MECHELEN)] == ["REFUSED", "NOERROR"]
    assert status(node.kdig_https(PLAIN, "+https", source=MECHELEN)) == "NOERROR"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("is_shown", [True, False])
def test_a_resumed_session_has_the_certificate_that_it_began_with(
    node: DemandingNode, tmp_path: Path, version: str, is_shown: bool
) -> None:
    certificate, key = node.device(node.devices)
    shown = ("-cert", str(certificate), "-key", str(key)) if is_shown else ()
    message = query(PLAIN)
    target = ("openssl", "s_client", "-connect", f"127.0.0.1:{node.dot_port}", "-bind", f"{UNREGISTERED}:0")

    def rcode(*options: str) -> str:
        command = [*target, "-servername", FLEET, version, "-quiet", "-no_ign_eof", *options]
        with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(len(message).to_bytes(2, "big") + message)
            client.stdin.flush()
            answer = client.stdout.read(int.from_bytes(client.stdout.read(2), "big"))
        return dns.rcode.to_text(dns.message.from_wire(answer).rcode())

    session = tmp_path / "session"
    expected = "NOERROR" if is_shown else "REFUSED"
    assert rcode(*shown, "-sess_out", str(session)) == expected
    assert session.exists() is (version == "-tls1_2")  # no tickets, so TLS 1.3 has nothing to resume
    if session.exists():  # another worker may get the connection, and does not know the session
        assert eventually(lambda: rcode("-sess_in", str(session)) == expected)


def test_another_authority_is_in_force_after_a_reload(node: DemandingNode, tmp_path: Path) -> None:
    old, text = node.device(node.devices), node.devices.ca.read_bytes()
    others = Authority(tmp_path, "others")
    new = node.device(others, "other")
    node.devices.ca.write_text("text")
    node.reload()
    assert eventually(lambda: node.logged("encrypted.client_ca", "holds no certificate in PEM"))
    assert status(node.by_fleet(PLAIN, old)) == "NOERROR"
    node.devices.ca.write_bytes(others.ca.read_bytes())
    node.reload()
    assert eventually(lambda: [status(node.by_fleet(PLAIN, new)) for _ in range(4)] == ["NOERROR"] * 4)
    assert status(node.by_fleet(PLAIN, old)) == "no answer"
    node.devices.ca.write_bytes(text)
    node.reload()
    assert eventually(lambda: [status(node.by_fleet(PLAIN, old)) for _ in range(4)] == ["NOERROR"] * 4)


def test_devices_with_certificates_get_answers_while_the_demand_for_them_ends(node: DemandingNode) -> None:
    files, text = node.device(node.devices), node.config.read_text()
    node.config.write_text(text.replace(f'client_ca = "{node.devices.ca}"\n', ""))
    node.reload()
    meanwhile: list[str] = []

    def is_over() -> bool:
        meanwhile.append(status(node.by_fleet(PLAIN, files)))
        return status(node.by_fleet(PLAIN)) == "NOERROR"

    assert eventually(is_over)
    assert set(meanwhile) == {"NOERROR"}
    node.config.write_text(text)
    node.reload()
    assert eventually(lambda: [status(node.by_fleet(PLAIN)) for _ in range(4)] == ["REFUSED"] * 4)
    assert status(node.by_fleet(PLAIN, files)) == "NOERROR"
