"""Certificates and keys in PEM: check the files, and make a server's TLS context from a pair."""

import ssl
import stat
from pathlib import Path

MAX_BYTES = 1024 * 1024
CERTIFICATE, PRIVATE_KEY = "CERTIFICATE", "PRIVATE KEY"
"""The words between `-----BEGIN` and `-----`."""
MISMATCH = "KEY_VALUES_MISMATCH"


def check_pem(path: Path, kind: str) -> None:
    """Raise ValueError unless the file holds a PEM block of that kind, `CERTIFICATE` or `PRIVATE_KEY`."""
    try:
        if stat.S_ISFIFO(path.stat().st_mode):  # to open it would last until somebody writes to it
            raise ValueError(f"{path} is a FIFO: give a file, which can be read again when it changes")
        with path.open("rb") as file:
            text = file.read(MAX_BYTES)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    if f"{kind}-----".encode() not in text:
        raise ValueError(f"{path} holds no {kind.lower()} in PEM")


def expiry_s(certificate: Path) -> int | None:
    """Return when the first certificate of the file expires, with those of its chain; None if that is unreadable."""
    from cryptography.x509 import load_pem_x509_certificates  # takes 2 MB, and without TLS nobody needs it

    try:
        found = load_pem_x509_certificates(certificate.read_bytes())
        return int(min(one.not_valid_after_utc for one in found).timestamp())
    except (OSError, ValueError):
        return None


def make_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a server's TLS context for this certificate: TLS 1.2 and later. Raise ValueError that names the file."""
    check_pem(certificate, CERTIFICATE)
    check_pem(key, PRIVATE_KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without a password OpenSSL would ask the terminal for one.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ValueError) as error:
        if isinstance(error, ssl.SSLError) and error.reason == MISMATCH:
            raise ValueError(f"the key in {key} does not belong to the certificate in {certificate}") from error
        message = f"{certificate} and {key} are not a certificate and its key in PEM without a password"
        raise ValueError(message) from error
    return context
