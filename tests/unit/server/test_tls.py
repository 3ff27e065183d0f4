"""Certificates of devices: who showed one in a handshake, also in one that resumes a session."""

import os
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from dnsfilter.server.tls import Contexts, Refused, TlsSession
from dnsfilter.worker.sealed import seal
from tests.support.certificates import DAY, Authority
from tests.support.served_tls import NAME, Certified


class Device:
    """A client's side of TLS, in memory."""

    def __init__(self, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=NAME, session=session)

    def shake_hands(self, server: TlsSession) -> None:
        """Complete the handshake of both sides. Raise Refused if the server ends it."""
        for _ in range(4):
            with suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
            if data := self.outgoing.read():
                server.receive(data)
            self.incoming.write(server.take())


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    return Certified(tmp_path / "server")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return the authority of devices."""
    return Authority(tmp_path / "devices", "an authority of devices")


@pytest.fixture
def contexts(certified: Certified, authority: Authority) -> Contexts:
    made = Contexts(lambda _: True)
    descriptors = certified.memory(), seal("authorities", authority.ca.read_bytes())
    made.use(*descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    return made


def session(contexts: Contexts) -> TlsSession:
    made = contexts.session("dot")
    assert made is not None
    return made


def showing(certified: Certified, authority: Authority, directory: Path, **issued: object) -> ssl.SSLContext:
    """Return the context of a device with a certificate of that authority."""
    certificate, key = directory / "device.pem", directory / "device.key"
    authority.issue(certificate, key, **({"usage": ExtendedKeyUsageOID.CLIENT_AUTH} | issued))  # type: ignore[arg-type]
    context = certified.trusting()
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_knows_whether_a_certificate_was_shown_also_when_it_is_resumed(
    certified: Certified, authority: Authority, contexts: Contexts, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    for context, is_certified in ((showing(certified, authority, tmp_path), True), (certified.trusting(), False)):
        context.maximum_version = version
        first, server = Device(context), session(contexts)
        first.shake_hands(server)
        assert (server.is_open, server.is_certified) == (True, is_certified)
        server.end()  # OpenSSL forgets the session of a connection that ends without it
        again, server = Device(context, first.tls.session), session(contexts)
        again.shake_hands(server)
        assert (server.is_open, server.is_certified) == (True, is_certified)
        assert again.tls.session_reused is (version is ssl.TLSVersion.TLSv1_2)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    "issued", [{"usage": ExtendedKeyUsageOID.SERVER_AUTH}, {"lasting": -DAY}, {"by": "another authority"}]
)
def test_a_certificate_that_does_not_hold_ends_the_handshake(
    certified: Certified,
    authority: Authority,
    contexts: Contexts,
    tmp_path: Path,
    version: ssl.TLSVersion,
    issued: dict[str, object],
) -> None:
    issuer = Authority(tmp_path / "other", str(issued["by"])) if "by" in issued else authority
    context = showing(certified, issuer, tmp_path, **{key: issued[key] for key in issued if key != "by"})
    context.maximum_version = version
    server = session(contexts)
    with pytest.raises(Refused):
        Device(context).shake_hands(server)
    assert (server.is_open, server.is_certified) == (False, False)


def test_without_authorities_no_certificate_is_asked_for(
    certified: Certified, authority: Authority, tmp_path: Path
) -> None:
    plain = Contexts(lambda _: True)
    descriptor = certified.memory()
    plain.use(descriptor)
    os.close(descriptor)
    server = session(plain)
    Device(showing(certified, authority, tmp_path)).shake_hands(server)
    assert (server.is_open, server.is_certified) == (True, False)
