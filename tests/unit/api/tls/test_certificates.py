"""A certificate in use: which files are loaded or refused, and that handshakes use the last one loaded."""

import logging
import os
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from api.tls.certificates import Certificate, exposure_warning
from api.tls.pem import CERTIFICATE, check_pem, make_context
from tests.support.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def pair(tmp_path: Path, authority: Authority) -> tuple[Path, Path]:
    """Return the files of a certificate and of its key."""
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    authority.issue(*files)
    return files


def serial_of(context: ssl.SSLContext, authority: Authority, client: ssl.SSLContext | None = None) -> int:
    """Return the serial number of the certificate that a client gets. Raise errors of the client's handshake."""
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
        with ours, trusting.wrap_socket(ours, server_hostname="127.0.0.1") as secured:
            shown = secured.getpeercert(binary_form=True)
    finally:
        server.join()
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def test_a_handshake_uses_the_certificate_loaded_last(pair: tuple[Path, Path], authority: Authority) -> None:
    used = Certificate(*pair)
    first = serial_of(used.context, authority)
    assert not used.reload()
    second = authority.issue(*pair)
    assert serial_of(used.context, authority) == first
    assert used.reload()
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


def never_read(certificate: Path, key: Path, authority: Authority) -> None:
    key.unlink()
    os.mkfifo(key)


BROKEN = [
    (never_read, "key.pem is a FIFO"),
    (no_key, "are not a certificate and its key"),
    (another_key, "the key in .*key.pem does not belong to the certificate"),
    (another_certificate, "the key in .*key.pem does not belong to the certificate"),
    (half_a_certificate, "are not a certificate and its key"),
    (gone, "cannot read .*key.pem: No such file"),
    (with_a_password, "in PEM without a password"),
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
def test_a_broken_new_pair_leaves_the_old_one_in_use(
    pair: tuple[Path, Path], authority: Authority, spoil: Break, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    used = Certificate(*pair)
    first = serial_of(used.context, authority)
    spoil(*pair, authority)
    with caplog.at_level(logging.ERROR):
        assert not used.reload()
    assert "the old one stays" in caplog.text
    assert serial_of(used.context, authority) == first
    caplog.clear()
    assert not used.reload()
    assert caplog.text == ""
    pair[1].unlink(missing_ok=True)
    second = authority.issue(*pair)
    assert used.reload()
    assert serial_of(used.context, authority) == second


def test_check_soon_reloads_a_new_pair(pair: tuple[Path, Path], authority: Authority) -> None:
    used = Certificate(*pair)
    used.start()
    try:
        second = authority.issue(*pair)
        used.check_soon()
        attempts = iter(range(1000))
        while serial_of(used.context, authority) != second:
            assert next(attempts, None) is not None
    finally:
        used.stop()


@pytest.mark.parametrize(
    ("mode", "warned"), [(0o600, False), (0o400, False), (0o640, False), (0o660, True), (0o604, True)]
)
def test_a_key_that_others_can_access_gives_a_warning(pair: tuple[Path, Path], mode: int, warned: bool) -> None:
    pair[1].chmod(mode)
    assert (exposure_warning(pair[1]) is not None) is warned


def test_a_file_without_pem_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    with pytest.raises(ValueError, match="holds no certificate in PEM"):
        check_pem(tmp_path / "x", CERTIFICATE)
    with pytest.raises(ValueError, match="Is a directory"):
        check_pem(tmp_path, CERTIFICATE)


def test_the_expiry_is_the_earliest_of_the_chain(pair: tuple[Path, Path], authority: Authority) -> None:
    def expiry(path: Path) -> float:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.timestamp()

    used = Certificate(*pair)
    alone = expiry(pair[0])
    assert used.expires_s == alone
    pair[0].write_bytes(pair[0].read_bytes() + authority.ca.read_bytes())
    assert used.reload()
    assert used.expires_s == min(alone, expiry(authority.ca))
