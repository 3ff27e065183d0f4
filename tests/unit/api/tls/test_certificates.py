"""A certificate in use: what is taken, what is not, and that a handshake gets what was last loaded."""

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from api.tls.certificates import Certificate, exposed
from api.tls.pem import CERTIFICATE, check_pem, make_context
from tests.support.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def pair(tmp_path: Path, authority: Authority) -> tuple[Path, Path]:
    """A certificate's file and its key's."""
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    authority.issue(*files)
    return files


def serial_of(context: ssl.SSLContext, authority: Authority, client: ssl.SSLContext | None = None) -> int:
    """The serial number of what a client is shown; raises what the client's handshake raises."""
    trusting = client or ssl.create_default_context(cafile=authority.ca)
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with context.wrap_socket(theirs, server_side=True) as served:
                served.recv(1)
        except OSError:
            theirs.close()

    server = threading.Thread(target=serve)
    server.start()
    try:
        with ours, trusting.wrap_socket(ours, server_hostname="127.0.0.1") as spoken:
            shown = spoken.getpeercert(binary_form=True)
    finally:
        server.join()
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def test_a_handshake_gets_the_certificate_that_was_last_loaded(pair: tuple[Path, Path], authority: Authority) -> None:
    used = Certificate(*pair)
    first = serial_of(used.context, authority)
    assert not used.renew()
    second = authority.issue(*pair)
    assert serial_of(used.context, authority) == first
    assert used.renew()
    assert serial_of(used.context, authority) == second != first


def test_an_old_protocol_is_refused(pair: tuple[Path, Path], authority: Authority) -> None:
    assert make_context(*pair).minimum_version == ssl.TLSVersion.TLSv1_2
    client = ssl.create_default_context(cafile=authority.ca)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert serial_of(Certificate(*pair).context, authority, client) > 0


def no_key(certificate: Path, key: Path, authority: Authority) -> None:
    key.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")


def another_key(certificate: Path, key: Path, authority: Authority) -> None:
    authority.issue(certificate.with_name("other.pem"), key)


def another_certificate(certificate: Path, key: Path, authority: Authority) -> None:
    authority.issue(certificate, key.with_name("other.pem"))


def half_a_certificate(certificate: Path, key: Path, authority: Authority) -> None:
    certificate.write_bytes(certificate.read_bytes()[:200])


def gone(certificate: Path, key: Path, authority: Authority) -> None:
    key.unlink()


def with_a_password(certificate: Path, key: Path, authority: Authority) -> None:
    made = ec.generate_private_key(ec.SECP256R1())
    key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))


BROKEN = [
    (no_key, "are no certificate and its key"),
    (another_key, "the key in .*key.pem is not that of the certificate"),
    (another_certificate, "the key in .*key.pem is not that of the certificate"),
    (half_a_certificate, "are no certificate and its key"),
    (gone, "cannot read .*key.pem: No such file"),
    (with_a_password, "and without a password"),
]
Break = Callable[[Path, Path, Authority], None]


@pytest.mark.parametrize(("spoil", "message"), BROKEN)
def test_a_broken_pair_is_refused_with_its_reason(
    pair: tuple[Path, Path], authority: Authority, spoil: Break, message: str
) -> None:
    spoil(*pair, authority)
    with pytest.raises(ValueError, match=message):
        make_context(*pair)


@pytest.mark.parametrize(("spoil", "message"), BROKEN)
def test_a_broken_new_pair_leaves_the_old_one_in_use_until_it_is_whole(
    pair: tuple[Path, Path], authority: Authority, spoil: Break, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    used = Certificate(*pair)
    first = serial_of(used.context, authority)
    spoil(*pair, authority)
    with caplog.at_level(logging.ERROR):
        assert not used.renew()
    assert "the old one stays" in caplog.text
    assert serial_of(used.context, authority) == first
    caplog.clear()
    assert not used.renew()
    assert caplog.text == ""
    second = authority.issue(*pair)
    assert used.renew()
    assert serial_of(used.context, authority) == second


def test_a_running_one_takes_a_new_pair_when_it_is_told_to_look(pair: tuple[Path, Path], authority: Authority) -> None:
    used = Certificate(*pair)
    used.start()
    try:
        second = authority.issue(*pair)
        used.look_soon()
        tries = iter(range(1000))
        while serial_of(used.context, authority) != second:
            assert next(tries, None) is not None
    finally:
        used.stop()


@pytest.mark.parametrize(
    ("mode", "told"), [(0o600, False), (0o400, False), (0o640, False), (0o660, True), (0o604, True)]
)
def test_a_key_that_is_open_to_others_is_told(pair: tuple[Path, Path], mode: int, told: bool) -> None:
    pair[1].chmod(mode)
    assert (exposed(pair[1]) is not None) is told


def test_what_is_no_pem_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    with pytest.raises(ValueError, match="holds no certificate in PEM"):
        check_pem(tmp_path / "x", CERTIFICATE)
    with pytest.raises(ValueError, match="Is a directory"):
        check_pem(tmp_path, CERTIFICATE)
