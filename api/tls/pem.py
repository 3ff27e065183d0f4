"""Certificates and keys in PEM: check files, and make of a pair what a server speaks."""

import ssl
from pathlib import Path

MAX_BYTES = 1024 * 1024
CERTIFICATE, PRIVATE_KEY = "CERTIFICATE", "PRIVATE KEY"
"""What `-----BEGIN` has before its end."""
MISMATCH = "KEY_VALUES_MISMATCH"


def check_pem(path: Path, kind: str) -> None:
    """Raises ValueError unless the file holds something of that kind, `CERTIFICATE` or `PRIVATE_KEY`, in PEM."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    if f"{kind}-----".encode() not in text:
        raise ValueError(f"{path} holds no {kind.lower()} in PEM")


def make_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """What a server with this certificate speaks: TLS 1.2 and later. Raises ValueError naming the file at fault."""
    check_pem(certificate, CERTIFICATE)
    check_pem(key, PRIVATE_KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without a password OpenSSL would ask the terminal for one.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ValueError) as error:
        if isinstance(error, ssl.SSLError) and error.reason == MISMATCH:
            raise ValueError(f"the key in {key} is not that of the certificate in {certificate}") from error
        message = f"{certificate} and {key} are no certificate and its key, in PEM and without a password"
        raise ValueError(message) from error
    return context
