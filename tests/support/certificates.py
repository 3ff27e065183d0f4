"""Certificates of a private certificate authority, made on demand."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority that signs certificates for servers on loopback, and for devices.

    Servers and clients trust it by the file `ca`.
    """

    def __init__(
        self, directory: Path, name: str = "an authority of tests", lasting: datetime.timedelta = 30 * DAY
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        built = _builder(self._name, self._name, self._key.public_key(), lasting)
        built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        built = built.add_extension(usage, critical=True)
        built = built.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        self.ca = directory / "ca.pem"
        self.ca.write_bytes(built.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def issue(
        self,
        certificate: Path,
        key: Path,
        address: str = "127.0.0.1",
        lasting: datetime.timedelta = 30 * DAY,
        name: str = "localhost",
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> int:
        """Write a new certificate for an address, a name and those below it. Return its serial number.

        Write it and its key atomically.
        """
        made = ec.generate_private_key(ec.SECP256R1())
        built = _builder(_named("a server"), self._name, made.public_key(), lasting)
        names = [x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName(name), x509.DNSName(f"*.{name}")]
        built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
        built = built.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        signed = built.add_extension(known, critical=False).sign(self._key, hashes.SHA256())
        _replace(key, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
        _replace(certificate, signed.public_bytes(Encoding.PEM), 0o644)
        return signed.serial_number


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lasting: datetime.timedelta = 30 * DAY
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    built = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
    return built.not_valid_before(now - 2 * DAY).not_valid_after(now + lasting)


def _replace(path: Path, content: bytes, mode: int) -> None:
    extra = path.with_name(f".{path.name}.new")
    extra.write_bytes(content)
    extra.chmod(mode)
    extra.replace(path)
